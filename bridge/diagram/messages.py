"""The refusals of the checker: one place for how elements are called and for the words that are used more than once.

Every refusal is a `DiagramError` with one of these kinds, the same in Python and Julia:

| kind | the rule that was broken |
| --- | --- |
| `name` | a name is empty, too long, not Unicode, or has a character that names may not have |
| `duplicate` | two elements of one kind, or two axes of one space, have the same name |
| `unknown` | an element names, or a term refers to, something that is not there |
| `space` | a space means nothing: an axis of size 0, classes on a float space, … |
| `layer` | an unknown operation or version, a wrong attribute, or values that do not fit a layer |
| `component` | a component contradicts itself, or the arrows that name it |
| `type` | arrows that do not compose: wrong number of arguments, wrong space, unused fields |
| `source` | two sources below one term, or none below a side |
| `divergence` | an unknown divergence, a wrong attribute, or spaces that its row does not accept |
| `parallel` | sides that are not parallel |
| `mask` | a mask that does not fit its agreement |
| `weight` | a weight that is not finite |
| `cycle` | a cycle on some path of a commute, without a bound |
| `paths` | a commute with fewer than two paths, or too many |
| `trainable` | agreements none of which has a trainable component below it |
| `shared` | an element that two diagrams share differs between them |
| `limit` | more elements, or a larger number, than a limit of `bridge.diagram.limits` |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bridge.diagram.ir import Axis, Space
from bridge.errors import DiagramError

__all__ = [
    "article",
    "axes_text",
    "element",
    "listing",
    "quote",
    "shape_text",
    "show_space",
    "space_text",
    "type_text",
    "unknown",
]

# How much of a list or of a name an error shows.
SHOWN = 8
LONGEST = 510


# Control characters, white space but the common one, and what is invisible or has no meaning of its own: by ranges, since
# releases of Unicode differ in what they know. julia/src/diagram/messages.jl has the same.
HIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\xa0\\xad\\u061c\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000"
    "\\ud800-\\uf8ff\\ufeff\\ufff0-\\ufffb\\U000e0000-\\U0010ffff]"
)
PLAIN = re.compile(r"[ !-&(-\[\]-~]{0,200}")  # nearly every name: nothing to escape, and short
ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(match: re.Match[str]) -> str:
    """A hidden character as Python writes it in a literal."""
    code = ord(match[0])
    if match[0] in ESCAPES:
        return ESCAPES[match[0]]
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def quote(name: object) -> str:
    """A name as an error shows it, shortened where it is long: the same in Julia.

    >>> quote("digits")
    "'digits'"
    """
    if isinstance(name, str):
        if PLAIN.fullmatch(name):
            return f"'{name}'"
        mark = '"' if "'" in name and '"' not in name else "'"
        text = mark + HIDDEN.sub(escaped, name.replace("\\", "\\\\").replace(mark, f"\\{mark}")) + mark
    else:
        try:
            text = repr(name)
        except ValueError:  # Python writes no integer of more than 4300 digits
            text = f"{article(type(name).__name__)} of too many digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def element(kind: str, name: object) -> str:
    """How an error calls an element.

    >>> element("space", "image")
    "space 'image'"
    """
    return f"{kind} {quote(name)}"


def listing(names: Iterable[str], none: str = "none") -> str:
    """Names in a row, cut off after a few.

    >>> listing(["a", "b"])
    "'a', 'b'"
    """
    every = list(names)
    shown = ", ".join(quote(name) for name in every[:SHOWN])
    if len(every) > SHOWN:
        shown += f", … ({len(every)} in all)"
    return shown or none


def article(noun: str) -> str:
    """A noun with its article.

    >>> article("space"), article("arrow")
    ('a space', 'an arrow')
    """
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def type_text(value: object) -> str:
    """What an unexpected value is.

    >>> type_text(3)
    'an int'
    """
    return article(type(value).__name__)


def unknown(where: str, kind: str, name: str, known: Iterable[str]) -> DiagramError:
    """The refusal of a name that nothing has.

    >>> print(unknown("arrow 'f'", "space", "imag", ["image"]))
    arrow 'f': expected the name of a space ('image'), found 'imag'
    """
    return DiagramError(where, f"the name of {article(kind)} ({listing(known)})", quote(name), "unknown")


def shape_text(shape: Sequence[int | str]) -> str:
    """The sizes of one sample.

    >>> shape_text((8, "length"))
    '(8, length)'
    """
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def axes_text(axes: Sequence[Axis]) -> str:
    """Axes with their sizes.

    >>> axes_text((Axis("row", 8), Axis("step", "length")))
    '(row=8, step=length)'
    """
    return "(" + ", ".join(f"{axis.name}={axis.size}" for axis in axes) + ")"


def space_text(space: Space) -> str:
    """What a space is, without its name.

    >>> from bridge.diagram.ir import DataType
    >>> space_text(Space("label", DataType.INT64, (), 10))
    'int64 () with 10 classes'
    """
    classes = f" with {space.classes} classes" if space.is_index else ""
    return f"{space.data_type.value} {axes_text(space.axes)}{classes}"


def show_space(space: Space) -> str:
    """A space by name, with what it is."""
    return f"space {quote(space.name)} ({space_text(space)})"

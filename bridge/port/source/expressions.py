"""Expressions of a script, with how tightly they bind, so that there are no more parentheses than a person would write.

>>> str(infix(" * ", PRODUCT, infix(" + ", SUM, "a", "b"), "c"))
'(a + b) * c'
>>> str(infix(" + ", SUM, infix(" + ", SUM, "a", "b"), "c"))
'a + b + c'
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = [
    "ATOM",
    "POWER",
    "PRODUCT",
    "SUM",
    "Expression",
    "atom",
    "broken",
    "call",
    "docstring",
    "infix",
    "method",
    "quoted",
    "within",
]

ATOM, POWER, PRODUCT, SUM = range(4)


@dataclass(frozen=True)
class Expression:
    """A text. `depth` counts the calls inside each other."""

    text: str
    binds: int = ATOM
    depth: int = 0

    def __str__(self) -> str:
        return self.text


def atom(value: object) -> Expression:
    """A name or number as an expression; an expression as it is."""
    return value if isinstance(value, Expression) else Expression(str(value))


def quoted(text: str) -> str:
    """A text as a literal that Python and Julia read alike.

    >>> print(quoted("hard $1"))
    "hard \\u00241"
    """
    return json.dumps(text, ensure_ascii=False).replace("$", "\\u0024")


def docstring(text: str) -> str:
    """A text as it stands between the quotes of a docstring in Python.

    >>> print(docstring('a "model" \\\\ 1'))
    a \\"model\\" \\\\ 1
    """
    return text.replace("\\", "\\\\").replace('"', '\\"')


def broken(text: str, indent: int, width: int = 110) -> str:
    """A text that ends behind this width with what its first pair of parentheses holds on lines of their own.

    >>> print(broken('"soft (T)": kl(f(x, y), g(x), log=True) * 4,', 4, 30))
    "soft (T)": kl(
            f(x, y),
            g(x),
            log=True,
        ) * 4,
    """
    if indent + len(text) <= width:
        return text
    depth, start, cuts, quotes = 0, 0, list[int](), False
    for place, sign in enumerate(text):
        if sign == '"' and (len(text[:place]) - len(text[:place].rstrip("\\"))) % 2 == 0:
            quotes = not quotes
        elif quotes:
            continue
        elif sign in "([{":
            depth += 1
            start = start or place + 1
        elif sign in ")]}":
            depth -= 1
            if depth == 0:
                cuts.append(place)
                break
        elif sign == "," and depth == 1:
            cuts.append(place)
    if len(cuts) < 2:
        return text
    parts = [text[one:two].strip() for one, two in zip([start, *(cut + 1 for cut in cuts)], cuts, strict=False)]
    inner = " " * (indent + 4)
    return "\n".join([text[:start], *(f"{inner}{part}," for part in parts), " " * indent + text[cuts[-1] :]])


def within(value: object, binds: int) -> str:
    """An operand of an operator that binds so tightly."""
    made = atom(value)
    return f"({made})" if made.binds > binds else str(made)


def infix(operator: str, binds: int, first: object, *rest: object) -> Expression:
    """Operands with an operator between them, from the left."""
    parts = [atom(first), *map(atom, rest)]
    text = operator.join([within(parts[0], binds), *(within(part, binds - 1) for part in parts[1:])])
    return Expression(text, binds, max(part.depth for part in parts))


def call(name: str, *arguments: object, **keywords: object) -> Expression:
    """A call with positional arguments, and keyword arguments by their texts."""
    parts = list(map(atom, arguments))
    given = [*map(str, parts), *(f"{key}={value}" for key, value in keywords.items())]
    return Expression(f"{name}({', '.join(given)})", ATOM, 1 + max((part.depth for part in parts), default=0))


def method(value: object, rest: str) -> Expression:
    """What follows a value: `.flatten(1)`, `[:, 0]`."""
    made = atom(value)
    return Expression(f"{within(made, ATOM)}{rest}", ATOM, made.depth + 1)

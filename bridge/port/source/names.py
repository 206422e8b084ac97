"""Names of a diagram as names in a script."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

__all__ = ["Names", "class_name", "identifier"]

JULIA_WORDS = frozenset(
    {
        *("baremodule", "begin", "break", "catch", "const", "continue", "do", "else", "elseif", "end", "export"),
        *("false", "finally", "for", "function", "global", "if", "import", "in", "isa", "let", "local", "macro"),
        *("module", "nothing", "quote", "return", "struct", "true", "try", "using", "where", "while"),
    }
)
TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *JULIA_WORDS, "self", "torch", "nn", "F", "Flux"})


def identifier(name: str, prefix: str = "layer") -> str:
    """A name that both languages take.

    >>> identifier("student-2"), identifier("0"), identifier("class"), identifier("größe")
    ('student_2', 'layer0', 'class_', 'gr_e')
    """
    made = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or prefix
    if made[0].isdigit():
        made = prefix + made
    return f"{made}_" if made in TAKEN else made


def class_name(branch: Iterable[str], component: str) -> str:
    """The name of the class for a branch of a component's names.

    >>> class_name([], "student-net"), class_name(["encoder", "blocks", "0"], "net"), class_name(["d", "0"], "net")
    ('StudentNet', 'Block', 'DBlock')
    """
    parts = list(branch) or [component]
    numbered = parts[-1].isdigit()
    words = [part for part in parts if not part.isdigit()] or [component]
    base = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", identifier(words[-1])) if word)
    if numbered and len(base) > 3 and base.endswith("s"):
        return base[:-1]
    return f"{base}Block" if numbered else base


class Names:
    """Names that are given out once each."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def new(self, wanted: str) -> str:
        """The name wanted, with a number behind it where it is taken."""
        made, number = wanted, 1
        while made in self.taken:
            number += 1
            made = f"{wanted}{number}"
        self.taken.add(made)
        return made

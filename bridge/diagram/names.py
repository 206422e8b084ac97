"""Which names elements may have, and which ones agreements and commutes get by default.

A *name* (of a space, axis, source, column, component, arrow or node) can be part of a `state_dict` key: 1 to 200 bytes
of UTF-8 without white space, control characters, or any of ``. , ( ) [ ] { } ~ # / \\ " ' ` ;``. A *label* (of a
diagram, agreement, commute, output or reference) is freer: 1 to 500 bytes, no control characters, and no white space
at either end. Julia checks the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from bridge.diagram.ir import Agreement, ColumnTerm, Commute, Diagram, OutputTerm, Term
from bridge.diagram.messages import element, quote
from bridge.errors import DiagramError

__all__ = ["check_label", "check_name", "default_agreement_name", "default_commute_name", "with_names"]

NAME_BYTES = 200
LABEL_BYTES = 500
NAME = re.compile("[^\\x00-\\x20\\x7f.,()\\[\\]{}~#/\\\\\"'`;]+")
LABEL = re.compile(r"[^\x00-\x1f\x7f]+")
NAME_RULE = f"a name of 1 to {NAME_BYTES} bytes without white space and without . , ( ) [ ] {{ }} ~ # / \\ \" ' ` ;"
LABEL_RULE = f"a name of 1 to {LABEL_BYTES} bytes without control characters, and no white space at the ends"


def byte_length(text: str) -> int:
    """The length in UTF-8, or −1 where there is none (a lone surrogate)."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return -1


def is_name(text: str) -> bool:
    """Whether `text` may be the name of a space, axis, source, column, component, arrow or node.

    >>> is_name("student"), is_name("0"), is_name("my student"), is_name("a.b")
    (True, True, False, False)
    """
    return NAME.fullmatch(text) is not None and 1 <= byte_length(text) <= NAME_BYTES


def is_label(text: str) -> bool:
    """Whether `text` may be the name of a diagram, agreement, commute or output.

    White space is U+0020 here, the only one below U+0080 that is no control character.

    >>> is_label("student~digits.label#2"), is_label(" student"), is_label("")
    (True, False, False)
    """
    return LABEL.fullmatch(text) is not None and 1 <= byte_length(text) <= LABEL_BYTES and text == text.strip(" ")


def check_name(kind: str, name: object, where: str | None = None) -> None:
    """Refuse what is not a name; the error is about `where`, by default the element itself."""
    if not isinstance(name, str) or not is_name(name):
        raise DiagramError(where or element(kind, name), NAME_RULE, quote(name), "name")


def check_label(kind: str, name: object, where: str | None = None) -> None:
    """Refuse what is not a label; the error is about `where`, by default the element itself."""
    if not isinstance(name, str) or not is_label(name):
        raise DiagramError(where or element(kind, name), LABEL_RULE, quote(name), "name")


def head(diagram: Diagram, terms: Sequence[Term], term: int) -> str:
    """The outermost part of a term: `source.column`, an arrow (`arrow.k` if it has several targets), or `detach(head)`.

    However many detaches are nested, the head says so once.
    """
    node = terms[term]
    if isinstance(node, ColumnTerm):
        return f"{node.source}.{node.column}"
    if isinstance(node, OutputTerm):
        several = len(diagram.arrow(node.arrow).targets) > 1
        return f"{node.arrow}.{node.output}" if several else node.arrow
    while not isinstance(node, (ColumnTerm, OutputTerm)):
        term = node.argument
        node = terms[term]
    return f"detach({head(diagram, terms, term)})"


def default_agreement_name(diagram: Diagram, left: int, right: int) -> str:
    """`left~right`, each side by its head."""
    return f"{head(diagram, diagram.terms, left)}~{head(diagram, diagram.terms, right)}"


def default_commute_name(diagram: Diagram, start: str | int, target: str) -> str:
    """`start->target`, where the start is a source or a term's head."""
    return f"{start if isinstance(start, str) else head(diagram, diagram.terms, start)}->{target}"


def numbered(wanted: Iterable[str], taken: Iterable[str]) -> list[str]:
    """The wanted names in order, each with the first of `#2`, `#3`, … that makes it new where it is taken.

    >>> numbered(["f~g", "f~g", "h"], {"h"})
    ['f~g', 'f~g#2', 'h#2']
    """
    used = set(taken)
    following: dict[str, int] = {}
    names = []
    for name in wanted:
        free = name
        while free in used:
            following[name] = following.get(name, 1) + 1
            free = f"{name}#{following[name]}"
        used.add(free)
        names.append(free)
    return names


def with_names(diagram: Diagram) -> Diagram:
    """The diagram with the agreements and commutes that have no name given their default ones, in table order.

    Its terms have to be sound. A diagram where all have names is returned as it is.
    """
    if all(item.name for item in diagram.agreements) and all(item.name for item in diagram.commutes):
        return diagram
    agreements = fill(diagram.agreements, lambda item: default_agreement_name(diagram, item.left, item.right))
    commutes = fill(diagram.commutes, lambda item: default_commute_name(diagram, item.start, item.target))
    return replace(diagram, agreements=agreements, commutes=commutes)


Item = TypeVar("Item", Agreement, Commute)


def fill(items: Sequence[Item], default: Callable[[Item], str]) -> tuple[Item, ...]:
    """The items, those without a name with their default ones, numbered where they are taken."""
    names = iter(numbered([default(item) for item in items if not item.name], [item.name for item in items]))
    return tuple(item if item.name else replace(item, name=next(names)) for item in items)

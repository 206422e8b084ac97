"""Gluing: the pushout of two diagrams along what they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from bridge.diagram.canonical import canonical, moved_agreement
from bridge.diagram.ir import Agreement, Arrow, Commute, Component, Diagram, Output, Source, Space
from bridge.diagram.messages import element, quote
from bridge.diagram.operations.elements import (
    KINDS,
    Elements,
    all_elements,
    columns_of,
    known_elements,
    same_paths,
    with_needs,
)
from bridge.diagram.operations.rename import with_names_changed
from bridge.diagram.terms import TermTable, moved_term
from bridge.errors import DiagramError

__all__ = ["glue"]


def glue(
    left: Diagram,
    right: Diagram,
    along: Mapping[str, str | Iterable[str]] | None = None,
    *,
    prefix: str | None = None,
    name: str | None = None,
) -> Diagram:
    """Both diagrams as one, in which what they share is there once: their pushout along the shared part.

    `along` names the shared elements of each kind (`spaces`, `variables`, `sources`, `columns` as `source.column`,
    `components`, `arrows`, `agreements`, `commutes`, `outputs`), which have these names in both. They are shared with
    all that they need: an arrow with its component and its spaces, a column with its space and its source, and a source
    with all columns that it has in both. A component that is shared keeps its parameters of the left diagram.

    Other names that both diagrams have are refused, unless `prefix` is given: then the right one's get it in front. The
    result is named as the left diagram is, or `name`.

    Raises DiagramError for names that are not in both, for shared elements that differ, for names that collide, and
    where a commute would get paths that it didn't have.

    >>> from bridge import Builder, layers, mse
    >>> def task(name):
    ...     d = Builder(name)
    ...     x, y = d.space("x", width=3), d.space(name, width=2)
    ...     data = d.source("data", {"x": x, name: y})
    ...     backbone = d.arrow("backbone", x, x, layers.linear(3, 3))
    ...     head = d.arrow(f"{name}_head", x, y, layers.linear(3, 2))
    ...     d.agree(head(backbone(data.x)), data[name], by=mse())
    ...     return d.build()
    >>> both = glue(task("depth"), task("colour"), along={"arrows": "backbone", "sources": "data"})
    >>> [arrow.name for arrow in both.arrows], [column.name for column in both.source("data").columns]
    (['backbone', 'colour_head', 'depth_head'], ['colour', 'depth', 'x'])
    """
    left, right = canonical(left), canonical(right)
    shared = shared_elements(left, right, along or {})
    right = without_collisions(left, right, shared, prefix)
    table = TermTable(left.terms)
    place: list[int] = []
    for term in right.terms:
        place.append(table.intern(moved_term(term, place)))
    moved = replace(
        right,
        terms=tuple(table.terms),
        agreements=tuple(moved_agreement(agreement, place) for agreement in right.agreements),
        commutes=tuple(moved_commute(commute, place) for commute in right.commutes),
        outputs=tuple(replace(output, term=place[output.term]) for output in right.outputs),
    )
    check_shared(left, moved, shared)
    result = canonical(
        Diagram(
            left.name if name is None else name,
            union(left.spaces, moved.spaces),
            glued_sources(left, moved),
            union(left.components, moved.components),
            union(left.arrows, moved.arrows),
            moved.terms,
            union(left.agreements, moved.agreements),
            union(left.commutes, moved.commutes),
            union(left.outputs, moved.outputs),
        )
    )
    glued_commutes = {commute.name: commute for commute in result.commutes}
    for part in (left, right):
        for commute in part.commutes:
            if isinstance(commute.start, str):
                same_paths(result, glued_commutes[commute.name], columns_of(part, commute))
    return result


def shared_elements(left: Diagram, right: Diagram, along: Mapping[str, str | Iterable[str]]) -> Elements:
    """What the diagrams share: the elements that are named, in both, with all that they need."""
    shared = with_needs(left, known_elements(left, along))
    columns = all_elements(left)["columns"] & all_elements(right)["columns"]
    shared["columns"] |= {column for column in columns if column.partition(".")[0] in shared["sources"]}
    shared = with_needs(left, shared)
    known_elements(right, shared)
    return shared


def without_collisions(left: Diagram, right: Diagram, shared: Elements, prefix: str | None) -> Diagram:
    """The right diagram with other names for what it doesn't share."""
    taken, own = all_elements(left), all_elements(right)
    kinds = {kind: word for kind, word in KINDS.items() if kind != "columns"}  # those of one source are shared with it
    renamed: dict[str, dict[str, str]] = {}
    for kind, word in kinds.items():
        for name in sorted(taken[kind] & own[kind] - shared[kind]):
            if prefix is None:
                expected = f"one {word} of that name, or to have it in along=, or a prefix="
                raise DiagramError(element(word, name), expected, "two", "duplicate")
            renamed.setdefault(kind, {})[name] = prefix + name
    if not renamed:
        return right
    for kind, names in renamed.items():
        for old, new in names.items():
            if new in taken[kind]:
                expected = f"no {kinds[kind]} of that name, which {quote(old)} gets with the prefix {quote(prefix)}"
                raise DiagramError(element(kinds[kind], new), expected, "one", "duplicate")
    return canonical(with_names_changed(right, renamed))


def moved_commute(commute: Commute, place: list[int]) -> Commute:
    """The commute with its start at its new place."""
    return replace(commute, start=place[commute.start]) if isinstance(commute.start, int) else commute


def check_shared(left: Diagram, right: Diagram, shared: Elements) -> None:
    """Refuse elements that are shared and differ. The terms of both are places in one table."""
    for kind in ("spaces", "components", "arrows", "agreements", "commutes", "outputs"):
        ours = {item.name: item for item in getattr(left, kind)}
        theirs = {item.name: item for item in getattr(right, kind)}
        for name in sorted(shared[kind]):
            if ours[name] != theirs[name]:
                expected = f"the {KINDS[kind]} of diagram {quote(left.name)}"
                difference = " and ".join(differing(ours[name], theirs[name]))
                raise DiagramError(element(KINDS[kind], name), expected, f"one with another {difference}", "shared")
    for column in sorted(shared["columns"]):
        source, _, own = column.partition(".")
        space = left.column(source, own).space
        if right.column(source, own).space != space:
            expected = f"space {quote(space)}, as in diagram {quote(left.name)}"
            raise DiagramError(element("column", column), expected, quote(right.column(source, own).space), "shared")


def differing(ours: Any, theirs: Any) -> list[str]:
    """The fields in which two elements of a kind differ."""
    return [field.name for field in fields(ours) if getattr(ours, field.name) != getattr(theirs, field.name)]


Element = TypeVar("Element", bound="Space | Component | Arrow | Agreement | Commute | Output")


def union(ours: Sequence[Element], theirs: Sequence[Element]) -> tuple[Element, ...]:
    """The elements of both; those of the same name are the same."""
    by_name: dict[str, Element] = {item.name: item for item in (*ours, *theirs)}
    return tuple(by_name.values())


def glued_sources(left: Diagram, right: Diagram) -> tuple[Source, ...]:
    """The sources of both, each with the columns of both."""
    glued = {source.name: source for source in left.sources}
    for source in right.sources:
        ours = glued.get(source.name)
        columns = {column.name: column for column in (*(ours.columns if ours else ()), *source.columns)}
        glued[source.name] = Source(source.name, tuple(columns.values()))
    return tuple(glued.values())

"""Renaming: a functor on names. Nothing but names changes, and different elements keep different names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

from bridge.diagram.canonical import canonical
from bridge.diagram.check_elements import check_new
from bridge.diagram.ir import (
    Agreement,
    Axis,
    Column,
    ColumnTerm,
    Commute,
    Component,
    Diagram,
    Divergence,
    Output,
    OutputTerm,
    Source,
    Space,
    Term,
    attributes,
)
from bridge.diagram.messages import element, unknown
from bridge.diagram.operations.elements import KINDS, all_elements, columns_of, same_paths

__all__ = ["rename", "with_names_changed"]

Names: TypeAlias = "Mapping[str, str]"


def rename(
    diagram: Diagram,
    *,
    name: str | None = None,
    spaces: Names | None = None,
    axes: Names | None = None,
    variables: Names | None = None,
    sources: Names | None = None,
    columns: Names | None = None,
    components: Names | None = None,
    arrows: Names | None = None,
    agreements: Names | None = None,
    commutes: Names | None = None,
    outputs: Names | None = None,
) -> Diagram:
    """The diagram with other names: each mapping takes old names to new ones, and all others stay.

    A column's old name is `source.column` and its new one the column's alone. Axes and variables are renamed wherever
    they are. Names may be exchanged; agreements keep their names, also where they were made of names that change.
    Parameters go by component, so a trained component's parameters are found under its new name.

    Raises DiagramError for names that the diagram doesn't have, for two elements of a kind that would have the same
    name, and where columns would change the order of a commute's paths.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("fit")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", left=x, right=x)
    >>> f = d.arrow("f", x, x, layers.linear(3, 3))
    >>> d.agree(f(data.left), data.right, by=mse())
    >>> renamed = rename(d.build(), arrows={"f": "g"}, columns={"data.left": "input"})
    >>> [arrow.name for arrow in renamed.arrows], renamed.terms[0]
    (['g'], ColumnTerm(source='data', column='input'))
    """
    diagram = canonical(diagram)
    names: dict[str, Names] = {
        "spaces": spaces or {},
        "axes": axes or {},
        "variables": variables or {},
        "sources": sources or {},
        "columns": columns or {},
        "components": components or {},
        "arrows": arrows or {},
        "agreements": agreements or {},
        "commutes": commutes or {},
        "outputs": outputs or {},
    }
    check_injective(diagram, names)
    changed = with_names_changed(diagram, names, name)
    result = canonical(changed)
    for before, after in zip(diagram.commutes, changed.commutes, strict=True):
        if isinstance(before.start, str):
            same_paths(result, after, [renamed_column(column, names) for column in columns_of(diagram, before)])
    return result


def with_names_changed(diagram: Diagram, changes: Mapping[str, Names], name: str | None = None) -> Diagram:
    """The diagram with other names for some kinds, its tables in their old order, not checked."""
    names = {kind: changes.get(kind, {}) for kind in (*KINDS, "axes")}
    return Diagram(
        diagram.name if name is None else name,
        tuple(renamed_space(space, names) for space in diagram.spaces),
        tuple(renamed_source(source, names) for source in diagram.sources),
        tuple(renamed_in(names["components"], component) for component in diagram.components),
        tuple(
            replace(
                arrow,
                name=names["arrows"].get(arrow.name, arrow.name),
                sources=tuple(names["spaces"].get(space, space) for space in arrow.sources),
                targets=tuple(names["spaces"].get(space, space) for space in arrow.targets),
                component=names["components"].get(arrow.component, arrow.component),
            )
            for arrow in diagram.arrows
        ),
        tuple(renamed_term(term, names) for term in diagram.terms),
        tuple(
            replace(
                renamed_in(names["agreements"], agreement),
                divergence=renamed_divergence(agreement.divergence, names["axes"]),
            )
            for agreement in diagram.agreements
        ),
        tuple(
            replace(
                renamed_in(names["commutes"], commute),
                start=names["sources"].get(commute.start, commute.start)
                if isinstance(commute.start, str)
                else commute.start,
                target=names["spaces"].get(commute.target, commute.target),
                arrows=tuple(names["arrows"].get(arrow, arrow) for arrow in commute.arrows),
                divergence=renamed_divergence(commute.divergence, names["axes"]),
            )
            for commute in diagram.commutes
        ),
        tuple(renamed_in(names["outputs"], output) for output in diagram.outputs),
    )


def check_injective(diagram: Diagram, names: Mapping[str, Names]) -> None:
    """Old names are known, and no two elements of a kind get the same name."""
    known = all_elements(diagram) | {"axes": {axis.name for space in diagram.spaces for axis in space.axes}}
    for kind, mapping in names.items():
        if not mapping:
            continue
        word = "axis" if kind == "axes" else KINDS[kind]
        for old in sorted(mapping):
            if old not in known[kind]:
                raise unknown(element("diagram", diagram.name), word, old, sorted(known[kind]))
        taken: set[str] = set()
        for old in sorted(known[kind]):
            new = renamed_column(old, names) if kind == "columns" else mapping.get(old, old)
            check_new(word, new, taken)
            taken.add(new)


def renamed_column(column: str, names: Mapping[str, Names]) -> str:
    """The new `source.column` of an old one."""
    source, _, own = column.partition(".")
    return f"{names['sources'].get(source, source)}.{names['columns'].get(column, own)}"


Element = TypeVar("Element", Component, Agreement, Commute, Output)


def renamed_in(mapping: Names, item: Element) -> Element:
    """An element with its new name."""
    return replace(item, name=mapping.get(item.name, item.name))


def renamed_space(space: Space, names: Mapping[str, Names]) -> Space:
    """A space with the new names of itself, its axes and their variables."""
    axes = (
        Axis(
            names["axes"].get(axis.name, axis.name),
            names["variables"].get(axis.size, axis.size) if isinstance(axis.size, str) else axis.size,
        )
        for axis in space.axes
    )
    return replace(space, name=names["spaces"].get(space.name, space.name), axes=tuple(axes))


def renamed_source(source: Source, names: Mapping[str, Names]) -> Source:
    """A source with the new names of itself, its columns and their spaces."""
    columns = (
        Column(
            names["columns"].get(f"{source.name}.{column.name}", column.name),
            names["spaces"].get(column.space, column.space),
        )
        for column in source.columns
    )
    return Source(names["sources"].get(source.name, source.name), tuple(columns))


def renamed_term(term: Term, names: Mapping[str, Names]) -> Term:
    """A term with the new names of its column or arrow."""
    if isinstance(term, ColumnTerm):
        column = names["columns"].get(f"{term.source}.{term.column}", term.column)
        return ColumnTerm(names["sources"].get(term.source, term.source), column)
    if isinstance(term, OutputTerm):
        return replace(term, arrow=names["arrows"].get(term.arrow, term.arrow))
    return term


def renamed_divergence(divergence: Divergence, axes: Names) -> Divergence:
    """A divergence with the new name of its class axis."""
    values = dict(divergence.attributes)
    axis = values.get("axis")
    if not isinstance(axis, str) or axis not in axes:
        return divergence
    return replace(divergence, attributes=attributes({**values, "axis": axes[axis]}))

"""Restriction: the sub-diagram on some elements, with what they need. It takes a model, or a training setup, apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from bridge.diagram.canonical import canonical, moved_agreement
from bridge.diagram.ir import Agreement, ColumnTerm, Commute, Diagram, OutputTerm, arguments
from bridge.diagram.operations.elements import (
    Elements,
    columns_of,
    known_elements,
    roots_of,
    with_needs,
)
from bridge.diagram.terms import post_order

__all__ = ["restrict"]

Names: TypeAlias = "str | Iterable[str]"


def restrict(
    diagram: Diagram,
    *,
    spaces: Names | None = None,
    sources: Names | None = None,
    columns: Names | None = None,
    components: Names | None = None,
    arrows: Names | None = None,
    agreements: Names | None = None,
    commutes: Names | None = None,
    outputs: Names | None = None,
    name: str | None = None,
) -> Diagram:
    """The sub-diagram on the elements that are named (columns as `source.column`), with all that they need.

    A kind that is not named follows the others. What is built on a named kind stays where it uses nothing else of that
    kind: of spaces the columns and arrows between them, of sources their columns, of columns and arrows the agreements
    and commutes, of all of them the outputs. What is below the named kinds stays where it is needed. So the one arrow
    of `restrict(d, arrows="student")` comes with its component, its spaces, and every agreement that it alone is in;
    `arrows="student", agreements=()` is the model alone, and `outputs="prediction"` what computes a prediction.
    Without any names the diagram is returned as it is.

    Raises DiagramError for names that the diagram doesn't have, and where no agreement that stays has a trainable
    component below it.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("two")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", left=x, right=x)
    >>> f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
    >>> d.agree(f(data.left), data.right, by=mse())
    >>> d.agree(g(data.left), f(data.right), by=mse())
    >>> part = restrict(d.build(), arrows="f")
    >>> [arrow.name for arrow in part.arrows], [agreement.name for agreement in part.agreements]
    (['f'], ['f~data.right'])
    """
    given = {
        "spaces": spaces,
        "sources": sources,
        "columns": columns,
        "components": components,
        "arrows": arrows,
        "agreements": agreements,
        "commutes": commutes,
        "outputs": outputs,
    }
    diagram = canonical(diagram)
    named = known_elements(diagram, {kind: names for kind, names in given.items() if names is not None})
    if not named:
        return diagram if name is None else canonical(replace(diagram, name=name))
    kept = with_needs(diagram, {**fitting(diagram, named), **named})
    if "outputs" not in named:
        kept["outputs"] = fitting_outputs(diagram, kept)
    return part(diagram, kept, name)


def fitting(diagram: Diagram, named: Elements) -> Elements:
    """The elements of kinds that are not named, and are built on kinds that are, which use none but the named ones.

    The kinds that are named, or bounded in this way by those that are, are in the answer; no others.
    """
    bounds = dict(named)

    def within(kind: str, names: Iterable[str]) -> bool:
        return kind not in bounds or bounds[kind].issuperset(names)

    if "columns" not in named and ("sources" in bounds or "spaces" in bounds):
        bounds["columns"] = {
            f"{source.name}.{column.name}"
            for source in diagram.sources
            for column in source.columns
            if within("sources", [source.name]) and within("spaces", [column.space])
        }
    if "arrows" not in named and ("components" in bounds or "spaces" in bounds):
        bounds["arrows"] = {
            arrow.name
            for arrow in diagram.arrows
            if within("components", [arrow.component]) and within("spaces", arrow.sources + arrow.targets)
        }
    if "columns" not in bounds and "arrows" not in bounds:
        return bounds
    fits = fitting_terms(diagram, bounds)

    def commute_fits(commute: Commute) -> bool:
        if not within("arrows", commute.arrows) or not within("spaces", [commute.target]):
            return False
        if isinstance(commute.start, int):
            return fits[commute.start]
        return within("sources", [commute.start]) and within("columns", columns_of(diagram, commute))

    if "agreements" not in named:
        bounds["agreements"] = {item.name for item in diagram.agreements if agreement_fits(item, fits)}
    if "commutes" not in named:
        bounds["commutes"] = {commute.name for commute in diagram.commutes if commute_fits(commute)}
    return bounds


def agreement_fits(agreement: Agreement, fits: list[bool]) -> bool:
    """Whether both sides and the mask fit."""
    mask = agreement.mask is None or fits[agreement.mask]
    return fits[agreement.left] and fits[agreement.right] and mask


def fitting_terms(diagram: Diagram, bounds: Mapping[str, Collection[str]]) -> list[bool]:
    """Whether each term uses none but the columns and arrows of some bounds."""
    columns, arrows = bounds.get("columns"), bounds.get("arrows")
    fits: list[bool] = []
    for term in diagram.terms:
        if isinstance(term, ColumnTerm):
            fits.append(columns is None or f"{term.source}.{term.column}" in columns)
        else:
            own = not isinstance(term, OutputTerm) or arrows is None or term.arrow in arrows
            fits.append(own and all(fits[argument] for argument in arguments(term)))
    return fits


def fitting_outputs(diagram: Diagram, kept: Elements) -> set[str]:
    """The outputs that use none but the columns and arrows that are kept."""
    fits = fitting_terms(diagram, kept)
    return {output.name for output in diagram.outputs if fits[output.term]}


def part(diagram: Diagram, kept: Elements, name: str | None) -> Diagram:
    """The diagram of the elements that are kept, which need no others."""
    agreements = [agreement for agreement in diagram.agreements if agreement.name in kept["agreements"]]
    commutes = [commute for commute in diagram.commutes if commute.name in kept["commutes"]]
    outputs = [output for output in diagram.outputs if output.name in kept["outputs"]]
    roots = roots_of(agreements, commutes, (output.term for output in outputs))
    terms, place = post_order(diagram.terms, roots)
    sources = (
        replace(
            source,
            columns=tuple(column for column in source.columns if f"{source.name}.{column.name}" in kept["columns"]),
        )
        for source in diagram.sources
        if source.name in kept["sources"]
    )
    return canonical(
        Diagram(
            diagram.name if name is None else name,
            tuple(space for space in diagram.spaces if space.name in kept["spaces"]),
            tuple(sources),
            tuple(component for component in diagram.components if component.name in kept["components"]),
            tuple(arrow for arrow in diagram.arrows if arrow.name in kept["arrows"]),
            terms,
            tuple(moved_agreement(agreement, place) for agreement in agreements),
            tuple(
                replace(commute, start=place[commute.start]) if isinstance(commute.start, int) else commute
                for commute in commutes
            ),
            tuple(replace(output, term=place[output.term]) for output in outputs),
        )
    )

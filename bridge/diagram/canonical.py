"""The canonical form: the one diagram that stands for all ways of writing the same one down.

Tables are sorted by name (UTF-8 bytes). Agreements and commutes have names, divergences their axis, −0.0 is 0.0. Terms
are those that agreements (by name; left, right, mask), then commutes, then outputs reach, in post-order, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from bridge.diagram.check import check
from bridge.diagram.divergences import resolve_axis
from bridge.diagram.ir import (
    Agreement,
    Arrow,
    Body,
    Column,
    Commute,
    Component,
    Diagram,
    Divergence,
    Layer,
    LayerGraph,
    Output,
    Source,
    Space,
    attributes,
)
from bridge.diagram.names import with_names
from bridge.diagram.terms import post_order
from bridge.diagram.types import term_spaces

__all__ = ["canonical"]

Element = TypeVar("Element", Space, Source, Column, Component, Arrow, Agreement, Commute, Output)


def canonical(diagram: Diagram) -> Diagram:
    """The diagram in canonical form, checked. One that is known to be canonical is returned as it is.

    Raises DiagramError for a diagram that means nothing.
    """
    if diagram.memo.get("canonical"):
        return diagram
    check(diagram)
    diagram = resolved(with_names(diagram))
    agreements, commutes = by_name(diagram.agreements), by_name(diagram.commutes)
    outputs = by_name(diagram.outputs)
    roots: list[int] = []
    for agreement in agreements:
        roots += [agreement.left, agreement.right] + ([] if agreement.mask is None else [agreement.mask])
    roots += [commute.start for commute in commutes if isinstance(commute.start, int)]
    roots += [output.term for output in outputs]
    terms, place = post_order(diagram.terms, roots)
    result = Diagram(
        diagram.name,
        by_name(diagram.spaces),
        by_name(replace(source, columns=by_name(source.columns)) for source in diagram.sources),
        by_name(diagram.components),
        by_name(diagram.arrows),
        terms,
        tuple(moved_agreement(agreement, place) for agreement in agreements),
        tuple(
            replace(commute, start=place[commute.start]) if isinstance(commute.start, int) else commute
            for commute in commutes
        ),
        tuple(replace(output, term=place[output.term]) for output in outputs),
    )
    result.memo.update(canonical=True, checked=True)
    return result


def by_name(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Sorted by the UTF-8 bytes of their names."""
    return tuple(sorted(elements, key=lambda element: element.name.encode()))


def moved_agreement(agreement: Agreement, place: Sequence[int]) -> Agreement:
    """The agreement with its terms at their new places."""
    mask = None if agreement.mask is None else place[agreement.mask]
    return replace(agreement, left=place[agreement.left], right=place[agreement.right], mask=mask)


def resolved(diagram: Diagram) -> Diagram:
    """The diagram with the axes of its divergences named, attributes sorted, and no −0.0."""
    spaces = term_spaces(diagram)
    agreements = (
        replace(
            agreement,
            divergence=resolved_divergence(agreement.divergence, diagram.space(spaces[agreement.left])),
            weight=agreement.weight + 0.0,
        )
        for agreement in diagram.agreements
    )
    commutes = (
        replace(
            commute,
            divergence=resolved_divergence(commute.divergence, diagram.space(commute.target)),
            weight=commute.weight + 0.0,
        )
        for commute in diagram.commutes
    )
    components = (replace(component, body=resolved_body(component)) for component in diagram.components)
    return replace(diagram, agreements=tuple(agreements), commutes=tuple(commutes), components=tuple(components))


def resolved_divergence(divergence: Divergence, left: Space) -> Divergence:
    """The divergence with its axis named and its attributes sorted."""
    return resolve_axis(replace(divergence, attributes=attributes(dict(divergence.attributes))), left)


def resolved_body(component: Component) -> Body:
    """The body with the attributes of its layers sorted."""
    if not isinstance(component.body, LayerGraph):
        return component.body
    nodes = tuple(replace(node, layer=resolved_layer(node.layer)) for node in component.body.nodes)
    return replace(component.body, nodes=nodes)


def resolved_layer(layer: Layer) -> Layer:
    """The layer with its attributes sorted."""
    return replace(layer, attributes=attributes(dict(layer.attributes)))

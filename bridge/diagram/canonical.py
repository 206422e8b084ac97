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
    Attributes,
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
    ties,
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
    stay = all(old == new for old, new in enumerate(place))
    result = Diagram(
        diagram.name,
        by_name(diagram.spaces),
        by_name(sorted_columns(source) for source in diagram.sources),
        by_name(diagram.components),
        by_name(diagram.arrows),
        terms,
        agreements if stay else tuple(moved_agreement(agreement, place) for agreement in agreements),
        tuple(
            replace(commute, start=place[commute.start]) if isinstance(commute.start, int) else commute
            for commute in commutes
        ),
        outputs if stay else tuple(replace(output, term=place[output.term]) for output in outputs),
    )
    result.memo.update(canonical=True, checked=True)
    return result


def by_name(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Sorted by the UTF-8 bytes of their names."""
    return tuple(sorted(elements, key=lambda element: element.name.encode()))


def sorted_columns(source: Source) -> Source:
    """The source with its columns in order."""
    columns = by_name(source.columns)
    return source if columns == source.columns else replace(source, columns=columns)


def moved_agreement(agreement: Agreement, place: Sequence[int]) -> Agreement:
    """The agreement with its terms at their new places."""
    mask = None if agreement.mask is None else place[agreement.mask]
    return replace(agreement, left=place[agreement.left], right=place[agreement.right], mask=mask)


def resolved(diagram: Diagram) -> Diagram:
    """The diagram with the axes of its divergences named, attributes sorted, and no −0.0.

    What is so already stays the same object: in large diagrams nearly everything is.
    """
    spaces = term_spaces(diagram)
    known: dict[tuple[int, str], Divergence] = {}

    def divergence(given: Divergence, left: str) -> Divergence:
        made = known.get((id(given), left))
        if made is None:
            made = known[id(given), left] = resolved_divergence(given, diagram.space(left))
        return made

    agreements = []
    for agreement in diagram.agreements:
        by = divergence(agreement.divergence, spaces[agreement.left])
        if by is not agreement.divergence or agreement.weight == 0:
            agreement = replace(agreement, divergence=by, weight=agreement.weight + 0.0)
        agreements.append(agreement)
    commutes = (
        replace(commute, divergence=divergence(commute.divergence, commute.target), weight=commute.weight + 0.0)
        for commute in diagram.commutes
    )
    bodies: dict[int, Body] = {}
    components = []
    for component in diagram.components:
        body = bodies.get(id(component.body))
        if body is None:
            body = bodies[id(component.body)] = resolved_body(component)
        components.append(component if body is component.body else replace(component, body=body))
    return replace(diagram, agreements=tuple(agreements), commutes=tuple(commutes), components=tuple(components))


def resolved_attributes(values: Attributes) -> Attributes:
    """The attributes sorted, without −0.0; the same object where they are so."""
    made = attributes(dict(values))
    same = made == values and not any(isinstance(value, float) and value == 0 for _, value in values)
    return values if same else made


def resolved_divergence(divergence: Divergence, left: Space) -> Divergence:
    """The divergence with its axis named and its attributes sorted."""
    values = resolved_attributes(divergence.attributes)
    return resolve_axis(divergence if values is divergence.attributes else replace(divergence, attributes=values), left)


def resolved_body(component: Component) -> Body:
    """The body with its ties, and the attributes of its layers, sorted."""
    if not isinstance(component.body, LayerGraph):
        return component.body
    nodes, tied = component.body.nodes, ties(component.body.ties)
    layers = [resolved_layer(node.layer) for node in nodes]
    if tied == component.body.ties and all(layer is node.layer for layer, node in zip(layers, nodes, strict=True)):
        return component.body
    made = (replace(node, layer=layer) for layer, node in zip(layers, nodes, strict=True))
    return replace(component.body, nodes=tuple(made), ties=tied)


def resolved_layer(layer: Layer) -> Layer:
    """The layer with its attributes sorted."""
    values = resolved_attributes(layer.attributes)
    return layer if values is layer.attributes else replace(layer, attributes=values)

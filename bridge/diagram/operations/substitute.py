"""Substitution: another component, or a whole model, in the place of a component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from bridge.diagram.canonical import canonical
from bridge.diagram.check_elements import check_new
from bridge.diagram.ir import Component, Diagram, JuliaReference, Layer, LayerGraph, TorchReference
from bridge.diagram.messages import element, type_text
from bridge.diagram.operations.elements import known_elements
from bridge.diagram.operations.splice import with_model
from bridge.errors import DiagramError
from bridge.layers.build import as_graph
from bridge.layers.graph import parameters

__all__ = ["substitute"]

Substitute: TypeAlias = "Component | Layer | LayerGraph | TorchReference | JuliaReference | Diagram"


def substitute(
    diagram: Diagram,
    component: str,
    by: Substitute,
    *,
    inputs: str | Sequence[str] | None = None,
    outputs: str | Sequence[str] | None = None,
    prefix: str | None = None,
    has_parameters: bool | None = None,
) -> Diagram:
    """The diagram with something else in a component's place, in every arrow that names it.

    `by` is a body (a layer, a layer graph, a TorchReference or a JuliaReference), which the component gets and keeps
    its name and training; or another component, with its own name; or a model: a diagram with one source and without
    agreements and commutes, whose columns `inputs` take what the arrow is applied to, and whose `outputs` are what it
    gives, in the order of the arrow's spaces (by default the only column and the only output). A model's spaces, arrows
    and components become the diagram's own; those at its boundary are the arrow's. Names that both have are refused,
    unless `prefix` is given: then the model's get it in front.

    Parameters of the component that is replaced are dropped.

    Raises DiagramError for what doesn't fit the arrows: other numbers of spaces, or spaces of another type.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("fit")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", left=x, right=x)
    >>> f = d.arrow("f", x, x, layers.linear(3, 3))
    >>> d.agree(f(data.left), data.right, by=mse())
    >>> substitute(d.build(), "f", layers.chain(layers.linear(3, 8), layers.linear(8, 3))).component("f").body.nodes[0]
    Node(name='0', layer=Layer(operation='linear', version=1, attributes=(('bias', True), ('in', 3), \
('init', 'kaiming_uniform'), ('out', 8))), inputs=(0,), outputs=1)
    """
    diagram = canonical(diagram)
    known_elements(diagram, {"components": [component]})
    if isinstance(by, Diagram):
        return with_model(diagram, component, canonical(by), inputs, outputs, prefix)
    old = diagram.component(component)
    return by_component(diagram, component, made_component(diagram, old, by, has_parameters))


def made_component(diagram: Diagram, old: Component, by: object, has_parameters: bool | None) -> Component:
    """The component that takes the place of the old one."""
    if isinstance(by, Component):
        return by
    if isinstance(by, (Layer, LayerGraph)):
        arity = next((len(arrow.sources) for arrow in diagram.arrows if arrow.component == old.name), None)
        graph = as_graph(by, arity)
        return replace(old, body=graph, has_parameters=bool(parameters(graph)))
    if isinstance(by, (TorchReference, JuliaReference)):
        return replace(old, body=by, has_parameters=True if has_parameters is None else has_parameters)
    expected = "a component, a layer, a layer graph, a reference or a diagram"
    raise DiagramError(element("component", old.name), expected, type_text(by), "component")


def by_component(diagram: Diagram, old: str, new: Component) -> Diagram:
    """The diagram with a component in the place of another."""
    components = [component for component in diagram.components if component.name != old]
    check_new("component", new.name, {component.name for component in components})
    arrows = (replace(arrow, component=new.name) if arrow.component == old else arrow for arrow in diagram.arrows)
    return canonical(replace(diagram, components=(*components, new), arrows=tuple(arrows)))

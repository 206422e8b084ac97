"""Which arrows share parameters: tying components, and giving an arrow a component of its own."""

from __future__ import annotations

from dataclasses import replace

from bridge.diagram.canonical import canonical
from bridge.diagram.check_elements import check_new
from bridge.diagram.ir import Component, Diagram, LayerGraph, TorchReference
from bridge.diagram.messages import element, quote
from bridge.diagram.operations.elements import known_elements
from bridge.errors import DiagramError

__all__ = ["tie", "untie"]


def tie(diagram: Diagram, owner: str, *others: str) -> Diagram:
    """The diagram with the arrows of some components interpreted by one, the owner, whose parameters they then share.

    The other components are gone, and so are their parameters. All of them have to be trained alike, and to have the
    same layer graph, or all be PyTorch modules, or all Julia components.

    Raises DiagramError for unknown components and for those that differ.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("two")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", left=x, right=x)
    >>> f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
    >>> d.agree(f(data.left), g(data.right), by=mse())
    >>> [arrow.component for arrow in tie(d.build(), "f", "g").arrows]
    ['f', 'f']
    """
    diagram = canonical(diagram)
    known_elements(diagram, {"components": [owner, *others]})
    first = diagram.component(owner)
    for name in others:
        if name == owner:
            raise DiagramError(element("component", owner), "other components to tie to it", quote(name), "component")
        check_alike(first, diagram.component(name))
    arrows = (replace(arrow, component=owner) if arrow.component in others else arrow for arrow in diagram.arrows)
    components = (component for component in diagram.components if component.name not in others)
    return canonical(replace(diagram, components=tuple(components), arrows=tuple(arrows)))


def check_alike(owner: Component, other: Component) -> None:
    """Refuse components whose parameters can't be the same."""
    where = element("component", other.name)
    if other.training is not owner.training:
        expected = f"{owner.training.value}, as component {quote(owner.name)} is"
        raise DiagramError(where, expected, other.training.value, "component")
    if body_kind(other) != body_kind(owner):
        expected = f"{body_kind(owner)}, as component {quote(owner.name)} has"
        raise DiagramError(where, expected, body_kind(other), "component")
    if isinstance(owner.body, LayerGraph) and other.body != owner.body:
        raise DiagramError(where, f"the layer graph of component {quote(owner.name)}", "another one", "component")
    if other.has_parameters != owner.has_parameters:
        expected = f"has_parameters to be {owner.has_parameters}, as of component {quote(owner.name)}"
        raise DiagramError(where, expected, f"{other.has_parameters}", "component")


def body_kind(component: Component) -> str:
    """What a component's body is."""
    if isinstance(component.body, LayerGraph):
        return "a layer graph"
    return "a PyTorch module" if isinstance(component.body, TorchReference) else "a Julia component"


def untie(diagram: Diagram, arrow: str, component: str | None = None) -> Diagram:
    """The diagram with a component of its own for an arrow that shares one: a copy, named as the arrow unless named here.

    Its parameters begin as a copy of those that it shared.

    Raises DiagramError for an unknown arrow, one that shares nothing, and a name that a component has already.
    """
    diagram = canonical(diagram)
    known_elements(diagram, {"arrows": [arrow]})
    shared = diagram.arrow(arrow).component
    if sum(other.component == shared for other in diagram.arrows) == 1:
        found = f"component {quote(shared)} with this arrow alone"
        raise DiagramError(element("arrow", arrow), "an arrow that shares its component", found, "component")
    name = arrow if component is None else component
    check_new("component", name, {other.name for other in diagram.components})
    return canonical(
        replace(
            diagram,
            components=(*diagram.components, replace(diagram.component(shared), name=name)),
            arrows=tuple(replace(a, component=name) if a.name == arrow else a for a in diagram.arrows),
        )
    )

"""What a training script has to say of a diagram, whatever its language: components, applications, agreements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.diagram.ir import (
    Agreement,
    Arrow,
    ColumnTerm,
    Component,
    DataType,
    DetachTerm,
    Diagram,
    LayerGraph,
    OutputTerm,
    Space,
)
from bridge.diagram.messages import element
from bridge.diagram.paths import expand
from bridge.diagram.types import component_data_type, term_sources, term_spaces
from bridge.errors import UnsupportedError
from bridge.layers.definition import Shape
from bridge.layers.graph import infer_shapes
from bridge.port.source.names import CALLED, Names, identifier
from bridge.port.source.outline import MODULE_NAMES

__all__ = ["Application", "Part", "Training", "training"]


@dataclass(frozen=True)
class Part:
    """A component: its graph, the shapes of all its values for the first arrow that names it, and what is written of it."""

    component: Component
    name: str
    graph: LayerGraph
    shapes: tuple[Shape, ...]
    arrow: Arrow
    data_type: DataType


@dataclass(frozen=True)
class Application:
    """An arrow applied to terms (by text), with a name for each of its outputs; "_" for one that nothing uses."""

    part: Part
    arguments: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """An agreement with its sides and its mask as texts, and their spaces."""

    agreement: Agreement
    sides: tuple[str, str]
    mask: str | None
    spaces: tuple[Space, Space, Space | None]


@dataclass(frozen=True)
class Training:
    """Components by name, applications in order, and agreements.

    `columns` are those that are used, by source, with what a script calls them.
    """

    diagram: Diagram
    parts: Mapping[str, Part]
    columns: Mapping[str, Mapping[str, str]]
    applications: Sequence[Application]
    compared: Sequence[Compared]


def training(diagram: Diagram, detach: str = "{}.detach()") -> Training:
    """What a script has to say of a checked diagram. `detach` is how the language says it of a text.

    Raises UnsupportedError for a component that is not portable, and for one that takes nothing.
    """
    parts = {component.name: part for component, part in zip(diagram.components, _parts(diagram), strict=True)}
    expansion = expand(diagram)
    terms, needed = expansion.terms, set[int]()
    queue = [place for a in expansion.agreements for place in (a.left, a.right, *([] if a.mask is None else [a.mask]))]
    while queue:
        place = queue.pop()
        if place in needed:
            continue
        needed.add(place)
        term = terms[place]
        if isinstance(term, OutputTerm):
            queue += term.arguments
        elif isinstance(term, DetachTerm):
            queue.append(term.argument)
    sources, names = term_sources(diagram, terms), Names(("batch", "losses", "total", *CALLED))
    columns: dict[str, dict[str, str]] = {}
    texts: dict[int, str] = {}
    applied: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    applications: list[Application] = []
    for place in sorted(needed):
        term = terms[place]
        if isinstance(term, ColumnTerm):
            own = columns.setdefault(term.source, {})
            own[term.column] = texts[place] = own.get(term.column) or names.new(identifier(term.column, "column"))
        elif isinstance(term, DetachTerm):
            texts[place] = detach.format(texts[term.argument])
        else:
            if sources[place] is None:
                where = element("arrow", term.arrow)
                raise UnsupportedError(where, "an arrow with inputs, for a script", "one without")
            key = term.arrow, term.arguments
            if key not in applied:
                arrow = diagram.arrow(term.arrow)
                used = {t.output for k in needed if isinstance(t := terms[k], OutputTerm) and (t.arrow, t.arguments) == key}
                wanted = identifier(term.arrow, "arrow")
                applied[key] = [names.new(wanted) if k in used else "_" for k in range(len(arrow.targets))]
                arguments = tuple(texts[argument] for argument in term.arguments)
                applications.append(Application(parts[arrow.component], arguments, tuple(applied[key])))
            texts[place] = applied[key][term.output]
    spaces = [diagram.space(name) for name in term_spaces(diagram, terms)]
    compared = [
        Compared(
            a,
            (texts[a.left], texts[a.right]),
            None if a.mask is None else texts[a.mask],
            (spaces[a.left], spaces[a.right], None if a.mask is None else spaces[a.mask]),
        )
        for a in expansion.agreements
    ]
    return Training(diagram, parts, columns, applications, compared)


def _parts(diagram: Diagram) -> list[Part]:
    names, found = Names({*MODULE_NAMES, "Model"}), []
    for component in diagram.components:
        if not isinstance(component.body, LayerGraph):
            kind = type(component.body).__name__
            raise UnsupportedError(element("component", component.name), "a portable component, for a script", f"a {kind}")
        arrow = next(arrow for arrow in diagram.arrows if arrow.component == component.name)
        inputs = tuple(diagram.space(space).shape for space in arrow.sources)
        graph = component.body
        count = graph.inputs + sum(node.outputs for node in graph.nodes)
        shapes = infer_shapes(replace(graph, outputs=tuple(range(count))), inputs, element("component", component.name))
        data_type = DataType(component_data_type(diagram, component))
        found.append(Part(component, names.new(identifier(component.name, "part")), graph, shapes, arrow, data_type))
    return found

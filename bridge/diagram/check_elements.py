"""The part of the checker that looks at spaces, sources, components and arrows (see `bridge.diagram.check`)."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable

from bridge.diagram.ir import (
    Arrow,
    Axis,
    Component,
    DataType,
    Diagram,
    JuliaReference,
    LayerGraph,
    Space,
    TorchReference,
)
from bridge.diagram.limits import (
    MAX_AGREEMENTS,
    MAX_ARITY,
    MAX_AXES,
    MAX_CLASSES,
    MAX_ELEMENTS,
    MAX_SIZE,
    MAX_TERMS,
    MAX_VALUES,
)
from bridge.diagram.messages import element, quote, shape_text, show_space, space_text, type_text, unknown
from bridge.diagram.names import check_label, check_name
from bridge.errors import DiagramError
from bridge.layers.definition import FLOAT, InputKind
from bridge.layers.graph import check_graph, infer_shapes, input_kinds, node_element, parameters

__all__ = [
    "check_arrows",
    "check_axis",
    "check_components",
    "check_limits",
    "check_names",
    "check_new",
    "check_sources",
    "check_space",
    "check_spaces",
]


def check_limits(diagram: Diagram) -> None:
    """There are not too many elements."""
    limits = {"terms": MAX_TERMS, "agreements": MAX_AGREEMENTS}
    for table in ("spaces", "sources", "components", "arrows", "terms", "agreements", "commutes", "outputs"):
        limit, count = limits.get(table, MAX_ELEMENTS), len(getattr(diagram, table))
        if count > limit:
            raise DiagramError(element("diagram", diagram.name), f"at most {limit} {table}", f"{count}", "limit")


def check_names(diagram: Diagram) -> None:
    """Names are of the right form, and different within one kind."""
    check_label("diagram", diagram.name)
    for kind, elements in (
        ("space", diagram.spaces),
        ("source", diagram.sources),
        ("component", diagram.components),
        ("arrow", diagram.arrows),
    ):
        names = [item.name for item in elements]
        for name in names:
            check_name(kind, name)
        check_different(kind, names)
    for kind, labelled in (
        ("agreement", diagram.agreements),
        ("commute", diagram.commutes),
        ("output", diagram.outputs),
    ):
        labels = [item.name for item in labelled if item.name or kind == "output"]
        for label in labels:
            check_label(kind, label)
        check_different(kind, labels)


def check_different(kind: str, names: Iterable[str]) -> None:
    """Refuse two elements of one kind with the same name."""
    seen: set[str] = set()
    for name in names:
        check_new(kind, name, seen)
        seen.add(name)


def check_new(kind: str, name: str, taken: Container[str]) -> None:
    """Refuse a name that an element of that kind has already."""
    if name in taken:
        raise DiagramError(element(kind, name), f"one {kind} of that name", "two", "duplicate")


def check_spaces(diagram: Diagram) -> None:
    """Axes have different names and sizes of at least 1; indices are integers."""
    for space in diagram.spaces:
        check_space(space)


def check_space(space: Space) -> None:
    """Refuse a space that means nothing."""
    where = element("space", space.name)
    if not isinstance(space.data_type, DataType):
        known = ", ".join(kind.value for kind in DataType)
        raise DiagramError(where, f"a dtype ({known})", quote(space.data_type), "space")
    if len(space.axes) > MAX_AXES:
        raise DiagramError(where, f"at most {MAX_AXES} axes", f"{len(space.axes)}", "limit")
    names: set[str] = set()
    for axis in space.axes:
        check_axis(axis, where)
        if axis.name in names:
            raise DiagramError(where, "axes with different names", f"two named {quote(axis.name)}", "duplicate")
        names.add(axis.name)
    if math.prod(size for size in space.shape if isinstance(size, int)) > MAX_VALUES:
        raise DiagramError(where, f"at most {MAX_VALUES} numbers in a sample", shape_text(space.shape), "limit")
    if type(space.classes) is not int or not 0 <= space.classes <= MAX_CLASSES:
        raise DiagramError(where, f"0 to {MAX_CLASSES} classes", quote(space.classes), "limit")
    if space.is_index and space.data_type not in (DataType.INT32, DataType.INT64):
        raise DiagramError(where, "int32 or int64, for class indices", space.data_type.value, "space")


def check_axis(axis: Axis, where: str) -> None:
    """Refuse an axis with a wrong name, size or variable."""
    check_name("axis", axis.name, f"{where}, an axis' name")
    element_ = f"{where}, axis {quote(axis.name)}"
    if isinstance(axis.size, str):
        check_name("variable", axis.size, f"{element_}, its variable")
    elif type(axis.size) is not int or not 1 <= axis.size <= MAX_SIZE:
        raise DiagramError(element_, f"a size from 1 to {MAX_SIZE}, or a variable", quote(axis.size), "space")


def check_sources(diagram: Diagram) -> None:
    """Sources have columns with different names, in known spaces."""
    known = {space.name for space in diagram.spaces}
    for source in diagram.sources:
        where = element("source", source.name)
        if not 1 <= len(source.columns) <= MAX_ELEMENTS:
            raise DiagramError(where, f"1 to {MAX_ELEMENTS} columns", f"{len(source.columns)}", "limit")
        names: set[str] = set()
        for column in source.columns:
            check_name("column", column.name, f"{where}, a column's name")
            if column.name in names:
                raise DiagramError(where, "columns with different names", f"two {quote(column.name)}", "duplicate")
            names.add(column.name)
            if column.space not in known:
                raise unknown(element("column", f"{source.name}.{column.name}"), "space", column.space, sorted(known))


def check_components(diagram: Diagram) -> None:
    """Bodies are sound, and `has_parameters` is true of portable ones."""
    sound: dict[int, bool] = {}  # whether graphs have parameters, by identity: in files equal ones are one object
    for component in diagram.components:
        where = element("component", component.name)
        if isinstance(component.body, LayerGraph):
            has_parameters = sound.get(id(component.body))
            if has_parameters is None:
                check_graph(component.body, where)
                has_parameters = sound[id(component.body)] = bool(parameters(component.body))
            if component.has_parameters != has_parameters:
                found = f"{component.has_parameters}, of a layer graph with{'' if has_parameters else 'out'} parameters"
                raise DiagramError(where, f"has_parameters to be {has_parameters}", found, "component")
        elif isinstance(component.body, (TorchReference, JuliaReference)):
            check_label("reference", component.body.name, f"{where}, its reference")
        else:
            raise DiagramError(where, "a body", type_text(component.body), "component")


def check_arrows(diagram: Diagram) -> None:
    """Spaces and components are known, and portable components map their samples as the arrow says."""
    spaces = {space.name for space in diagram.spaces}
    components = {component.name for component in diagram.components}
    seen: dict[str, tuple[str, DataType]] = {}
    fit: set[tuple[int, tuple[str, ...], tuple[str, ...]]] = set()  # graphs, by identity, that fit such spaces
    for arrow in diagram.arrows:
        where = element("arrow", arrow.name)
        if len(arrow.sources) > MAX_ARITY or not 1 <= len(arrow.targets) <= MAX_ARITY:
            found = f"{len(arrow.sources)} and {len(arrow.targets)}"
            raise DiagramError(where, f"at most {MAX_ARITY} source spaces and 1 to {MAX_ARITY} targets", found, "limit")
        for name in arrow.sources + arrow.targets:
            if name not in spaces:
                raise unknown(where, "space", name, sorted(spaces))
        if arrow.component not in components:
            raise unknown(where, "component", arrow.component, sorted(components))
        component = diagram.component(arrow.component)
        if isinstance(component.body, LayerGraph):
            key = (id(component.body), arrow.sources, arrow.targets)
            if key not in fit:
                check_portable(diagram, arrow, component, component.body, where)
                fit.add(key)
            data_type = diagram.space(arrow.targets[0]).data_type
            first, expected = seen.setdefault(component.name, (arrow.name, data_type))
            if data_type is not expected:
                where = f"{where}, of component {quote(component.name)}"
                found = f"{data_type.value}"
                raise DiagramError(where, f"{expected.value}, as in arrow {quote(first)}", found, "component")


def check_portable(diagram: Diagram, arrow: Arrow, component: Component, graph: LayerGraph, where: str) -> None:
    """A layer graph takes and makes as many values as the arrow, of the spaces' shapes.

    They are float of one dtype, but for inputs that its nodes take as indices, lengths or masks.
    """
    where = f"{where}, component {quote(component.name)}"
    sources = [diagram.space(name) for name in arrow.sources]
    targets = [diagram.space(name) for name in arrow.targets]
    for what, wanted, spaces in (("inputs", graph.inputs, sources), ("outputs", len(graph.outputs), targets)):
        if wanted != len(spaces):
            expected = f"{wanted} {'source' if what == 'inputs' else 'target'} spaces, one for each of its {what}"
            raise DiagramError(where, expected, f"{len(spaces)}", "type")
    for space, (kind, node) in zip(sources, input_kinds(graph), strict=True):
        if kind.name == FLOAT.name:
            check_float(space, targets[0], where)
        elif not is_of(space, kind):
            assert node is not None
            raise DiagramError(node_element(where, node), kind.text, show_space(space), "type")
    for space in targets:
        check_float(space, targets[0], where)
    shapes = infer_shapes(graph, tuple(space.shape for space in sources), where)
    for place, (shape, target) in enumerate(zip(shapes, targets, strict=True)):
        if shape != target.shape:
            expected = f"shape {shape_text(target.shape)}, of space {quote(target.name)} ({space_text(target)})"
            raise DiagramError(f"{where}, output {place}", expected, f"shape {shape_text(shape)}", "type")


def check_float(space: Space, target: Space, where: str) -> None:
    """Refuse a space of a portable component that is not float, or not of the dtype of its first target."""
    if not space.data_type.is_float:
        raise DiagramError(where, "float spaces, for portable layers", show_space(space), "type")
    if space.data_type is not target.data_type:
        raise DiagramError(where, f"one dtype, {target.data_type.value}", show_space(space), "type")


def is_of(space: Space, kind: InputKind) -> bool:
    """Whether a space has values of a kind that is not float."""
    if kind.name == "mask":
        return space.data_type is DataType.BOOL
    if space.data_type not in (DataType.INT32, DataType.INT64):
        return False
    return kind.name == "length" or 1 <= space.classes <= kind.classes

"""What can be said of a layer graph without running it: its parameters and buffers, the kinds of its inputs, its values'
shapes, and whether it is sound.
"""

from __future__ import annotations

import math

from bridge.diagram.attributes import check_attributes
from bridge.diagram.ir import LayerGraph, Node
from bridge.diagram.limits import MAX_ARITY, MAX_ATTRIBUTES, MAX_NODES, MAX_SIZE, MAX_VALUES
from bridge.diagram.messages import quote, shape_text
from bridge.diagram.names import check_name
from bridge.errors import DiagramError
from bridge.layers.definition import FLOAT, InputKind, Parameter, Shape, check_parameter_sizes
from bridge.layers.table import definition

__all__ = ["buffers", "check_graph", "infer_shapes", "input_kinds", "node_element", "parameters"]


def parameters(graph: LayerGraph) -> tuple[Parameter, ...]:
    """The parameters of a graph by path, in node order and then in the layer table's order.

    >>> from bridge.layers import chain, linear, relu
    >>> [p.name for p in parameters(chain(linear(4, 3), relu(), linear(3, 2, bias=False)))]
    ['0.weight', '0.bias', '2.weight']
    """
    return tuple(
        Parameter(f"{node.name}.{parameter.name}", parameter.shape, parameter.initial)
        for node in graph.nodes
        for parameter in definition(node.layer).parameters(dict(node.layer.attributes))
    )


def buffers(graph: LayerGraph) -> tuple[Parameter, ...]:
    """The buffers of a graph by path, in the same order."""
    return tuple(
        Parameter(f"{node.name}.{buffer.name}", buffer.shape, buffer.initial)
        for node in graph.nodes
        for buffer in definition(node.layer).buffers(dict(node.layer.attributes))
    )


def input_kinds(graph: LayerGraph) -> tuple[tuple[InputKind, Node | None], ...]:
    """What each input of a sound graph has to be, with the node that says so: of indices the one with fewest classes."""
    found: list[tuple[InputKind, Node | None]] = [(FLOAT, None)] * graph.inputs
    for node in graph.nodes:
        row, values = definition(node.layer), dict(node.layer.attributes)
        for place, value in enumerate(node.inputs):
            if value >= graph.inputs:
                continue
            kind, (known, first) = row.kind(values, place), found[value]
            if first is None or kind.classes < known.classes:
                found[value] = (kind, node)
    return tuple(found)


def node_element(where: str, node: Node) -> str:
    """How an error calls a node."""
    return f"{where}, node {quote(node.name)} ({node.layer.operation})"


def check_graph(graph: LayerGraph, where: str) -> None:
    """Refuse a graph with unknown layers, wrong attributes, wrong arities, or values that nothing has made yet.

    Errors are about `where`, such as "component 'student'", and the node.
    """
    if len(graph.nodes) > MAX_NODES:
        raise DiagramError(where, f"at most {MAX_NODES} nodes", f"{len(graph.nodes)}", "limit")
    if not 0 <= graph.inputs <= MAX_ARITY:
        raise DiagramError(where, f"at most {MAX_ARITY} inputs", f"{graph.inputs}", "limit")
    names: set[str] = set()
    values = graph.inputs
    inputs: dict[int, tuple[InputKind, Node]] = {}
    for node in graph.nodes:
        check_name("node", node.name, f"{where}, a node's name")
        if node.name in names:
            raise DiagramError(where, "nodes with different names", f"two named {quote(node.name)}", "duplicate")
        names.add(node.name)
        element = node_element(where, node)
        check_node(node, values, element)
        check_kinds(node, graph.inputs, inputs, element)
        values += node.outputs
    if not 1 <= len(graph.outputs) <= MAX_ARITY:
        raise DiagramError(where, f"1 to {MAX_ARITY} outputs", f"{len(graph.outputs)}", "layer")
    for value in graph.outputs:
        if not 0 <= value < values:
            raise DiagramError(f"{where}, output", f"a value from 0 to {values - 1}", f"{value}", "unknown")
        if value in inputs and inputs[value][0].name != FLOAT.name:
            found = f"input {value}, {inputs[value][0].text} of node {quote(inputs[value][1].name)}"
            raise DiagramError(f"{where}, output", FLOAT.text, found, "layer")


def check_node(node: Node, values: int, where: str) -> None:
    """Refuse a node that is wrong by itself, where `values` values exist before it."""
    row = definition(node.layer, where)
    if len(node.layer.attributes) > MAX_ATTRIBUTES:
        raise DiagramError(where, f"at most {MAX_ATTRIBUTES} attributes", f"{len(node.layer.attributes)}", "limit")
    check_attributes(where, row.attributes, node.layer.attributes)
    attributes = dict(node.layer.attributes)
    row.check(where, attributes)
    check_parameter_sizes(where, row.parameters(attributes) + row.buffers(attributes))
    least, outputs = len(row.kinds(attributes)), row.outputs(attributes)
    if not least <= len(node.inputs) <= (MAX_ARITY if row.more else least):
        raise DiagramError(where, row.arity(attributes), f"{len(node.inputs)}", "layer")
    if node.outputs != outputs:
        raise DiagramError(where, f"{outputs} output{'s' * (outputs != 1)}", f"{node.outputs}", "layer")
    for value in node.inputs:
        if not 0 <= value < values:
            found = f"input {value}, of {values} values made before it"
            raise DiagramError(where, "values that were made before it", found, "unknown")


def check_kinds(node: Node, count: int, inputs: dict[int, tuple[InputKind, Node]], where: str) -> None:
    """Refuse a node that takes a value of another kind than it wants.

    The first `count` values are the graph's inputs, whose kinds are added to `inputs`; what nodes make is float.
    """
    row, attributes = definition(node.layer), dict(node.layer.attributes)
    for place, value in enumerate(node.inputs):
        kind = row.kind(attributes, place)
        if value >= count:
            if kind.name != FLOAT.name:
                found = f"value {value}, which a node makes"
                raise DiagramError(where, f"an input of the graph, for {kind.text}", found, "layer")
            continue
        known, first = inputs.setdefault(value, (kind, node))
        if known.name != kind.name:
            found = f"input {value}, {known.text} of node {quote(first.name)}"
            raise DiagramError(where, kind.text, found, "layer")


def infer_shapes(graph: LayerGraph, inputs: tuple[Shape, ...], where: str) -> tuple[Shape, ...]:
    """The shapes of a sound graph's outputs, for samples of these shapes; values that don't fit a layer are refused.

    >>> from bridge.layers import chain, flatten, linear
    >>> infer_shapes(chain(flatten(), linear(64, 10)), ((8, 8),), "component 'student'")
    ((10,),)
    """
    shapes = list(inputs)
    for node in graph.nodes:
        element = node_element(where, node)
        arguments = tuple(shapes[value] for value in node.inputs)
        for shape in definition(node.layer, element).shapes(element, dict(node.layer.attributes), arguments):
            check_size(element, shape)
            shapes.append(shape)
    return tuple(shapes[value] for value in graph.outputs)


def check_size(where: str, shape: Shape) -> None:
    """Refuse a sample with more numbers than `MAX_VALUES`, or an axis longer than `MAX_SIZE`."""
    sizes = [size for size in shape if isinstance(size, int)]
    if math.prod(sizes) > MAX_VALUES or any(size > MAX_SIZE for size in sizes):
        expected = f"at most {MAX_VALUES} numbers in a sample and {MAX_SIZE} along an axis"
        raise DiagramError(where, expected, f"a sample of shape {shape_text(shape)}", "limit")

"""What can be said of a layer graph without running it: its parameters, its values' shapes, and whether it is sound."""

from __future__ import annotations

import math

from bridge.diagram.attributes import check_attributes
from bridge.diagram.ir import LayerGraph, Node
from bridge.diagram.limits import MAX_ARITY, MAX_ATTRIBUTES, MAX_NODES, MAX_SIZE, MAX_VALUES
from bridge.diagram.messages import quote, shape_text
from bridge.diagram.names import check_name
from bridge.errors import DiagramError
from bridge.layers.table import Parameter, Shape, check_parameter_sizes, definition

__all__ = ["check_graph", "infer_shapes", "parameters"]


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
    for node in graph.nodes:
        check_name("node", node.name, f"{where}, a node's name")
        if node.name in names:
            raise DiagramError(where, "nodes with different names", f"two named {quote(node.name)}", "duplicate")
        names.add(node.name)
        check_node(node, values, node_element(where, node))
        values += node.outputs
    if not 1 <= len(graph.outputs) <= MAX_ARITY:
        raise DiagramError(where, f"1 to {MAX_ARITY} outputs", f"{len(graph.outputs)}", "layer")
    for value in graph.outputs:
        if not 0 <= value < values:
            raise DiagramError(f"{where}, output", f"a value from 0 to {values - 1}", f"{value}", "unknown")


def check_node(node: Node, values: int, where: str) -> None:
    """Refuse a node that is wrong by itself, where `values` values exist before it."""
    row = definition(node.layer, where)
    if len(node.layer.attributes) > MAX_ATTRIBUTES:
        raise DiagramError(where, f"at most {MAX_ATTRIBUTES} attributes", f"{len(node.layer.attributes)}", "limit")
    check_attributes(where, row.attributes, node.layer.attributes)
    check_parameter_sizes(where, row.parameters(dict(node.layer.attributes)))
    most = MAX_ARITY if row.most_inputs is None else row.most_inputs
    if not row.least_inputs <= len(node.inputs) <= most:
        raise DiagramError(where, row.arity, f"{len(node.inputs)}", "layer")
    if node.outputs != 1:
        raise DiagramError(where, "1 output", f"{node.outputs}", "layer")
    for value in node.inputs:
        if not 0 <= value < values:
            found = f"input {value}, of {values} values made before it"
            raise DiagramError(where, "values that were made before it", found, "unknown")


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
        shape = definition(node.layer, element).shape(element, dict(node.layer.attributes), arguments)
        check_size(element, shape)
        shapes.append(shape)
    return tuple(shapes[value] for value in graph.outputs)


def check_size(where: str, shape: Shape) -> None:
    """Refuse a sample with more numbers than `MAX_VALUES`, or an axis longer than `MAX_SIZE`."""
    sizes = [size for size in shape if isinstance(size, int)]
    if math.prod(sizes) > MAX_VALUES or any(size > MAX_SIZE for size in sizes):
        expected = f"at most {MAX_VALUES} numbers in a sample and {MAX_SIZE} along an axis"
        raise DiagramError(where, expected, f"a sample of shape {shape_text(shape)}", "limit")

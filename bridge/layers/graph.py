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

__all__ = [
    "buffers",
    "check_graph",
    "infer_shapes",
    "input_kinds",
    "node_buffers",
    "node_element",
    "node_parameters",
    "parameters",
]


def parameters(graph: LayerGraph) -> tuple[Parameter, ...]:
    """The parameters of a graph by path, in node order and then in the layer table's order; a tied one is its owner.

    >>> from bridge.layers import chain, linear, relu
    >>> [p.name for p in parameters(chain(linear(4, 3), relu(), linear(3, 2, bias=False)))]
    ['0.weight', '0.bias', '2.weight']
    """
    tied = dict(graph.ties)
    return tuple(p for node in graph.nodes for p in node_parameters(node) if p.name not in tied)


def buffers(graph: LayerGraph) -> tuple[Parameter, ...]:
    """The buffers of a graph by path, in the same order."""
    tied = dict(graph.ties)
    return tuple(b for node in graph.nodes for b in node_buffers(node) if b.name not in tied)


def node_parameters(node: Node) -> tuple[Parameter, ...]:
    """The parameters of a node by path, tied ones too."""
    found = definition(node.layer).parameters(dict(node.layer.attributes))
    return tuple(Parameter(f"{node.name}.{p.name}", p.shape, p.initial) for p in found)


def node_buffers(node: Node) -> tuple[Parameter, ...]:
    """The buffers of a node by path, tied ones too."""
    found = definition(node.layer).buffers(dict(node.layer.attributes))
    return tuple(Parameter(f"{node.name}.{b.name}", b.shape, b.initial) for b in found)


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
    if graph.ties:
        check_ties(graph, where)


def check_ties(graph: LayerGraph, where: str) -> None:
    """Refuse a tie of or to what is not there, to what comes later or is tied itself, and between different shapes."""
    known: dict[str, tuple[int, str, tuple[int, ...]]] = {}
    for node in graph.nodes:
        for kind, found in (("parameter", node_parameters(node)), ("buffer", node_buffers(node))):
            known.update([(p.name, (len(known) + k, kind, p.shape)) for k, p in enumerate(found)])
    tied: dict[str, str] = {}
    for path, owner in graph.ties:
        element = f"{where}, tie {quote(path)}"
        for name in (path, owner):
            if name not in known:
                raise DiagramError(element, "parameters or buffers of the graph", quote(name), "unknown")
        if path in tied:
            raise DiagramError(element, "one owner", f"{quote(tied[path])} and {quote(owner)}", "duplicate")
        tied[path] = owner
        (place, kind, shape), (first, other, size) = known[path], known[owner]
        if (kind, shape) != (other, size):
            expected = f"a {kind} of shape {shape_text(shape)}"
            raise DiagramError(element, expected, f"{quote(owner)}, a {other} of shape {shape_text(size)}", "layer")
        if first >= place:
            raise DiagramError(element, "an owner that comes before it", quote(owner), "layer")
    for path, owner in graph.ties:
        if owner in tied:
            raise DiagramError(f"{where}, tie {quote(path)}", "an owner that is not tied itself", quote(owner), "layer")


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

"""Writing layer graphs.

>>> from bridge.layers import add, flatten, linear, relu
>>> body = chain(flatten(), linear(64, 32), relu(), linear(32, 10))
>>> [(node.name, node.layer.operation) for node in body.nodes]
[('0', 'flatten'), ('1', 'linear'), ('2', 'relu'), ('3', 'linear')]

A graph that branches is written value by value:

>>> g = GraphBuilder(inputs=1)
>>> (x,) = g.inputs
>>> h = g(relu(), g(linear(8, 8), x, name="first"))
>>> residual = g.build(g(add(), h, x))
>>> residual.outputs
(3,)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.diagram.attributes import check_attributes
from bridge.diagram.ir import Layer, LayerGraph, Node
from bridge.diagram.ir import ties as sorted_ties
from bridge.diagram.messages import type_text
from bridge.errors import DiagramError
from bridge.layers.graph import check_graph
from bridge.layers.make import make
from bridge.layers.table import definition

__all__ = ["GraphBuilder", "Value", "as_graph", "chain", "make"]


@dataclass(frozen=True, eq=False)
class Value:
    """A value of a graph that is being written."""

    graph: GraphBuilder
    number: int


class GraphBuilder:
    """Writes a layer graph. Calling it applies a layer to values; nodes are named "0", "1", … unless they are named."""

    def __init__(self, inputs: int = 1) -> None:
        self.inputs = tuple(Value(self, number) for number in range(inputs))
        self.nodes: list[Node] = []
        self.values = inputs

    def __call__(self, layer: Layer, *values: Value, name: str | None = None) -> Any:  # by the number of outputs
        """A new value, or a tuple of them: the layer applied to values of this graph.

        What does not fit the layer is refused by `build`.
        """
        self.require_own(values)
        row = definition(layer)
        check_attributes(f"layer '{layer.operation}'", row.attributes, layer.attributes)
        outputs = row.outputs(dict(layer.attributes))
        chosen = str(len(self.nodes)) if name is None else name
        self.nodes.append(Node(chosen, layer, tuple(value.number for value in values), outputs))
        self.values += outputs
        made = tuple(Value(self, number) for number in range(self.values - outputs, self.values))
        return made[0] if outputs == 1 else made

    def build(self, *outputs: Value, ties: Mapping[str, str] | None = None) -> LayerGraph:
        """The graph with these values as its outputs, checked. `ties` say which parameters are earlier ones.

        >>> from bridge.layers import linear
        >>> from bridge.layers.graph import parameters
        >>> g = GraphBuilder()
        >>> graph = g.build(g(linear(3, 3), g(linear(3, 3), *g.inputs)), ties={"1.weight": "0.weight"})
        >>> [parameter.name for parameter in parameters(graph)]
        ['0.weight', '0.bias', '1.bias']
        """
        self.require_own(outputs)
        numbers = tuple(value.number for value in outputs)
        graph = LayerGraph(len(self.inputs), tuple(self.nodes), numbers, sorted_ties((ties or {}).items()))
        check_graph(graph, "layer graph")
        return graph

    def require_own(self, values: Sequence[Value]) -> None:
        """Refuse what is not a value of this graph."""
        for value in values:
            if not isinstance(value, Value):
                raise DiagramError("layer graph", "values of this graph", type_text(value), "type")
            if value.graph is not self:
                raise DiagramError("layer graph", "values of this graph", "a value of another one", "type")


def as_graph(body: Layer | LayerGraph, inputs: int | None = None) -> LayerGraph:
    """A layer as a graph of one node, taking `inputs` values (by default as few as it can); a graph as it is.

    >>> from bridge.layers import add
    >>> as_graph(add()).inputs, as_graph(add(), 3).inputs
    (2, 3)
    """
    if isinstance(body, LayerGraph):
        return body
    if inputs is None:
        inputs = len(definition(body).kinds(dict(body.attributes)))
    builder = GraphBuilder(inputs)
    made = builder(body, *builder.inputs)
    return builder.build(*(made if isinstance(made, tuple) else (made,)))


def chain(*parts: Layer | LayerGraph) -> LayerGraph:
    """Layers, or graphs with one input and one output, one after the other; nodes are named "0", "1", ….

    Raises DiagramError where a part takes or makes several values.
    """
    builder, ties = GraphBuilder(1), dict[str, str]()
    (value,) = builder.inputs
    for place, part in enumerate(parts):
        graph = as_graph(part)
        if graph.inputs != 1 or len(graph.outputs) != 1:
            found = f"{graph.inputs} and {len(graph.outputs)} in part {place}"
            raise DiagramError("chain", "parts with one input and one output", found, "layer")
        values, names = [value], dict[str, str]()
        for node in graph.nodes:
            names[node.name] = str(len(builder.nodes))
            made = builder(node.layer, *(values[i] for i in node.inputs))
            values += made if isinstance(made, tuple) else (made,)
        for path, owner in graph.ties:
            one, two = ([names[node], inner] for node, inner in (name.split(".") for name in (path, owner)))
            ties[".".join(one)] = ".".join(two)
        value = values[graph.outputs[0]]
    return builder.build(value, ties=ties)

"""Writing layers and layer graphs.

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

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.diagram.attributes import resolve
from bridge.diagram.ir import Layer, LayerGraph, Node
from bridge.diagram.messages import type_text
from bridge.errors import DiagramError
from bridge.layers.graph import check_graph
from bridge.layers.table import definition

__all__ = [
    "GraphBuilder",
    "Value",
    "add",
    "as_graph",
    "celu",
    "chain",
    "elu",
    "flatten",
    "gelu",
    "hardsigmoid",
    "identity",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "make",
    "mish",
    "multiply",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def make(operation: str, **attributes: object) -> Layer:
    """A layer of the current version by its operation's name, with defaults filled in.

    Raises DiagramError for an unknown operation and for attributes that it does not take.

    >>> make("leaky_relu", slope=1)
    Layer(operation='leaky_relu', version=1, attributes=(('slope', 1.0),))
    """
    where = f"layer '{operation}'"
    return Layer(operation, 1, resolve(where, definition(Layer(operation), where).attributes, attributes))


def linear(inputs: int, outputs: int, *, bias: bool = True, init: str = "kaiming_uniform") -> Layer:
    """x Wᵀ + b over the last axis, with W (outputs, inputs).

    `init` is "kaiming_uniform" (torch.nn.Linear's default), "glorot_uniform" (Flux's, with zero bias) or "zeros".
    """
    return make("linear", **{"in": inputs, "out": outputs, "bias": bias, "init": init})


def relu() -> Layer:
    """max(x, 0)."""
    return make("relu")


def sigmoid() -> Layer:
    """1/(1 + e⁻ˣ)."""
    return make("sigmoid")


def tanh() -> Layer:
    """The hyperbolic tangent."""
    return make("tanh")


def leaky_relu(slope: float = 0.01) -> Layer:
    """x where x > 0, else slope·x."""
    return make("leaky_relu", slope=slope)


def elu(alpha: float = 1.0) -> Layer:
    """x where x > 0, else alpha·(eˣ − 1)."""
    return make("elu", alpha=alpha)


def celu(alpha: float = 1.0) -> Layer:
    """max(x, 0) + min(alpha·(e^(x/alpha) − 1), 0)."""
    return make("celu", alpha=alpha)


def relu6() -> Layer:
    """min(max(x, 0), 6)."""
    return make("relu6")


def silu() -> Layer:
    """x·sigmoid(x)."""
    return make("silu")


def hardsigmoid() -> Layer:
    """min(max(x + 3, 0), 6)/6."""
    return make("hardsigmoid")


def mish() -> Layer:
    """x·tanh(softplus(x))."""
    return make("mish")


def softplus() -> Layer:
    """log(1 + eˣ), and x above 20."""
    return make("softplus")


def gelu(approximate: str = "none") -> Layer:
    """x·Φ(x), or with "tanh" its approximation by tanh."""
    return make("gelu", approximate=approximate)


def softmax(axis: int = -1) -> Layer:
    """Softmax along an axis, counted from the last (−1)."""
    return make("softmax", axis=axis)


def log_softmax(axis: int = -1) -> Layer:
    """The logarithm of softmax along an axis, counted from the last (−1)."""
    return make("log_softmax", axis=axis)


def layer_norm(shape: int | Sequence[int], *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Normalise over the last axes, which have this shape; eps is inside the root, the variance biased."""
    return make("layer_norm", shape=(shape,) if isinstance(shape, int) else tuple(shape), eps=eps, affine=affine)


def flatten() -> Layer:
    """All axes of a sample to one."""
    return make("flatten")


def reshape(*shape: int) -> Layer:
    """The same numbers, row-major, as a sample of this shape."""
    return make("reshape", shape=shape)


def identity() -> Layer:
    """The input."""
    return make("identity")


def add() -> Layer:
    """The sum of two or more inputs of equal shape."""
    return make("add")


def multiply() -> Layer:
    """The product of two inputs of equal shape, element by element."""
    return make("multiply")


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

    def __call__(self, layer: Layer, *values: Value, name: str | None = None) -> Value:
        """A new value: the layer applied to values of this graph. Mistakes are refused by `build`."""
        self.require_own(values)
        node = Node(str(len(self.nodes)) if name is None else name, layer, tuple(value.number for value in values))
        self.nodes.append(node)
        return Value(self, len(self.inputs) + len(self.nodes) - 1)

    def build(self, *outputs: Value) -> LayerGraph:
        """The graph with these values as its outputs, checked."""
        self.require_own(outputs)
        graph = LayerGraph(len(self.inputs), tuple(self.nodes), tuple(value.number for value in outputs))
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

    >>> as_graph(add()).inputs, as_graph(add(), 3).inputs
    (2, 3)
    """
    if isinstance(body, LayerGraph):
        return body
    builder = GraphBuilder(definition(body).least_inputs if inputs is None else inputs)
    return builder.build(builder(body, *builder.inputs))


def chain(*parts: Layer | LayerGraph) -> LayerGraph:
    """Layers, or graphs with one input and one output, one after the other; nodes are named "0", "1", ….

    Raises DiagramError where a part takes or makes several values.
    """
    builder = GraphBuilder(1)
    (value,) = builder.inputs
    for place, part in enumerate(parts):
        graph = as_graph(part)
        if graph.inputs != 1 or len(graph.outputs) != 1:
            found = f"{graph.inputs} and {len(graph.outputs)} in part {place}"
            raise DiagramError("chain", "parts with one input and one output", found, "layer")
        values = [value]
        for node in graph.nodes:
            values.append(builder(node.layer, *(values[i] for i in node.inputs)))
        value = values[graph.outputs[0]]
    return builder.build(value)

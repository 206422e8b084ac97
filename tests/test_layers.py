"""The portable layer table against torch: shapes, parameters and initial values; and its refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from diagrams import diagrams, elementwise
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bridge import layers
from bridge.diagram.ir import Diagram, Layer, LayerGraph, Node
from bridge.errors import DiagramError
from bridge.layers.build import as_graph, make
from bridge.layers.definition import Constant, Uniform
from bridge.layers.graph import check_graph, infer_shapes, parameters
from bridge.layers.table import LAYERS, definition

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)

# What torch makes of a sample, given the layer.
TORCH: dict[str, Callable[[Layer], nn.Module]] = {
    "linear": lambda layer: nn.Linear(layer["in"], layer["out"], bias=layer["bias"]),
    "layer_norm": lambda layer: nn.LayerNorm(layer["shape"], elementwise_affine=layer["affine"]),
    "softmax": lambda layer: nn.Softmax(dim=layer["axis"]),
    "log_softmax": lambda layer: nn.LogSoftmax(dim=layer["axis"]),
    "flatten": lambda layer: nn.Flatten(),
    "reshape": lambda layer: nn.Unflatten(1, layer["shape"]),
}


@given(shapes, st.data())
def test_shapes_and_parameters_are_torchs(shape: tuple[int, ...], data: st.DataObject) -> None:
    last = shape[-1:] or (1,)
    layer = data.draw(
        st.one_of(
            st.builds(layers.linear, st.integers(1, 4), st.integers(1, 4), bias=st.booleans()),
            st.builds(layers.layer_norm, shapes.filter(len), affine=st.booleans()),
            st.builds(layers.layer_norm, st.just(last), affine=st.booleans()),
            st.builds(layers.linear, st.just(last[0]), st.integers(1, 4)),
            st.builds(layers.softmax, st.integers(-3, -1)),
            st.builds(layers.log_softmax, st.integers(-3, -1)),
            st.just(layers.flatten()),
        )
    )
    if not shape and layer.operation == "flatten":
        return  # nn.Flatten makes (N, 1) of (N,), and so do we; it needs an axis to start from
    module = TORCH[layer.operation](layer)
    counts_batch = layer.operation.endswith("softmax") and int(layer["axis"]) < -len(shape)
    try:
        if counts_batch:
            raise IndexError("the axis is the batch's")
        expected = tuple(module(torch.zeros(17, *shape)).shape[1:])  # no layer takes 17
    except (RuntimeError, IndexError):
        with pytest.raises(DiagramError) as caught:
            infer_shapes(as_graph(layer), (shape,), "component 'c'")
        assert caught.value.element == f"component 'c', node '0' ({layer.operation})"
        assert caught.value.kind == "layer"
        return
    assert infer_shapes(as_graph(layer), (shape,), "component 'c'") == (expected,)
    theirs = [(f"0.{name}", tuple(parameter.shape)) for name, parameter in module.named_parameters()]
    assert [(parameter.name, parameter.shape) for parameter in parameters(as_graph(layer))] == theirs


@given(elementwise(), shapes)
def test_element_wise_layers_keep_the_shape(layer: Layer, shape: tuple[int, ...]) -> None:
    assert infer_shapes(as_graph(layer), (shape,), "c") == (shape,)
    assert parameters(as_graph(layer)) == ()


@given(shapes, shapes)
def test_reshape(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    layer = as_graph(layers.reshape(*target))
    if math.prod(shape) == math.prod(target):
        assert infer_shapes(layer, (shape,), "c") == (tuple(torch.zeros(shape).reshape(target).shape),)
    else:
        with pytest.raises(DiagramError, match=f"an input of {math.prod(target)} numbers"):
            infer_shapes(layer, (shape,), "c")


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (7, 2), (64, 10)])
def test_initial_values_are_torchs(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    many = [nn.Linear(inputs, outputs) for _ in range(300)]
    weight, bias = parameters(as_graph(layers.linear(inputs, outputs)))
    for parameter, drawn in ((weight, [m.weight for m in many]), (bias, [m.bias for m in many])):
        assert isinstance(parameter.initial, Uniform)
        largest = max(float(values.detach().abs().max()) for values in drawn)
        assert 0.97 * parameter.initial.bound < largest <= parameter.initial.bound * (1 + 1e-6)
    glorot, zero = parameters(as_graph(layers.linear(inputs, outputs, init="glorot_uniform")))
    values = nn.init.xavier_uniform_(torch.empty(20_000 // outputs + inputs, inputs, outputs)[0])
    assert isinstance(glorot.initial, Uniform)
    assert float(values.detach().abs().max()) <= glorot.initial.bound
    assert glorot.initial.bound == pytest.approx(math.sqrt(3) * math.sqrt(2 / (inputs + outputs)))
    assert zero.initial == Constant(0.0)
    assert [p.initial for p in parameters(as_graph(layers.layer_norm(3)))] == [Constant(1.0), Constant(0.0)]


def test_defaults_are_torchs() -> None:
    assert layers.leaky_relu()["slope"] == nn.LeakyReLU().negative_slope
    assert layers.elu()["alpha"] == nn.ELU().alpha
    assert layers.celu()["alpha"] == nn.CELU().alpha
    assert layers.gelu()["approximate"] == nn.GELU().approximate
    assert layers.layer_norm(3)["eps"] == nn.LayerNorm(3).eps


@settings(max_examples=40, deadline=None)
@given(diagrams())
def test_graphs_of_generated_diagrams(diagram: Diagram) -> None:
    for arrow in diagram.arrows:
        body = diagram.component(arrow.component).body
        assert isinstance(body, LayerGraph)
        inputs = tuple(diagram.space(name).shape for name in arrow.sources)
        assert infer_shapes(body, inputs, "c") == tuple(diagram.space(name).shape for name in arrow.targets)


def test_variable_sizes() -> None:
    sequence = ("length", 4)
    body = layers.chain(layers.linear(4, 3), layers.relu(), layers.layer_norm(3), layers.softmax())
    assert infer_shapes(body, (sequence,), "c") == (("length", 3),)
    assert infer_shapes(as_graph(layers.flatten()), (("length",),), "c") == (("length",),)
    assert infer_shapes(as_graph(layers.add()), (sequence, sequence), "c") == (sequence,)
    for layer in (layers.flatten(), layers.reshape(8), layers.linear(2, 2)):
        with pytest.raises(DiagramError, match=r"variable|last axis"):
            infer_shapes(as_graph(layer), (sequence,), "c")
    with pytest.raises(DiagramError, match="equal shape"):
        infer_shapes(as_graph(layers.multiply()), (sequence, ("width", 4)), "c")


def test_chain_and_graph() -> None:
    block = layers.chain(layers.linear(4, 4), layers.relu())
    body = layers.chain(block, block, layers.linear(4, 2))
    assert [node.name for node in body.nodes] == ["0", "1", "2", "3", "4"]
    assert [node.inputs for node in body.nodes] == [(0,), (1,), (2,), (3,), (4,)]
    g = layers.GraphBuilder(2)
    x, y = g.inputs
    total = g(layers.add(), x, y, x, name="total")
    graph = g.build(total, x)
    assert graph == LayerGraph(2, (Node("total", layers.add(), (0, 1, 0)),), (2, 0))
    inside = layers.chain(layers.relu(), as_residual(), layers.relu())
    assert [node.inputs for node in inside.nodes] == [(0,), (1,), (1, 2), (3,)]
    with pytest.raises(DiagramError, match="one input and one output, found 2 and 1 in part 1"):
        layers.chain(layers.relu(), layers.add())
    with pytest.raises(DiagramError, match="another one"):
        g(layers.relu(), layers.GraphBuilder(1).inputs[0])
    with pytest.raises(DiagramError, match="values of this graph"):
        g(layers.relu(), layers.relu())


def as_residual() -> LayerGraph:
    """x + relu(x)."""
    g = layers.GraphBuilder(1)
    (x,) = g.inputs
    return g.build(g(layers.add(), x, g(layers.relu(), x)))


@pytest.mark.parametrize(
    ("operation", "attributes", "message"),
    [
        ("conv", {}, "a portable layer"),
        ("relu", {"slope": 0.1}, "the attributes none, found 'slope' besides"),
        ("linear", {"in": 3}, "none named 'out'"),
        ("linear", {"in": 0, "out": 1}, "a size from 1"),
        ("linear", {"in": True, "out": 1}, "an integer, found True"),
        ("linear", {"in": 2.0, "out": 1}, "an integer, found 2.0"),
        ("linear", {"in": 1, "out": 1, "bias": 1}, "true or false"),
        ("linear", {"in": 1, "out": 1, "init": "ones"}, "one of 'kaiming_uniform'"),
        ("linear", {"in": 2**31 - 1, "out": 2**31 - 1}, "numbers"),
        ("elu", {"alpha": 0.0}, "above 0"),
        ("elu", {"alpha": math.nan}, "a finite number"),
        ("leaky_relu", {"slope": math.inf}, "a finite number"),
        ("softmax", {"axis": 0}, "counted from the last"),
        ("softmax", {"axis": -(2**70)}, "64 bits"),
        ("layer_norm", {"shape": ()}, "one or more sizes"),
        ("layer_norm", {"shape": (2, "x")}, "a list of integers"),
        ("reshape", {"shape": (0,)}, "sizes from 1"),
        ("reshape", {"shape": (1,) * 17}, "at most 16"),
        ("gelu", {"approximate": "fast"}, "one of 'none', 'tanh'"),
    ],
)
def test_refused_layers(operation: str, attributes: dict[str, object], message: str) -> None:
    with pytest.raises(DiagramError, match=message):
        check_graph(as_graph(make(operation, **attributes)), "component 'c'")


def graph(*nodes: Node, inputs: int = 1, outputs: tuple[int, ...] = (1,)) -> LayerGraph:
    """A graph that may be wrong."""
    return LayerGraph(inputs, nodes, outputs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (graph(Node("a.b", layers.relu(), (0,))), "a name of 1 to 200"),
        (graph(Node("a", layers.relu(), (0,)), Node("a", layers.relu(), (1,))), "two named 'a'"),
        (graph(Node("a", layers.relu(), (1,))), "made before it"),
        (graph(Node("a", layers.relu(), (0, 0))), "1 input, found 2"),
        (graph(Node("a", layers.add(), (0,))), "2 or more inputs, found 1"),
        (graph(Node("a", layers.multiply(), (0, 0, 0))), "2 inputs, found 3"),
        (graph(Node("a", layers.relu(), (0,), 2)), "1 output, found 2"),
        (graph(Node("a", layers.relu(), (0,)), outputs=(2,)), "a value from 0 to 1, found 2"),
        (graph(outputs=()), "outputs, found 0"),
        (graph(Node("a", Layer("relu", 7), (0,))), "version '1' of layer 'relu', found version 7"),
        (graph(inputs=10**6), "at most 1000 inputs"),
    ],
)
def test_refused_graphs(wrong: LayerGraph, message: str) -> None:
    with pytest.raises(DiagramError, match=message) as caught:
        check_graph(wrong, "component 'c'")
    assert caught.value.element.startswith("component 'c'")


def test_samples_that_are_too_large() -> None:
    with pytest.raises(DiagramError, match="numbers in a sample") as caught:
        infer_shapes(as_graph(layers.linear(2, 2**30)), ((2**20, 2),), "c")
    assert caught.value.kind == "limit"
    with pytest.raises(DiagramError, match="along an axis"):
        infer_shapes(as_graph(layers.flatten()), ((2**16, 2**16),), "c")


def test_every_layer_has_a_builder() -> None:
    for operation, _ in LAYERS:
        assert callable(getattr(layers, operation))
        assert definition(Layer(operation)).operation == operation

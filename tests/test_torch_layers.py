"""Portable layers in torch against torch's modules and against formulas, and the module that holds a graph."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from bridge import layers
from bridge.diagram.ir import DataType, Layer
from bridge.errors import UnsupportedError
from bridge.layers.table import LAYERS
from bridge.torch import PortableModule
from bridge.torch.layers import FUNCTIONS, function

X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3

TWINS = [
    (layers.relu(), nn.ReLU()),
    (layers.relu6(), nn.ReLU6()),
    (layers.sigmoid(), nn.Sigmoid()),
    (layers.tanh(), nn.Tanh()),
    (layers.leaky_relu(), nn.LeakyReLU()),
    (layers.leaky_relu(0.3), nn.LeakyReLU(0.3)),
    (layers.elu(), nn.ELU()),
    (layers.elu(0.5), nn.ELU(0.5)),
    (layers.celu(), nn.CELU()),
    (layers.celu(0.5), nn.CELU(0.5)),
    (layers.silu(), nn.SiLU()),
    (layers.hardsigmoid(), nn.Hardsigmoid()),
    (layers.mish(), nn.Mish()),
    (layers.softplus(), nn.Softplus()),
    (layers.gelu(), nn.GELU()),
    (layers.gelu("tanh"), nn.GELU("tanh")),
    (layers.softmax(), nn.Softmax(-1)),
    (layers.softmax(-2), nn.Softmax(1)),
    (layers.log_softmax(), nn.LogSoftmax(-1)),
    (layers.log_softmax(-2), nn.LogSoftmax(1)),
    (layers.layer_norm(4), nn.LayerNorm(4, dtype=torch.float64)),
    (layers.layer_norm((3, 4), eps=0.1), nn.LayerNorm((3, 4), eps=0.1, dtype=torch.float64)),
    (layers.layer_norm(4, affine=False), nn.LayerNorm(4, elementwise_affine=False)),
    (layers.linear(4, 2), nn.Linear(4, 2, dtype=torch.float64)),
    (layers.linear(4, 2, bias=False), nn.Linear(4, 2, bias=False, dtype=torch.float64)),
    (layers.flatten(), nn.Flatten()),
    (layers.reshape(2, 6), nn.Unflatten(1, (2, 6))),
    (layers.identity(), nn.Identity()),
]
# By formula, for the activations that torch might have got from the same place as we did.
FORMULAS = {
    "relu": lambda x: max(x, 0),
    "relu6": lambda x: min(max(x, 0), 6),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "celu": lambda x: max(x, 0) + min(math.expm1(x), 0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "hardsigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "softplus": lambda x: math.log1p(math.exp(x)) if x <= 20 else x,
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
}


def module_of(layer: Layer, inputs: int | None = None) -> PortableModule:
    return PortableModule(layers.build.as_graph(layer, inputs), DataType.FLOAT64)


def title(value: object) -> str:
    return f"{value.operation}{[v for _, v in value.attributes]}" if isinstance(value, Layer) else ""


def test_every_layer_of_the_table_is_here():
    assert {operation for operation, _ in LAYERS} == set(FUNCTIONS)


@pytest.mark.parametrize(("layer", "twin"), TWINS, ids=title)
@pytest.mark.parametrize("samples", [0, 1, 5])
def test_against_torch(layer, twin, samples):
    module = module_of(layer)
    with torch.no_grad():
        for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
            theirs.normal_(generator=torch.Generator().manual_seed(1))
            ours.copy_(theirs)
    x = X.reshape(5, 12) if layer.operation == "reshape" else X
    torch.testing.assert_close(module(x[:samples]), twin(x[:samples]), rtol=0, atol=0)


@pytest.mark.parametrize("operation", FORMULAS)
def test_against_formulas(operation):
    values = np.concatenate([np.linspace(-9, 9, 41), [0.0, 3.0, -3.0, 6.0, 25.0]])
    found = function(layers.build.make(operation))(torch.from_numpy(values))
    np.testing.assert_allclose(found.numpy(), [FORMULAS[operation](v) for v in values], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("layer", "twin"), TWINS, ids=title)
def test_gradients(layer, twin):
    module = module_of(layer)
    x = (X.reshape(5, 12) if layer.operation == "reshape" else X)[:2].clone().requires_grad_()
    parameters = list(module.parameters())
    assert gradcheck(lambda x, *ignored: module(x), (x, *parameters))


def test_layers_of_several_inputs():
    one, two, three = X, X + 1, X * 2
    torch.testing.assert_close(module_of(layers.add())(one, two), one + two)
    torch.testing.assert_close(module_of(layers.add(), 3)(one, two, three), one + two + three)
    torch.testing.assert_close(module_of(layers.multiply())(one, two), one * two)


def test_flatten_of_a_scalar():
    assert module_of(layers.flatten())(torch.zeros(0)).shape == (0, 1)
    assert module_of(layers.reshape())(torch.zeros(3, 1, 1)).shape == (3,)


def test_a_branching_graph():
    g = layers.GraphBuilder(2)
    x, y = g.inputs
    h = g(layers.relu(), g(layers.linear(4, 4), x, name="first"))
    body = g.build(g(layers.add(), h, x), g(layers.multiply(), h, y), y)
    module = PortableModule(body, DataType.FLOAT64)
    assert [name for name, _ in module.named_parameters()] == ["first.weight", "first.bias"]
    state = module.state_dict()
    hidden = (X @ state["first.weight"].T + state["first.bias"]).clamp(min=0)
    found = module(X, X + 1)
    assert isinstance(found, tuple)
    torch.testing.assert_close(found, (hidden + X, hidden * (X + 1), X + 1))


def test_initial_values():
    torch.manual_seed(0)
    ours = PortableModule(layers.chain(layers.linear(50, 40), layers.relu(), layers.linear(40, 7)))
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 7))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-6, atol=0)

    glorot = PortableModule(layers.chain(layers.linear(30, 20, init="glorot_uniform")))
    weight = glorot.state_dict()["0.weight"]
    bound = math.sqrt(6 / 50)
    assert bound * 0.95 < weight.abs().max() <= bound
    assert abs(weight.mean()) < bound / 10
    assert not glorot.state_dict()["0.bias"].any()
    assert not any(p.any() for p in PortableModule(layers.chain(layers.linear(3, 2, init="zeros"))).parameters())
    norm = PortableModule(layers.chain(layers.layer_norm(3)))
    assert norm.state_dict()["0.weight"].tolist() == [1, 1, 1]
    assert norm.state_dict()["0.bias"].tolist() == [0, 0, 0]


def test_parameters_are_read_where_they_are():
    module = module_of(layers.linear(4, 2))
    module(X)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.data = torch.zeros_like(parameter)
    assert not module(X).any()
    assert twin(X).any()
    module.load_state_dict(twin.state_dict(), assign=True)
    assert torch.equal(module(X), twin(X))
    assert module.half()(X.half()).dtype is torch.float16


def test_refusals():
    with pytest.raises(UnsupportedError, match="'convolve'"):
        function(Layer("convolve"))
    with pytest.raises(UnsupportedError, match="version 1"):
        function(Layer("relu", 2))

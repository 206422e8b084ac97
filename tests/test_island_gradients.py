"""Values and gradients of islands, against torch's own functions and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from crossings import Batch, batch_for, gradients, in_float64, julia, one_arrow, portable, register, twins, zero
from diagrams import diagrams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import bridge
from bridge import layers
from bridge.diagram.builder import Builder
from bridge.diagram.ir import Diagram, Layer
from bridge.julia.session import stats
from bridge.plan import Runtime, plan_outputs
from bridge.torch import Objective
from bridge.torch.islands import bind

S = (2, 3)

# Layers in torch's own words (tests/layer_cases has all of them): sample shapes of inputs, of the output, the function.
CASES: dict[str, tuple[Layer, list[tuple[int, ...]], tuple[int, ...], Callable[..., Tensor]]] = {
    "linear": (layers.linear(3, 4), [S], (2, 4), F.linear),
    "linear of a vector": (layers.linear(3, 4), [(3,)], (4,), F.linear),
    "linear, three axes": (layers.linear(3, 4), [(2, 2, 3)], (2, 2, 4), F.linear),
    "linear to one": (layers.linear(1, 1), [(1,)], (1,), F.linear),
    "linear without bias": (layers.linear(3, 4, bias=False), [S], (2, 4), F.linear),
    "linear, glorot": (layers.linear(3, 4, init="glorot_uniform"), [S], (2, 4), F.linear),
    "linear, zeros": (layers.linear(3, 4, init="zeros"), [S], (2, 4), F.linear),
    "relu": (layers.relu(), [S], S, F.relu),
    "sigmoid": (layers.sigmoid(), [S], S, torch.sigmoid),
    "sigmoid of a scalar": (layers.sigmoid(), [()], (), torch.sigmoid),
    "tanh": (layers.tanh(), [S], S, torch.tanh),
    "leaky_relu": (layers.leaky_relu(), [S], S, F.leaky_relu),
    "leaky_relu(0.3)": (layers.leaky_relu(0.3), [S], S, lambda x: F.leaky_relu(x, 0.3)),
    "leaky_relu(-0.5)": (layers.leaky_relu(-0.5), [S], S, lambda x: F.leaky_relu(x, -0.5)),
    "elu": (layers.elu(), [S], S, F.elu),
    "elu(0.3)": (layers.elu(0.3), [S], S, lambda x: F.elu(x, 0.3)),
    "celu": (layers.celu(), [S], S, F.celu),
    "celu(0.3)": (layers.celu(0.3), [S], S, lambda x: F.celu(x, 0.3)),
    "celu(2)": (layers.celu(2.0), [S], S, lambda x: F.celu(x, 2.0)),
    "relu6": (layers.relu6(), [S], S, F.relu6),
    "silu": (layers.silu(), [S], S, F.silu),
    "hardsigmoid": (layers.hardsigmoid(), [S], S, F.hardsigmoid),
    "mish": (layers.mish(), [S], S, F.mish),
    "softplus": (layers.softplus(), [S], S, F.softplus),
    "gelu": (layers.gelu(), [S], S, F.gelu),
    "gelu, tanh": (layers.gelu("tanh"), [S], S, lambda x: F.gelu(x, approximate="tanh")),
    "softmax": (layers.softmax(), [S], S, lambda x: F.softmax(x, -1)),
    "softmax over rows": (layers.softmax(-2), [S], S, lambda x: F.softmax(x, -2)),
    "softmax in the middle": (layers.softmax(-2), [(2, 4, 3)], (2, 4, 3), lambda x: F.softmax(x, -2)),
    "softmax of one": (layers.softmax(), [(1,)], (1,), lambda x: F.softmax(x, -1)),
    "log_softmax": (layers.log_softmax(), [S], S, lambda x: F.log_softmax(x, -1)),
    "log_softmax over rows": (layers.log_softmax(-2), [S], S, lambda x: F.log_softmax(x, -2)),
    "log_softmax, first of three": (layers.log_softmax(-3), [(2, 4, 3)], (2, 4, 3), lambda x: F.log_softmax(x, -3)),
    "layer_norm": (layers.layer_norm(3), [S], S, lambda x, w, b: F.layer_norm(x, (3,), w, b)),
    "layer_norm of two axes": (layers.layer_norm(S, eps=1e-3), [S], S, lambda x, w, b: F.layer_norm(x, S, w, b, 1e-3)),
    "layer_norm, not affine": (layers.layer_norm(3, affine=False), [S], S, lambda x: F.layer_norm(x, (3,))),
    "flatten": (layers.flatten(), [S], (6,), lambda x: x.flatten(1)),
    "flatten of a scalar": (layers.flatten(), [()], (1,), lambda x: x.reshape(-1, 1)),
    "reshape": (layers.reshape(3, 2), [S], (3, 2), lambda x: x.reshape(-1, 3, 2)),
    "reshape to a scalar": (layers.reshape(), [(1,)], (), lambda x: x.reshape(-1)),
    "identity": (layers.identity(), [S], S, lambda x: x.clone()),
    "add": (layers.add(), [S, S], S, lambda x, y: x + y),
    "add of three": (layers.add(), [S, S, S], S, lambda x, y, z: x + y + z),
    "multiply": (layers.multiply(), [S, S], S, lambda x, y: x * y),
}


def body_of(layer: Layer, inputs: int) -> Any:
    graph = layers.GraphBuilder(inputs)
    return graph.build(graph(layer, *graph.inputs))


class Called:
    """The island of a diagram of one arrow as a function of its inputs and parameters, the latter being its own."""

    def __init__(
        self,
        body: Any,
        sources: list[tuple[int, ...]],
        targets: list[tuple[int, ...]],
        dtype: torch.dtype = torch.float64,
    ) -> None:
        d = one_arrow(body, sources, targets, str(dtype).removeprefix("torch."), agree=False)
        self.objective = bridge.compile(d)
        module = self.objective.components["f"]
        generator = torch.Generator().manual_seed(3)
        for parameter in module.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator, dtype=dtype))
        self.parameters = tuple(module.parameters())
        diagram = self.objective.diagram
        plan, _ = plan_outputs(diagram, [o.name for o in diagram.outputs], {"f": Runtime.JULIA})
        (self.call,) = bind(diagram, plan, dict(self.objective.components.items()), None, False)

    def __call__(self, *tensors: Tensor) -> Any:
        values = self.call(tensors[: len(tensors) - len(self.parameters)], True, 0)
        return values[0] if len(values) == 1 else values


def inputs_for(
    shapes: list[tuple[int, ...]], n: int, dtype: torch.dtype = torch.float64, seed: int = 5
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [(2 * torch.randn(n, *shape, generator=generator, dtype=torch.float64)).to(dtype) for shape in shapes]


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name: str) -> None:
    layer, shapes, target, _ = CASES[name]
    call = Called(body_of(layer, len(shapes)), shapes, [target])
    for n in (0, 1, 7):
        inputs = tuple(x.requires_grad_() for x in inputs_for(shapes, n))
        assert torch.autograd.gradcheck(call, (*inputs, *call.parameters), atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_torch(name: str, dtype: torch.dtype) -> None:
    layer, shapes, target, reference = CASES[name]
    call = Called(body_of(layer, len(shapes)), shapes, [target], dtype)
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype is torch.float64 else {"rtol": 2e-5, "atol": 2e-6}
    for n in (0, 1, 7, 33):
        inputs = [x.requires_grad_() for x in inputs_for(shapes, n, dtype)]
        value, expected = call(*inputs, *call.parameters), reference(*inputs, *call.parameters)
        torch.testing.assert_close(value, expected, **close)
        direction = torch.randn(value.shape, dtype=dtype, generator=torch.Generator().manual_seed(n))
        over = (*inputs, *call.parameters)
        found = torch.autograd.grad(value, over, direction)
        wanted = torch.autograd.grad(expected, over, direction)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, **close)


@pytest.mark.parametrize("name", CASES)
def test_extreme_values(name: str) -> None:
    """Zeros, infinities, NaN and what overflows: torch's own values (its gradients at kinks included)."""
    layer, shapes, target, reference = CASES[name]
    call = Called(body_of(layer, len(shapes)), shapes, [target])
    special = torch.tensor(
        [
            0.0,
            -0.0,
            1e-300,
            -1e-300,
            20.0,
            20.000001,
            -745.0,
            710.0,
            1e30,
            -1e30,
            3.0,
            -3.0,
            6.0,
            float("inf"),
            -float("inf"),
            float("nan"),
        ],
        dtype=torch.float64,
    )
    n = 32
    generator = torch.Generator().manual_seed(1)
    inputs = [special[torch.randint(len(special), (n, *s), generator=generator)].requires_grad_() for s in shapes]
    if layer.operation in ("linear", "layer_norm", "softmax", "log_softmax"):
        inputs = [x.detach().nan_to_num(0.0, 7.0, -7.0).clamp(-800, 800).requires_grad_() for x in inputs]
    value, expected = call(*inputs, *call.parameters), reference(*inputs, *call.parameters)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-12, equal_nan=True)
    over = (*inputs, *call.parameters)
    found = torch.autograd.grad(value, over, torch.ones_like(value))
    wanted = torch.autograd.grad(expected, over, torch.ones_like(value))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11, equal_nan=True)


def other_layout(x: Tensor) -> Tensor:
    """The same numbers with gaps between them in memory."""
    wide = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def test_inputs_that_are_not_contiguous_are_copied_and_counted() -> None:
    call = Called(layers.chain(layers.linear(3, 4), layers.tanh()), [S], [(2, 4)])
    (x,) = inputs_for([S], 7)
    for mend in (
        other_layout,
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: x[:1].expand(7, 2, 3),
    ):
        crooked = mend(x).requires_grad_()
        assert not crooked.is_contiguous()
        before = stats()
        value = call(crooked, *call.parameters)
        after = stats()
        assert after.copies - before.copies == 1 and after.copied_bytes - before.copied_bytes == 7 * 6 * 8
        (found,) = torch.autograd.grad(value.sum(), crooked)
        expected = torch.tanh(F.linear(crooked, *call.parameters))
        torch.testing.assert_close(found, torch.autograd.grad(expected.sum(), crooked)[0])
        if crooked.stride(0) != 0:  # finite differences are not possible on one sample seven times
            assert torch.autograd.gradcheck(call, (crooked.detach().requires_grad_(), *call.parameters))
    before = stats().copies
    value = call(x, *call.parameters)
    assert stats().copies == before
    torch.autograd.grad(value, call.parameters, other_layout(torch.ones_like(value)))
    assert stats().copies == before + 1  # a gradient with gaps


def test_batches_of_one_are_contiguous_whatever_their_strides() -> None:
    call = Called(layers.chain(layers.linear(3, 4)), [S], [(2, 4)])
    base = torch.randn(1, 2, 3, dtype=torch.float64)
    odd = base.as_strided((1, 2, 3), (999, 3, 1))
    before = stats().copies
    torch.testing.assert_close(call(odd, *call.parameters), F.linear(base, *call.parameters))
    assert stats().copies == before


def assert_same(plain: Objective, mixed: Objective, batch: Batch, rtol: float = 1e-10) -> None:
    """Losses and all gradients of both, on one batch."""
    (wanted, right), (found, left) = gradients(plain, batch), gradients(mixed, batch)
    assert wanted.keys() == found.keys() and right.keys() == left.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(
            found[name], value, rtol=rtol, atol=rtol, equal_nan=True, msg=lambda m, name=name: f"{name}: {m}"
        )
    for name, gradient in right.items():
        other = left[name]
        if gradient is None or other is None:
            assert (gradient is None or not gradient.any()) and (other is None or not other.any()), name
            continue
        scale = float(gradient.nan_to_num(0, 0, 0).abs().max()) if gradient.numel() else 1.0
        torch.testing.assert_close(
            other, gradient, rtol=rtol, atol=rtol * max(1.0, scale), equal_nan=True, msg=lambda m, name=name: f"{name}: {m}"
        )


def two_uses() -> Builder:
    """One component under two arrows, one of them applied twice; its values are used three times."""
    d = Builder("two uses")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)
    shared = d.component("shared", layers.chain(layers.linear(3, 3), layers.tanh()))
    f, g = d.arrow("f", x, x, shared), d.arrow("g", x, x, shared)
    once = f(data.x)
    d.agree(f(once), data.y, by=bridge.mse(), name="twice")
    d.agree(g(once), once, by=bridge.huber(0.3), name="loop", weight=0.5)
    d.agree(once, data.y, by=bridge.mse(), name="once", weight=-0.25)
    return d


def several() -> Builder:
    """Arrows with two inputs and two outputs, each output used, unused or used twice; an input in two places."""
    d = Builder("several")
    u, v = d.space("u", "float64", row=2, k=3), d.space("v", "float64", k=4)
    data = d.source("data", u=u, u2=u, v=v)
    g = layers.GraphBuilder(2)
    a, b = g.inputs
    h = g(layers.tanh(), g(layers.linear(3, 3), a))
    w = g(layers.linear(4, 4, bias=False), b)
    mixed = g(layers.multiply(), h, a)
    split = d.arrow("split", (u, v), (u, v, u), g.build(mixed, w, h))
    g = layers.GraphBuilder(3)
    one, two, three = g.inputs
    total = g(layers.add(), one, two, three, one)
    join = d.arrow("join", (u, u, u), v, g.build(g(layers.linear(6, 4), g(layers.flatten(), total))))
    p, q, r = split(data.u, data.v)
    p2, _, _ = split(data.u, q)
    d.agree(join(p, p, r), data.v, by=bridge.mse(), name="a")
    d.agree(join(p2, data.u2, data.u), q, by=bridge.mse(), name="b")
    d.agree(q, data.v, by=bridge.kl(2.0), name="c")
    return d


def frozen_and_detached() -> Builder:
    """Frozen and detached parts before, between and after trained ones, all in one island."""
    d = Builder("frozen")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)

    def body() -> Any:
        return layers.chain(layers.linear(3, 3), layers.tanh())

    first, still, last = (
        d.arrow("first", x, x, body()),
        d.arrow("still", x, x, body(), frozen=True),
        d.arrow("last", x, x, body()),
    )
    start = first(data.x)
    middle = still(start)
    d.agree(last(middle), data.y, by=bridge.mse(), name="through")
    d.agree(last(bridge.detach(middle)), still(data.y), by=bridge.mse(), name="cut")
    d.agree(bridge.detach(start), last(data.y), by=bridge.mae(), name="target")
    return d


def islands_between() -> Builder:
    """Julia, torch, Julia, torch in a row, with a way round."""
    d = Builder("between")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)
    fs = [d.arrow(f"f{k}", x, x, layers.chain(layers.linear(3, 3), layers.tanh())) for k in range(4)]
    value = data.x
    for f in fs:
        value = f(value)
    d.agree(value, fs[0](data.y), by=bridge.mse())
    return d


def without_columns() -> Builder:
    """A component without inputs, as an argument beside one with, alone below another, and twice."""
    d = Builder("sourceless")
    x = d.space("x", "float64", row=2, k=3)
    data = d.source("data", x=x, y=x)
    token = d.arrow("token", (), x, d.component("token", bridge.JuliaReference("token")))
    g = layers.GraphBuilder(2)
    together = d.arrow(
        "together", (x, x), x, g.build(g(layers.multiply(), g(layers.linear(3, 3), g.inputs[0]), g.inputs[1]))
    )
    alone = d.arrow("alone", x, x, layers.chain(layers.tanh(), layers.linear(3, 3)))
    t = token()
    d.agree(together(data.x, t), data.y, by=bridge.mse(), name="a")
    d.agree(together(alone(t), alone(data.x)), data.y, by=bridge.mse(), name="b")
    d.output("token", t)
    d.output("alone", alone(t))
    return d


def axis_variables() -> Builder:
    d = Builder("variables")
    u = d.space("u", "float64", step="length", k=3)
    s = d.space("s", "float64", other="width", k=3)
    data = d.source("data", u=u, u2=u, s=s)
    f = d.arrow("f", u, u, layers.chain(layers.linear(3, 3), layers.layer_norm(3), layers.softmax(-2)))
    h = d.arrow("h", s, s, layers.chain(layers.linear(3, 3), layers.softmax(-1)))
    d.agree(f(data.u), data.u2, by=bridge.mse())
    d.agree(h(data.s), data.s, by=bridge.mse())
    return d


def two_sources() -> Builder:
    """Terms of sources with batches of different sizes side by side in one island."""
    d = Builder("sources")
    x = d.space("x", "float64", k=3)
    a, b = d.source("a", x=x, y=x), d.source("b", x=x, y=x)
    f = d.arrow("f", x, x, layers.chain(layers.linear(3, 3), layers.tanh()))
    g = d.arrow("g", x, x, layers.chain(layers.linear(3, 3), layers.relu()))
    for source, name in ((a, "a"), (b, "b")):
        d.agree(g(f(source.x)), source.y, by=bridge.mse(), name=name)
    return d


PORTABLE = [two_uses, several, frozen_and_detached, islands_between, two_sources]


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("build", PORTABLE, ids=lambda build: build.__name__)
def test_shapes_of_diagrams(build: Callable[[], Builder], n: int) -> None:
    diagram = build().build()
    names = portable(diagram)
    batch = batch_for(diagram, n)
    for placed in (names, names[::2], names[1::2]):
        plain, mixed = twins(diagram, dict.fromkeys(placed, "julia"))
        if placed:
            assert mixed.plan.islands
        assert_same(plain, mixed, batch)
        if n == 0:
            assert all(torch.equal(v, torch.zeros_like(v)) for v in gradients(mixed, batch)[0].values())


@pytest.mark.parametrize(("n", "m"), [(5, 3), (3, 5), (0, 4), (4, 0), (1, 2000)])
def test_sources_of_different_sizes_in_one_island(n: int, m: int) -> None:
    plain, mixed = twins(two_sources())
    assert len(mixed.plan.islands) == 1
    assert_same(plain, mixed, batch_for(plain.diagram, {"a": n, "b": m}))


def test_several_islands() -> None:
    d = islands_between().build()
    plain, mixed = twins(d, {"f0": "julia", "f2": "julia"})
    assert len(mixed.plan.islands) == 2
    before = stats()
    assert_same(plain, mixed, batch_for(d, 4))
    after = stats()
    assert after.forwards - before.forwards == 2 and after.backwards - before.backwards == 2


def test_gradients_stop_at_detach_and_at_frozen_parameters() -> None:
    _, mixed = twins(frozen_and_detached())
    assert len(mixed.plan.islands) == 1
    _, found = gradients(mixed, batch_for(mixed.diagram, 4))
    assert found["components.still.0.weight"] is None and found["components.still.0.bias"] is None
    assert found["components.first.0.weight"].any() and found["data.x"].any()


@pytest.mark.parametrize("lengths", [(1, 1), (4, 2), (2, 5)])
def test_axis_variables(lengths: tuple[int, int]) -> None:
    plain, mixed = twins(axis_variables())
    for n in (0, 1, 3):
        assert_same(plain, mixed, batch_for(plain.diagram, n, variables={"length": lengths[0], "width": lengths[1]}))


class Token(torch.nn.Module):
    """A parameter, whatever the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], dtype=torch.float64))

    def forward(self) -> Tensor:
        return self.value * 2


def test_terms_without_columns() -> None:
    register(
        "token",
        """
        struct Token; value::Matrix{Float64}; end
        parameters(t::Token) = ("value" => t.value,)
        forward(t::Token, ::Tuple{}, train::Bool) = (2 .* t.value,), nothing
        pullback(t::Token, ::Nothing, (dy,)::Tuple) = (), (2 .* dropdims(dy, dims = 3),)
        Token([0.5 1.5; -1.0 0.25; 2.0 -0.75])
    """,
    )
    mixed = bridge.compile(without_columns(), placement={"together": "julia", "alone": "julia"})
    reference = without_columns().build()
    from dataclasses import replace

    components = tuple(
        replace(c, body=bridge.TorchReference("token")) if c.name == "token" else c for c in reference.components
    )
    plain = bridge.compile(replace(reference, components=components), {"token": Token()})
    plain.load_state_dict(mixed.state_dict())
    for n in (1, 4, 0):
        assert_same(plain, mixed, batch_for(reference, n))
    for name in ("token", "alone"):
        torch.testing.assert_close(mixed.evaluate(name, {}), plain.evaluate(name, {}))
        assert mixed.evaluate(name, {}).shape == (2, 3)
    torch_alone = bridge.compile(without_columns(), placement={"together": "julia"})
    torch_alone.load_state_dict(plain.state_dict())
    assert_same(plain, torch_alone, batch_for(reference, 4))


class Dense(torch.nn.Module):
    """What `CrossingTests.Dense` is in torch."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2, 3, dtype=dtype))
        self.bias = torch.nn.Parameter(torch.zeros(2, dtype=dtype))
        self.register_buffer("calls", torch.zeros(1, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return F.linear(x, self.weight.T.reshape(3, 2).T, self.bias)


def dense_diagram(body: Any, dtype: str = "float64", **options: Any) -> Builder:
    d = Builder("dense")
    x, y = d.space("x", dtype, k=3), d.space("y", dtype, k=2)
    data = d.source("data", x=x, y=y, z=x)
    f = d.arrow("f", x, y, d.component("f", body, **options))
    g = d.arrow("g", x, x, layers.chain(layers.linear(3, 3), layers.tanh()))
    d.agree(f(g(data.x)), data.y, by=bridge.mse(), name="a")
    d.agree(f(data.z), data.y, by=bridge.mae(), name="b")
    d.output("f", f(data.x))
    return d


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("g", ["torch", "julia"])
def test_a_julia_component_with_parameters_and_buffers(g: str, dtype: str) -> None:
    register("dense", f"dense({dtype.title()}, 2, 3)")
    mixed = bridge.compile(dense_diagram(bridge.JuliaReference("dense"), dtype), placement={"g": g})
    plain = bridge.compile(dense_diagram(Dense(getattr(torch, dtype)), dtype))
    state = mixed.state_dict()
    # Julia's matrix has its axes reversed here; the same numbers are torch's weight transposed.
    weight = state["components.f.weight"]
    assert weight.shape == (3, 2)
    plain.load_state_dict({**state, "components.f.weight": weight.T.contiguous()})
    batch = batch_for(plain.diagram, 5)
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    optimisers = [torch.optim.Adam(o.trainable_parameters(), 0.05) for o in (plain, mixed)]
    for step in range(4):
        wanted, right = gradients(plain, batch)
        found, left = gradients(mixed, batch)
        right["components.f.weight"] = right["components.f.weight"].T
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=tolerance, atol=tolerance)
        for name in right:
            torch.testing.assert_close(left[name], right[name], rtol=tolerance, atol=tolerance)
        for optimiser in optimisers:
            optimiser.step()
        assert (
            mixed.get_buffer("components.f.calls").item()
            == plain.get_buffer("components.f.calls").item()
            == 2 * step + 2
        )
    julia().eval(f"""
        let d = DiagramBridge.registered("dense")
            d.calls == [8] || error("calls: $(d.calls)")
            sum(abs, d.W) ≈ {state["components.f.weight"].abs().sum().item()} || error("not the same W")
        end""")
    mixed.evaluate("f", batch)
    assert mixed.get_buffer("components.f.calls").item() == 8


@pytest.mark.parametrize("frozen", [True, "train"])
def test_frozen_julia_components_keep_parameters_and_buffers(frozen: Any) -> None:
    register("dense", "dense(Float64, 2, 3)")
    mixed = bridge.compile(dense_diagram(bridge.JuliaReference("dense"), frozen=frozen), placement={"g": "julia"})
    plain = bridge.compile(dense_diagram(Dense(), frozen=frozen))
    state = mixed.state_dict()
    plain.load_state_dict({**state, "components.f.weight": state["components.f.weight"].T.contiguous()})
    batch = batch_for(plain.diagram, 5)
    (_, right), (_, left) = gradients(plain, batch), gradients(mixed, batch)
    assert left["components.f.weight"] is None and left["components.f.bias"] is None
    for name in right:
        if right[name] is not None:
            torch.testing.assert_close(left[name], right[name])
    assert mixed.get_buffer("components.f.calls").item() == 0


def test_a_julia_component_is_not_asked_about_empty_batches() -> None:
    """As for torch modules: a mean over nothing would make its parameters NaN."""
    register(
        "mean",
        """
        struct Mean; w::Vector{Float64}; runs::Vector{Float64}; end
        parameters(m::Mean) = ("w" => m.w,)
        buffers(m::Mean) = ("runs" => m.runs,)
        function forward(m::Mean, (x,)::Tuple, train::Bool)
            train && (m.runs .= vec(sum(x, dims = 2)) ./ size(x, 2))
            return (m.w .* x ./ maximum(x),), x
        end
        pullback(m::Mean, x, (dy,)::Tuple) = (m.w .* dy ./ maximum(x),), (vec(sum(dy .* x, dims = 2)) ./ maximum(x),)
        Mean([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    """,
    )
    d = Builder("mean")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)
    f = d.arrow("f", x, x, d.component("f", bridge.JuliaReference("mean")))
    d.agree(f(data.x), data.y, by=bridge.mse())
    objective = bridge.compile(d)
    losses, found = gradients(objective, batch_for(objective.diagram, 0))
    assert losses["total"].item() == 0
    assert torch.equal(zero(found["components.f.w"], torch.zeros(3)), torch.zeros(3, dtype=torch.float64))
    assert objective.get_buffer("components.f.runs").tolist() == [4, 5, 6]


RANDOM = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@RANDOM
@given(drawn=diagrams(max_arrows=4, max_terms=8, max_agreements=4), data=st.data())
def test_random_diagrams_in_random_places(drawn: Diagram, data: st.DataObject) -> None:
    diagram = in_float64(drawn)
    placement = {name: data.draw(st.sampled_from(["torch", "julia", "julia"])) for name in portable(diagram)}
    plain, mixed = twins(diagram, placement)
    sizes = {source.name: data.draw(st.sampled_from([0, 1, 2, 5])) for source in diagram.sources}
    batch = batch_for(
        diagram, sizes, seed=data.draw(st.integers(0, 3)), variables={"length": data.draw(st.integers(1, 4))}
    )
    assert_same(plain, mixed, batch)
    for output in diagram.outputs:
        torch.testing.assert_close(
            mixed.evaluate(output.name, batch),
            plain.evaluate(output.name, batch),
            rtol=1e-10,
            atol=1e-10,
            equal_nan=True,
        )

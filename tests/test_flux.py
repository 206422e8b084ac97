"""Flux models as components and Flux as the engine of portable layers, against torch; skipped where Julia has no Flux."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from crossings import batch_for, gradients, julia, one_arrow, portable, twins
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.diagram.ir import JuliaReference
from bridge.errors import BridgeError, JuliaError
from bridge.julia.exchange import symbols
from bridge.julia.optimizer import JuliaOptimizer
from bridge.julia.session import collect, session, stats
from bridge.torch import Objective


@pytest.fixture(autouse=True)
def needs_flux() -> None:
    if "Flux" not in session().packages:
        pytest.skip(f"Julia {session().version} has no Flux in its active project")


CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def register(name: str, expression: str) -> JuliaReference:
    """Register a Flux model in float64."""
    made = julia()
    made.eval("import Flux; using Flux: Chain, Dense, Conv, BatchNorm, Dropout, LSTM, relu")
    made.eval(f'const flux_{name} = DiagramBridge.register("{name}", Flux.f64({expression}))')
    return JuliaReference(name)


def objective_of(
    name: str, expression: str, source: tuple[int, ...], target: tuple[int, ...], **options: Any
) -> Objective:
    return bridge.compile(one_arrow(register(name, expression), [source], [target], **options))


def compare(objective: Objective, model: nn.Module, weights: dict[str, Tensor], x: Tensor, y: Tensor) -> None:
    """Loss, input gradient and parameter gradients of the diagram are those of a torch model with the same values.

    `weights` has torch's parameter for each path, seen in the axes of Flux's.
    """
    component = objective.components["f"]
    given = x.detach().clone().requires_grad_()
    ours = objective({"data": {"x0": given, "y0": y}}, seed=1).total
    inputs = x.detach().clone().requires_grad_()
    theirs = F.mse_loss(model(inputs), y)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    objective.zero_grad()
    ours.backward(retain_graph=True)
    first = [p.grad.clone() for p in component.parameters() if p.grad is not None]
    objective.zero_grad()
    kept = given.grad
    given.grad = None
    ours.backward()
    assert kept is not None and given.grad is not None and torch.equal(given.grad, kept)
    expected = torch.autograd.grad(theirs, [inputs, *weights.values()])
    torch.testing.assert_close(given.grad, expected[0], **CLOSE)
    named = dict(component.named_parameters())
    assert sorted(named) == sorted(weights)
    for path, gradient in zip(weights, expected[1:], strict=True):
        torch.testing.assert_close(named[path].grad, gradient, **CLOSE, msg=path)
    assert all(torch.equal(p.grad, g) for p, g in zip(component.parameters(), first, strict=True) if p.grad is not None)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()


def test_a_chain_steps_with_optimisers_of_either_side() -> None:
    objective = objective_of("mlp", "Chain(Dense(3 => 5, tanh), Dense(5 => 2))", (3,), (2,))
    named = {path: leaf(p) for path, p in objective.components["f"].named_parameters()}
    assert list(named) == ["layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias"]

    class Twin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            w1, b1, w2, b2 = named.values()  # Flux's weight (out, in) is torch's (in, out)
            return torch.tanh(x @ w1 + b1) @ w2 + b2

    x, y = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, 2, dtype=torch.float64)
    compare(objective, Twin(), named, x, y)
    collect()
    assert stats().tapes == 0

    weight = objective.components["f"].get_parameter("layers.1.weight")
    read = "string(flux_mlp[1].weight[2, 3])"
    for made, reference in (
        (torch.optim.Adam(objective.parameters(), lr=0.1), torch.optim.Adam(named.values(), lr=0.1)),
        (JuliaOptimizer(objective.parameters(), "Momentum(0.1, 0.9)"), torch.optim.SGD(named.values(), 0.1, 0.9)),
    ):
        for _ in range(3):
            for optimizer, loss in (
                (made, objective({"data": {"x0": x, "y0": y}}).total),
                (reference, F.mse_loss(Twin()(x), y)),
            ):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        for path, parameter in objective.components["f"].named_parameters():
            torch.testing.assert_close(parameter, named[path], **CLOSE)
        assert float(session().runtime.eval_string(read)) == weight[2, 1].item()

    total = objective({"data": {"x0": x, "y0": y}}).total
    version = weight._version
    made.step()
    assert weight._version > version
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()
    with pytest.raises(BridgeError, match="a rule of Optimisers"):
        JuliaOptimizer(objective.parameters(), "sin(1.0)")


def test_steps_that_julia_makes_itself_are_seen() -> None:
    objective = objective_of("stepped", "Dense(2 => 1)", (2,), (1,))
    component = objective.components["f"]
    weight, before = component.get_parameter("weight"), component.get_parameter("weight").detach().clone()
    x = torch.ones(1, 2, dtype=torch.float64)
    total = objective({"data": {"x0": x, "y0": torch.zeros(1, 1, dtype=torch.float64)}}).total
    session().eval("""
        let state = Flux.setup(Flux.Descent(0.5), flux_stepped)
            gradient = Flux.gradient(m -> sum(m(ones(2, 1))), flux_stepped)[1]
            Flux.update!(state, flux_stepped, gradient)
        end""")
    torch.testing.assert_close(weight, before - 0.5)
    component.written()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_convolution_and_batch_norm_in_both_modes() -> None:
    expression = "Chain(Conv((3, 3), 2 => 3; pad = 1), BatchNorm(3, relu; momentum = 0.25f0), Flux.flatten, Dense(48 => 2))"
    objective = objective_of("conv", expression, (2, 4, 4), (2,))
    component = objective.components["f"]
    flux = dict(component.named_parameters())
    assert sorted(n for n, _ in component.named_buffers()) == ["layers.2.μ", "layers.2.σ²"]
    named = {path: leaf(p) for path, p in flux.items()}
    norm = nn.BatchNorm2d(3, momentum=0.25, dtype=torch.float64)  # a fraction that Float32 holds
    norm.weight, norm.bias = nn.Parameter(named["layers.2.γ"]), nn.Parameter(named["layers.2.β"])
    named |= {"layers.2.γ": norm.weight, "layers.2.β": norm.bias}

    class Twin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            kernel = named["layers.1.weight"].flip(2, 3)  # Flux convolves, torch correlates
            hidden = torch.relu(norm(F.conv2d(x, kernel, named["layers.1.bias"], padding=1)))
            return hidden.flatten(1) @ named["layers.4.weight"] + named["layers.4.bias"]

    x, y = torch.randn(5, 2, 4, 4, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    for train in (True, False):
        objective.train(train)
        norm.train(train)
        compare(objective, Twin(), named, x, y)
        torch.testing.assert_close(component.get_buffer("layers.2.μ"), norm.running_mean, **CLOSE)
        torch.testing.assert_close(component.get_buffer("layers.2.σ²"), norm.running_var, **CLOSE)
    assert session().runtime.eval_string("repr(flux_conv[2].active)") == "nothing"


def test_a_frozen_model_runs_in_test_mode_and_keeps_its_buffers() -> None:
    d = bridge.Builder("frozen")
    x, y = d.space("x", "float64", a=3), d.space("y", "float64", a=3)
    data = d.source("data", x=x, y=y)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    g = d.arrow("g", x, y, register("frozen", "Chain(BatchNorm(3), Dropout(0.5))"), frozen=True)
    d.agree(g(f(data.x)), data.y, by=bridge.mse())
    objective = bridge.compile(d)
    before = {name: buffer.clone() for name, buffer in objective.components["g"].named_buffers()}
    batch = batch_for(d.build(), 6)
    found = gradients(objective, batch)[1]
    for name, buffer in objective.components["g"].named_buffers():
        assert torch.equal(buffer, before[name])
    # In test mode, with its first statistics, the batch norm divides by √(1 + eps).
    linear = objective.components["f"]
    weight, bias = (leaf(p) for p in linear.parameters())
    loss = F.mse_loss(F.linear(batch["data"]["x"], weight, bias) / (1 + 1e-5) ** 0.5, batch["data"]["y"])
    expected = torch.autograd.grad(loss, [weight, bias])
    for parameter, gradient in zip(linear.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-9)  # Flux's eps is a Float32
    assert not [name for name, gradient in found.items() if name.startswith("components.g") and gradient is not None]


def test_lstm() -> None:
    objective = objective_of("lstm", "Chain(LSTM(3 => 2), x -> x[:, end, :])", (4, 3), (2,))
    named = {path: leaf(p) for path, p in objective.components["f"].named_parameters()}

    class Twin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            wi, wh, b = (named[f"layers.1.cell.{n}"] for n in ("Wi", "Wh", "bias"))
            h = c = torch.zeros(x.shape[0], 2, dtype=torch.float64)
            for t in range(x.shape[1]):  # gates in the order i, f, g, o
                i, f, g, o = (x[:, t] @ wi + h @ wh + b).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return h

    x, y = torch.randn(5, 4, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    compare(objective, Twin(), named, x, y)


def test_a_struct_of_the_users_with_tied_weights() -> None:
    julia().eval("import Flux; struct TiedPair{A}; w::A; again::A; scale::Vector{Float64}; end; Flux.@layer TiedPair")
    julia().eval("(t::TiedPair)(x) = t.scale .* tanh.(t.again * tanh.(t.w * x))")
    objective = objective_of("tied", "let w = randn(3, 3); TiedPair(w, w, ones(3)) end", (3,), (3,))
    named = {path: leaf(p) for path, p in objective.components["f"].named_parameters()}
    assert sorted(named) == ["scale", "w"]

    class Twin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return named["scale"] * torch.tanh(torch.tanh(x @ named["w"]) @ named["w"])

    x, y = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    compare(objective, Twin(), named, x, y)


def test_dropout_draws_from_the_seed_of_the_call() -> None:
    objective = objective_of("dropout", "Chain(Dense(20 => 20), Dropout(0.5))", (20,), (20,))
    batch = batch_for(objective.diagram, 16)
    losses = [objective(batch, seed=seed).total.item() for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    objective.eval()
    assert objective(batch, seed=1).total.item() == objective(batch, seed=2).total.item()


def test_a_model_that_throws_is_named_with_julias_trace() -> None:
    julia().eval("fails(x) = throw(DomainError(1, \"on purpose\"))")
    objective = objective_of("faulty", "Chain(Dense(3 => 3), fails)", (3,), (3,))
    batch = batch_for(objective.diagram, 4)
    with pytest.raises(JuliaError, match="arrow 'f'") as caught:
        objective(batch)
    assert "on purpose" in str(caught.value) and "fails" in caught.value.stacktrace
    julia().eval("fails(x) = x")
    objective(batch).total.backward()


NEWEST_ISLAND = """
let ids = [id for (id, object) in DiagramBridge.HELD if object isa DiagramBridge.Island]
    nameof(typeof(DiagramBridge.HELD[maximum(ids)].steps[1].operation))
end
"""


def test_the_engines_agree_in_one_process() -> None:
    body = layers.chain(
        layers.linear(4, 6), layers.tanh(), layers.layer_norm(6), layers.linear(6, 5), layers.gelu(), layers.softmax()
    )
    d = one_arrow(body, [(4,)], [(5,)])
    batch = batch_for(d.build(), 9)
    plain = twins(d)[0]
    expected = gradients(plain, batch)
    found = {}
    try:
        for name in ("native", "flux"):
            assert session().use_engine(name) == name == session().engine
            made = bridge.compile(d, placement=dict.fromkeys(portable(d.build()), "julia"))
            made.load_state_dict(plain.state_dict())
            found[name] = gradients(made, batch)
            assert session().runtime.eval_string(NEWEST_ISLAND).startswith("FluxLinear" if name == "flux" else "Linear")
    finally:
        session().use_engine("auto")
    for losses, derivatives in found.values():
        torch.testing.assert_close(losses, expected[0], **CLOSE)
        torch.testing.assert_close(derivatives, expected[1], **CLOSE)


def test_engines_and_blas_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BridgeError, match="one of auto, native, flux"):
        session().use_engine("fast")
    assert session().blas == "caller" and "sgemm_64_" in symbols()
    loaded = session().runtime.eval_string("DiagramBridge.BLAS.get_config().loaded_libs")
    assert "libtorch_cpu" in loaded
    monkeypatch.setenv("DIAGRAM_BRIDGE_BLAS", "julia")
    assert "sgemm_64_" not in symbols()
    monkeypatch.setenv("DIAGRAM_BRIDGE_BLAS", "mine")
    with pytest.raises(BridgeError, match="'torch' or 'julia'"):
        symbols()

"""Objectives that Julia drives, with components of torch's called back, against PyTorch alone."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from crossings import julia, register
from driven import CLOSE, assert_same, in_torch, twins
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.errors import BatchError, BindingError, BridgeError, DiagramError, JuliaError, UnsupportedError
from bridge.julia.session import Session, collect, stats
from bridge.julia.start import julia_literal
from bridge.julia.vtable import vtable
from bridge.torch import Objective
from tests.julia_arrays import evaluate


@pytest.fixture(scope="module")
def session() -> Session:
    return julia()


def regression(head: Any = None, **options: Any) -> bridge.Builder:
    return regression_and_term(head, **options)[0]


def regression_and_term(head: Any = None, **options: Any) -> tuple[bridge.Builder, bridge.Term]:
    """x → body → head, held to y."""
    d = bridge.Builder("regression")
    x, y, h = (d.space(name, "float64", k=size) for name, size in (("x", 4), ("y", 2), ("h", 3)))
    data = d.source("data", x=x, y=y)
    body = d.arrow("body", x, h, layers.chain(layers.linear(4, 3), layers.tanh()))
    head = d.arrow("head", h, y, head or nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double(), **options)
    hidden = body(data.x)
    d.agree(head(hidden), data.y, by=bridge.mse())
    d.output("prediction", head(hidden))
    d.output("hidden", hidden)
    return d, head(hidden)


def batch_of(samples: int = 6) -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(samples)
    draw = lambda size: torch.randn(samples, size, generator=generator, dtype=torch.float64)  # noqa: E731
    return {"data": {"x": draw(4), "y": draw(2)}}


def test_an_objective_like_any(session) -> None:
    """Losses with and without gradients, a total that autograd takes, outputs, terms, modes, an empty batch, copies."""
    d, prediction = regression_and_term()
    term = bridge.detach(prediction)  # one that the diagram does not have
    alone, driven = twins(d, placement={"body": "julia"})
    batch = batch_of()
    expected = in_torch(alone, batch)
    assert_same(driven, batch, expected)
    assert driven.loss(batch).total.item() == driven.losses_and_gradients(batch)[0].total.item()
    losses = driven(batch)
    (2 * losses.total).backward()
    for (name, p), q in zip(alone.named_parameters(), driven.parameters(), strict=True):
        torch.testing.assert_close(q.grad, 2 * p.grad, **CLOSE, msg=name)
    with torch.no_grad():
        assert not driven(batch).total.requires_grad
    with torch.inference_mode():
        assert driven.losses_and_gradients(batch)[0].total.item() == losses.total.item()
    for output in ("prediction", "hidden"):
        torch.testing.assert_close(driven.evaluate(output, batch), alone.evaluate(output, batch), **CLOSE)
    torch.testing.assert_close(driven.evaluate(term, batch), alone.evaluate(term, batch), **CLOSE)
    assert driven.loss(batch_of(0)).total.item() == 0.0
    for other in (copy.deepcopy(driven), pickle.loads(pickle.dumps(driven))):
        assert_same(other, batch, expected)
        assert other.components["head"][0].weight is not driven.components["head"][0].weight


class Noisy(nn.Module):
    """A linear map, batch norm and dropout: it has modes, buffers and chance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)).double()

    def forward(self, x: Tensor) -> Any:
        return self.layers(x)


@pytest.mark.parametrize("frozen", [False, True, "train"])
def test_modes_buffers_and_chance(session, frozen) -> None:
    torch.manual_seed(0)
    alone, driven = twins(regression(Noisy(), frozen=frozen), placement={"body": "julia"})
    batch = batch_of()
    for train in (True, False):
        for objective in (alone, driven):
            objective.train(train)
            objective.zero_grad()
        expected = alone(batch, seed=3)
        expected.backward()
        losses, gradients = driven.losses_and_gradients(batch, seed=3)
        torch.testing.assert_close(losses.total, expected.total.detach(), **CLOSE)
        weight = alone.components["body"].get_parameter("0.weight")
        torch.testing.assert_close(gradients["body", "0.weight"], weight.grad, **CLOSE)
        torch.testing.assert_close(dict(driven.named_buffers()), dict(alone.named_buffers()), **CLOSE)
        noisy = frozen == "train" or (train and not frozen)
        assert (driven.loss(batch, seed=4).total.item() != driven.loss(batch, seed=5).total.item()) is noisy
        alone.load_state_dict(driven.state_dict())
    before = torch.get_rng_state()
    driven.loss(batch, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    first = driven.train().loss(batch).total.item()
    torch.manual_seed(7)
    assert driven.loss(batch).total.item() == first


class Views(nn.Module):
    """Its input, the same in another shape, part of it, and its parameter: memory that results share with arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

    def forward(self, x: Tensor) -> Any:
        return x, x.reshape(x.shape), x.flip(1).flip(1), (x * self.w).T.T, self.w.expand(len(x), 3)


def test_buffers_that_julia_writes(session) -> None:
    """Running statistics of a component that Julia runs are torch's tensors, also after those were given other memory."""
    alone, driven = twins(regression(layers.chain(layers.linear(3, 2), layers.batch_norm(2))), placement={"head": "julia"})
    batch = batch_of()
    for step in range(3):
        versions = [buffer._version for buffer in driven.buffers()]
        wanted, found = alone(batch), driven(batch)
        torch.testing.assert_close(found.total, wanted.total)
        torch.testing.assert_close(dict(driven.named_buffers()), dict(alone.named_buffers()))
        assert all(buffer._version > before for buffer, before in zip(driven.buffers(), versions, strict=True))
        for buffer in driven.buffers():
            buffer.data = buffer.data.clone() + step
        for buffer in alone.buffers():
            buffer.data += step


def test_aliases(session) -> None:
    """Results that are arguments, views of them or of parameters, gradients that are the gradients that came."""
    d = bridge.Builder("views")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x, y=x)
    body = d.arrow("body", x, x, layers.linear(3, 3))
    views = d.arrow("views", x, (x,) * 5, Views())
    again = d.arrow("again", x, (x,) * 5, Views())
    for k, term in enumerate(views(body(data.x))):
        d.agree(term, data.y, by=bridge.mse(), weight=k + 1.0, name=f"a{k}")
        d.agree(again(term)[k], again(data.x)[4], by=bridge.huber(), name=f"b{k}")
    for placement in ("torch", "julia"):
        alone, driven = twins(d, placement={"body": placement})
        generator = torch.Generator().manual_seed(0)
        batch = {"data": {n: torch.randn(4, 3, generator=generator, dtype=torch.float64) for n in "xy"}}
        assert_same(driven, batch, in_torch(alone, batch))
        whole = torch.randn(8, 4, generator=generator, dtype=torch.float64)
        overlapping = {"data": {"x": whole[:5, 1:], "y": whole[3:, :3]}}  # not contiguous: copied, and counted
        before = stats().copies
        assert_same(driven, overlapping, in_torch(alone, overlapping))
        assert stats().copies >= before + 2
        assert_same(driven, {"data": {"x": batch["data"]["x"], "y": batch["data"]["x"]}}, in_torch(
            alone, {"data": {"x": batch["data"]["x"], "y": batch["data"]["x"]}}
        ))


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("adam", {"lr": 0.01, "amsgrad": True}),
        ("sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
        ("sgd", {"lr": 0.1}),
        ("adamw", {"lr": 0.01}),
        ("rmsprop", {"lr": 0.003, "momentum": 0.5, "centered": True}),
    ],
)
def test_training_in_julia(session, tmp_path: Path, optimizer, options) -> None:
    """Fit in Julia ends where fit in torch ends, also in parts with a checkpoint between, and when it starts in torch."""
    alone, driven = twins(regression(), placement={"body": "julia"})
    start = copy.deepcopy(driven.state_dict())
    data = batch_of(40)
    settings = {"batch_size": 16, "optimizer": optimizer, "seed": 5, **options}
    expected = bridge.fit(alone, data, epochs=12, **settings)
    history = bridge.fit(driven, data, epochs=12, **settings)
    torch.testing.assert_close(history.total, expected.total, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(history.agreements, expected.agreements, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(dict(driven.state_dict()), dict(alone.state_dict()), rtol=1e-9, atol=1e-12)
    states = [h.optimizer.state_dict()["state"] for h in (history, expected)]
    for state in states:  # torch's SGD keeps an entry of None without a momentum
        for slots in state.values():
            slots.pop("momentum_buffer", None) if slots.get("momentum_buffer") is None else None
    torch.testing.assert_close(*[{k: v for k, v in s.items() if v} for s in states], rtol=1e-9, atol=1e-12)

    for drivers in (("julia", "julia"), ("julia", "torch"), ("torch", "julia")):
        path = tmp_path / "-".join(drivers)
        first, second = ({"julia": driven, "torch": alone}[driver] for driver in drivers)
        first.load_state_dict(start)
        part = bridge.fit(first, data, epochs=5, **settings)
        bridge.save_checkpoint(path, first, part.optimizer, part.cursor)
        for p in second.parameters():
            p.data.zero_()
        rest = bridge.fit(second, data, epochs=12, batch_size=16, start=bridge.load_checkpoint(path, second))
        torch.testing.assert_close([*part.total, *rest.total], expected.total, rtol=1e-9, atol=1e-12)


def test_a_callback_between_steps(session) -> None:
    """It sees each step, changes the rate, replaces memory, saves, and stops."""
    alone, driven = twins(regression())
    seen: dict[Objective, list[Any]] = {alone: [], driven: []}

    def callback(step: Any) -> bool:
        seen[step.objective].append((step.number, step.epoch, step.cursor, step.losses.total.item()))
        step.optimizer.param_groups[0]["lr"] *= 0.9
        if step.number == 4:
            p = next(step.objective.parameters())
            p.data = p.data.clone()
        return step.number == 7

    for objective in seen:
        history = bridge.fit(objective, batch_of(12), epochs=9, batch_size=5, lr=0.1, callback=callback)
        assert len(history) == 8
    for one, two in zip(*seen.values(), strict=True):
        assert one[:3] == two[:3]
        assert one[3] == pytest.approx(two[3], rel=1e-9)


def test_nothing_to_train_on(tmp_path: Path) -> None:
    """Whoever drives, the same text; in Julia alone it is a BridgeError of that text."""
    d = bridge.Builder("idle")
    x = d.space("x", "float64", k=1)
    d.output("y", d.arrow("f", x, x, layers.linear(1, 1))(d.source("data", x=x).x))
    batch = {"data": {"x": torch.zeros(2, 1, dtype=torch.float64)}}
    said = []
    for objective in twins(d):
        with pytest.raises(DiagramError) as refused:
            bridge.fit(objective, batch, epochs=1)
        said.append(str(refused.value))
    bridge.save(d.build(), tmp_path / "idle.pb")
    loaded = f"DiagramBridge.compile(DiagramBridge.load({julia_literal(str(tmp_path / 'idle.pb'))}))"
    with pytest.raises(BridgeError) as refused:
        evaluate(f"DiagramBridge.train!({loaded}, (data = (x = zeros(1, 2),),); epochs = 1)")
    assert {*said, str(refused.value)} == {"diagram 'idle': expected an agreement to train on, found none"}


class Faulty(nn.Module):
    """A linear map with a fault that can be switched on."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 2).double()
        self.fault: Any = None
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Any:
        y = self.map(x)
        if isinstance(self.fault, BaseException):
            raise self.fault
        if self.fault == "keep":
            self.kept.append(x)
        if self.fault == "change":
            x.detach().mul_(2)
        return self.fault(y) if callable(self.fault) else y


class Backward(torch.autograd.Function):
    """The identity, whose way back raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, error: BaseException) -> Tensor:
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise ctx.error


@pytest.fixture
def faulty(session) -> Any:
    """The module, its objective, a batch, and a check that all is well after a fault."""
    torch.manual_seed(0)
    alone, driven = twins(regression(Faulty()), placement={"body": "julia"})
    batch = batch_of()
    expected = in_torch(alone, batch)
    assert_same(driven, batch, expected)
    for output in ("prediction", "hidden"):  # each has islands of its own, made once
        driven.evaluate(output, batch)
    collect()
    before = stats()

    def well() -> None:
        driven.components["head"].fault = None
        assert_same(driven, batch, expected)
        collect()
        after = stats()
        assert (after.tapes, after.owners, after.islands) == (before.tapes, before.owners, before.islands)

    return driven.components["head"], driven, batch, well


class StrangeError(Exception):
    """One that can't be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("error", [ValueError("on purpose"), KeyboardInterrupt(), SystemExit(3), StrangeError()])
@pytest.mark.parametrize("when", ["forward", "backward"])
def test_an_exception_in_a_module_comes_back_itself(faulty, error, when) -> None:
    module, objective, batch, well = faulty
    module.fault = error if when == "forward" else lambda y: Backward.apply(y, error)
    calls = [lambda: objective.losses_and_gradients(batch), lambda: bridge.fit(objective, batch, epochs=2, lr=0.0)]
    if when == "forward":
        calls += [lambda: objective.loss(batch), lambda: objective.evaluate("prediction", batch)]
    for call in calls:
        with pytest.raises(type(error)) as caught:
            call()
        assert caught.value is error
        if when == "forward" and isinstance(error, Exception) and hasattr(error, "add_note"):
            assert any("component 'head'" in note for note in error.__notes__)
    error.__traceback__ = None
    del caught
    module.fault = None
    well()


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (lambda y: y[:, :1], BatchError, "arrow 'head': expected float64 of shape (6, 2), found float64 of shape (6, 1)"),
        (lambda y: y.float(), BatchError, "arrow 'head': expected float64 of shape (6, 2), found float32 of shape (6, 2)"),
        (lambda y: None, BatchError, "arrow 'head': expected a tensor"),
        (lambda y: (y, y), BatchError, "arrow 'head': expected a tensor"),
        ("change", UnsupportedError, "island of head: expected modules that leave their inputs as they are"),
    ],
)
def test_wrong_results_are_refused_by_name(faulty, fault, kind, said) -> None:
    module, objective, batch, well = faulty
    module.fault = fault
    with pytest.raises(kind) as caught:
        objective.losses_and_gradients(batch)
    assert str(caught.value).startswith(said)
    del caught  # its frames look at the memory that was lent
    module.fault = None
    well()


def test_what_a_module_keeps_stays_what_it_is(faulty) -> None:
    """Julia does not use memory again that a tensor in Python looks at."""
    module, objective, batch, well = faulty
    module.fault = "keep"
    values = []
    for seed in range(5):
        scaled = {"data": {name: x * (seed + 1.0) for name, x in batch["data"].items()}}
        (objective.losses_and_gradients if seed % 2 else objective.loss)(scaled)
        values.append(objective.evaluate("hidden", scaled))
    gc.collect()
    julia().eval("GC.gc()")
    for _ in range(20):
        objective.losses_and_gradients(batch)
        module.kept = module.kept[:5]
    torch.testing.assert_close([x.detach() for x in module.kept], values, **CLOSE)
    module.kept.clear()
    values.clear()
    well()


def test_an_error_in_julia_names_its_arrow(session) -> None:
    session.eval("""
        module Driven
        import DiagramBridge: forward, pullback, parameters
        mutable struct Scale; w::Vector{Float64}; fails::Bool; end
        const SCALE = Scale([1.0, 2.0, 3.0], false)
        parameters(s::Scale) = ("w" => s.w,)
        forward(s::Scale, (x,)::Tuple, train::Bool) = s.fails ? throw(DomainError(1, "on purpose")) : ((s.w .* x,), x)
        pullback(s::Scale, x, (dy,)::Tuple) = (s.w .* dy,), (vec(sum(dy .* x, dims = 2)),)
        end
    """)
    body = register("scale", "Main.Driven.SCALE")
    d = bridge.Builder("scaled")
    x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=2)
    data = d.source("data", x=x, y=y)
    scale, head = d.arrow("scale", x, x, body), d.arrow("head", x, y, nn.Linear(3, 2).double())
    d.agree(head(scale(data.x)), data.y, by=bridge.mse())
    objective = bridge.compile(d, driver="julia")
    generator = torch.Generator().manual_seed(0)
    batch = {"data": {n: torch.randn(5, k, generator=generator, dtype=torch.float64) for n, k in (("x", 3), ("y", 2))}}
    w = objective.components["scale"].get_parameter("w")
    parameters = [torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True), *head_parameters(objective)]
    loss = F.mse_loss(F.linear(batch["data"]["x"] * parameters[0], *parameters[1:]), batch["data"]["y"])
    gradients = torch.autograd.grad(loss, parameters)
    names = [("scale", "w"), ("head", "weight"), ("head", "bias")]
    found = objective.losses_and_gradients(batch)[1]
    torch.testing.assert_close([found[name] for name in names], list(gradients), **CLOSE)
    version = w._version
    bridge.fit(objective, batch, epochs=1, optimizer="sgd", lr=0.1)
    torch.testing.assert_close(w.detach(), parameters[0].detach() - 0.1 * gradients[0], **CLOSE)
    assert w._version > version and session.runtime.eval_string("string(Driven.SCALE.w[1])") == repr(w[0].item())
    session.eval("Driven.SCALE.fails = true")
    with pytest.raises(JuliaError, match="arrow 'scale'") as caught:
        objective.loss(batch)
    assert "on purpose" in str(caught.value)
    session.eval("Driven.SCALE.fails = false")
    objective.loss(batch)


def head_parameters(objective: Objective) -> list[Tensor]:
    return [p.detach().clone().requires_grad_() for p in objective.components["head"].parameters()]


def test_refusals(session) -> None:
    d = regression()
    with pytest.raises(BindingError, match="driver: expected one of"):
        bridge.compile(d, driver="python")
    objective = bridge.compile(d, driver="julia")
    batch = batch_of()
    with pytest.raises(BatchError, match=r"column 'data\.y'"):
        objective.loss({"data": {"x": batch["data"]["x"]}})
    with pytest.raises(BatchError, match=r"column 'data.x': expected float64 of shape \(N, 4\)"):
        objective.loss({"data": {**batch["data"], "x": batch["data"]["y"]}})
    with pytest.raises(UnsupportedError, match=r"one of .* which Julia has too"):
        bridge.fit(objective, batch, epochs=1, optimizer=torch.optim.Adagrad)
    some = list(objective.parameters())[1:]
    with pytest.raises(UnsupportedError, match="trainable parameters of the objective"):
        bridge.fit(objective, batch, epochs=1, optimizer=torch.optim.SGD(some, 0.1))
    objective.components["head"][0].weight = nn.Parameter(torch.randn(3, 5, dtype=torch.float64).T)
    with pytest.raises(UnsupportedError, match=r"'0.weight' of component 'head': expected contiguous"):
        objective.loss(batch)
    objective.components["head"][0].weight = nn.Parameter(torch.randn(5, 3, dtype=torch.float64))
    assert objective.losses_and_gradients(batch)[1]["head", "0.weight"].abs().sum() > 0
    with pytest.raises(BridgeError, match="handshake, mode_size"):
        session.eval("DiagramBridge.ask_torch(DiagramBridge.Schema.Request(hello = DiagramBridge.Schema.Hello("
                     "abi_version = 1, descriptor_size = 48, mode_size = 16, slot_size = 64)))")


def test_nothing_is_left_over(session) -> None:
    """500 steps, and objectives that are dropped, leave nothing on either side."""
    collect()
    before, known = alive(), len(vtable().held)
    batch = batch_of(8)
    objective = twins(regression(), placement={"body": "julia"})[1]
    bridge.fit(objective, batch, epochs=250, batch_size=4, optimizer="sgd", lr=0.001)
    for _ in range(20):
        objective.losses_and_gradients(batch)
        objective.evaluate("prediction", batch)
    during = alive()
    assert during[:2] == before[:2]
    for _ in range(20):
        objective.losses_and_gradients(batch)
    assert alive() == during
    del objective
    collect()
    assert alive() == before and len(vtable().held) == known
    assert not vtable().known


def alive() -> tuple[int, int, int]:
    now = stats()
    return now.tapes, now.owners, now.islands


class Ring(BaseException):
    """What a signal's handler raises."""


def test_a_signal_at_any_moment_ends_a_training(faulty) -> None:
    """In Julia, in torch, or between: what the handler raises comes out, and parameters are those after a whole step."""
    _, objective, batch, well = faulty
    start = copy.deepcopy(objective.state_dict())

    def optimizer() -> torch.optim.Optimizer:
        objective.load_state_dict(start)
        return torch.optim.Adam(objective.parameters(), lr=0.01)

    def state(made: torch.optim.Optimizer) -> tuple[int, list[Tensor]]:
        kept = list(made.state.values())
        steps = {int(s["step"]) for s in kept}
        assert len(steps) <= 1
        slots = [s[name].clone() for s in kept for name in ("exp_avg", "exp_avg_sq")]
        return (steps or {0}).pop(), [*slots, *[p.detach().clone() for p in objective.parameters()]]

    reached = {0: state(optimizer())[1]}
    bridge.fit(
        objective, batch, epochs=50, batch_size=4, optimizer=optimizer(),
        callback=lambda step: reached.update([state(step.optimizer)]) and None,
    )  # fmt: skip

    def handler(*_: Any) -> None:
        raise Ring

    before = signal.signal(signal.SIGALRM, handler)
    delays, met = random.Random(0), 0
    try:
        for _ in range(60):
            made = optimizer()
            try:
                signal.setitimer(signal.ITIMER_REAL, delays.uniform(1e-4, 0.05))
                while True:
                    bridge.fit(objective, batch, epochs=50, batch_size=4, optimizer=made)
                    made = optimizer()
            except Ring:
                met += 1
            steps, found = state(made)
            assert all(map(torch.equal, found, reached[steps])), steps
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert met == 60
    objective.load_state_dict(start)
    well()

"""Freezing, detaching, modes and buffers: each rule of docs/semantics.md by a small diagram."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import bridge
from bridge import layers

X = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
BATCH = {"data": {"x": X}}


class Restless(nn.Module):
    """Changes its buffers in every mode: in place, by rebinding, and by making a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(4))
        self.modes: list[bool] = []
        self.taped: list[bool] = []
        self.recording: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.modes.append(self.training)
        self.recording.append(torch.is_grad_enabled())
        self.calls += 1
        self.last = x.detach().sum(0)
        self.register_buffer("fresh", x.detach())
        result = self.dropout(self.norm(self.map(x)))
        self.taped.append(result.requires_grad)
        return result


class Stubborn(nn.Sequential):
    """Keeps its batch norm in test mode, whatever it is told, and counts how often it is told."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.told = 0

    def train(self, mode: bool = True) -> Stubborn:
        self.told += 1
        super().train(mode)
        self[1].training = False
        return self


def chained(first: object, second: object, frozen_first: object = False, frozen_second: object = False):
    """second(first(x)) against x."""
    d = bridge.Builder("chained")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    f = d.arrow("first", x, x, first, frozen=frozen_first)
    g = d.arrow("second", x, x, second, frozen=frozen_second)
    d.agree(g(f(data.x)), data.x, by=bridge.mse())
    d.output("first", f(data.x))
    d.output("second", g(f(data.x)))
    return bridge.compile(d)


def snapshot(module: nn.Module) -> tuple:
    modes = [submodule.training for submodule in module.modules()]
    return modes, copy.deepcopy(module.state_dict()), [p.requires_grad for p in module.parameters()]


def unchanged(module: nn.Module, before: tuple) -> None:
    now = snapshot(module)
    assert (now[0], now[2]) == (before[0], before[2])
    assert list(now[1]) == list(before[1])
    assert all(torch.equal(now[1][name], before[1][name]) for name in before[1])


@pytest.mark.parametrize("frozen", [True, "train"])
@pytest.mark.parametrize("start", [True, False])
def test_gradients_flow_through_a_frozen_component(frozen, start):
    module = Restless().train(start)
    objective = chained(layers.linear(4, 4), module, frozen_second=frozen)
    identities = {name: id(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    before = snapshot(module)
    losses = objective(BATCH, seed=1)
    unchanged(module, before)
    losses.backward()
    unchanged(module, before)
    assert identities == {name: id(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    assert module.modes == [frozen == "train"]
    assert all(p.grad is None for p in module.parameters())

    first = objective.components["first"]
    twin, inner = copy.deepcopy(module).train(frozen == "train"), copy.deepcopy(first)
    torch.manual_seed(1)
    expected = F.mse_loss(twin(inner(X)), X)
    torch.testing.assert_close(losses.total, expected)
    expected.backward()
    for ours, theirs in zip(first.parameters(), inner.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_no_tape_where_nothing_trains_below():
    module, head = Restless(), nn.Linear(4, 4)
    objective = chained(module, head, frozen_first=True)
    before = snapshot(module)
    objective(BATCH).backward()
    unchanged(module, before)
    assert head.weight.grad is not None
    objective({"data": {"x": X.clone().requires_grad_()}})
    assert module.recording == module.taped == [False, True]


def test_gradients_to_the_batch_through_a_frozen_component():
    module, head = Restless().eval(), nn.Linear(4, 4)
    objective = chained(module, head, frozen_first=True)
    x = X.clone().requires_grad_()
    found = torch.autograd.grad(objective({"data": {"x": x}}).total, x)[0]
    expected = torch.autograd.grad(F.mse_loss(head(module(x)), x), x)[0]
    torch.testing.assert_close(found, expected)
    assert module.map.weight.requires_grad


def test_detach_cuts_and_keeps_the_mode():
    d = bridge.Builder("detached")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    module = Restless()
    f, g = d.arrow("f", x, x, module), d.arrow("g", x, x, layers.linear(4, 4))
    d.agree(g(bridge.detach(f(data.x))), data.x, by=bridge.mse())
    objective = bridge.compile(d)
    objective(BATCH).backward()
    assert module.modes == [True]
    assert int(module.calls) == 1
    assert all(p.grad is None for p in module.parameters())
    assert all(p.grad is not None for p in objective.components["g"].parameters())


def test_both_sides_get_gradients():
    d = bridge.Builder("sides")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, x, nn.Linear(4, 4)), d.arrow("g", x, x, nn.Linear(4, 4))
    d.agree(f(data.x), g(data.x), by=bridge.kl())
    objective = bridge.compile(d)
    objective(BATCH).backward()
    for name in ("f", "g"):
        assert objective.components[name].weight.grad.abs().sum() > 0


def test_buffers_follow_the_number_of_applications():
    d = bridge.Builder("norms")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x, y=x)
    norm = nn.BatchNorm1d(4)
    f, h = d.arrow("f", x, x, norm), d.arrow("h", x, x, layers.linear(4, 4))
    d.agree(f(data.x), f(data.y), by=bridge.mse(), name="a")
    d.agree(f(h(data.x)), f(data.x), by=bridge.mse(), name="b")
    objective = bridge.compile(d)
    y = torch.randn(16, 4)
    twin = copy.deepcopy(norm)
    objective({"data": {"x": X, "y": y}})
    assert int(norm.num_batches_tracked) == 3
    applied = {"x": X, "y": y, "h": objective.components["h"](X)}
    order = [i for i in objective.plan.instructions if i.arrow == "f"]
    made = {r: i for i in objective.plan.instructions for r in i.outputs}
    for instruction in order:
        below = made[instruction.inputs[0]]
        twin(applied[below.column or below.arrow])
    torch.testing.assert_close(norm.running_mean, twin.running_mean)
    torch.testing.assert_close(norm.running_var, twin.running_var)


def test_components_follow_the_mode_of_the_objective():
    module, teacher, noise = Restless(), Restless(), Restless()
    d = bridge.Builder("modes")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, module)
    g, h = d.arrow("g", x, x, teacher, frozen=True), d.arrow("h", x, x, noise, frozen="train")
    d.agree(f(data.x), g(data.x), by=bridge.mse(), name="a")
    d.agree(f(data.x), h(data.x), by=bridge.mse(), name="b")
    objective = bridge.compile(d)
    objective.eval()
    objective(BATCH)
    objective.train()
    assert (module.training, teacher.training, noise.training) == (True, False, True)
    objective(BATCH)
    module.eval()
    before = snapshot(module)[0]
    objective(BATCH)
    assert snapshot(module)[0] == before
    objective.evaluate(f(data.x), BATCH)
    assert module.modes == [False, True, True, False]
    objective.evaluate(h(data.x), BATCH)
    assert teacher.modes == [False] * 3
    assert noise.modes == [True] * 4


def test_submodules_in_test_mode_stay_there():
    module = Restless()
    objective = chained(module, layers.identity())
    objective.train()
    module.norm.eval()
    before = module.norm.running_mean.clone()
    objective(BATCH)
    assert module.modes == [True]
    assert torch.equal(module.norm.running_mean, before)
    assert not module.norm.training


def test_modules_that_override_train_are_told():
    module = Stubborn()
    objective = chained(layers.linear(4, 4), module, frozen_second=True)
    module.train()
    told = module.told
    objective(BATCH)
    assert module.training
    assert module.told == told + 2
    assert not module[1].training


def test_modes_come_back_after_an_error():
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(4, 4)
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count += 1
            raise ArithmeticError("broken")

    module = Failing()
    objective = chained(layers.linear(4, 4), module, frozen_second=True)
    before = snapshot(module)
    with pytest.raises(ArithmeticError, match="broken") as caught:
        objective(BATCH)
    unchanged(module, before)
    if hasattr(caught.value, "__notes__"):
        assert any("'second'" in note for note in caught.value.__notes__)
    objective.components["first"].zero_grad()


def test_one_module_as_a_frozen_and_a_following_component():
    """Without parameters it may be shared; each application has its own mode."""
    dropout = nn.Dropout(0.5)
    d = bridge.Builder("shared")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.linear(4, 4))
    references = [
        d.arrow(name, x, x, bridge.TorchReference(name), has_parameters=False, frozen=frozen)
        for name, frozen in (("drop", False), ("keep", True))
    ]
    drop, keep = references
    d.agree(drop(f(data.x)), keep(f(data.x)), by=bridge.mse(), name="a")
    d.agree(keep(f(data.x)), f(data.x), by=bridge.mse(), name="b")
    objective = bridge.compile(d, {"drop": dropout, "keep": dropout})
    losses = objective(BATCH)
    assert losses.agreements["b"].item() == 0
    assert losses.agreements["a"].item() > 0
    assert dropout.training

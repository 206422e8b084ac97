"""Changing the diagram of a running training, against the same training written by hand in torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from bridge import layers
from bridge.diagram.ir import Diagram

GENERATOR = torch.Generator().manual_seed(0)
BATCH = {"data": {"x": torch.randn(16, 3, generator=GENERATOR), "y": torch.randn(16, 2, generator=GENERATOR)}}
X, Y = BATCH["data"]["x"], BATCH["data"]["y"]


def task(head: str = "head", weight: float = 1.0) -> Diagram:
    """A backbone with a head."""
    d = bridge.Builder("task")
    x, h, y = d.space("x", width=3), d.space("h", width=4), d.space("y", width=2)
    data = d.source("data", x=x, y=y)
    backbone = d.arrow("backbone", x, h, layers.chain(layers.linear(3, 4), layers.tanh()))
    last = d.arrow(head, h, y, layers.linear(4, 2))
    d.agree(last(backbone(data.x)), data.y, by=bridge.mse(), weight=weight)
    return d.build()


class ByHand:
    """The same parameters, stepped by an optimizer of their own."""

    def __init__(self, objective: bridge.Objective, **options: float) -> None:
        self.parameters = {name: nn.Parameter(value.detach().clone()) for name, value in values(objective).items()}
        self.optimizer = torch.optim.Adam(self.parameters.values(), **options)

    def loss(self, head: str) -> Tensor:
        p = self.parameters
        hidden = torch.tanh(F.linear(X, p["backbone.0.weight"], p["backbone.0.bias"]))
        return F.mse_loss(F.linear(hidden, p[f"{head}.0.weight"], p[f"{head}.0.bias"]), Y)

    def step(self, loss: Tensor, frozen: str | None = None) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        for name, parameter in self.parameters.items():
            if frozen is not None and name.startswith(frozen):
                parameter.grad = None
        self.optimizer.step()


def values(objective: bridge.Objective) -> dict[str, nn.Parameter]:
    return {name.removeprefix("components."): value for name, value in objective.named_parameters()}


def steps(objective: bridge.Objective, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        objective(BATCH).backward()
        optimizer.step()


def same(objective: bridge.Objective, hand: ByHand) -> None:
    for name, value in values(objective).items():
        torch.testing.assert_close(value, hand.parameters[name], rtol=1e-6, atol=1e-7)


def start(**options: float) -> tuple[bridge.Objective, torch.optim.Optimizer, ByHand]:
    objective = bridge.compile(task())
    return objective, torch.optim.Adam(objective.trainable_parameters(), **options), ByHand(objective, **options)


def test_freezing_keeps_the_state_unchanged_and_without_weight_decay() -> None:
    objective, optimizer, hand = start(lr=0.05, weight_decay=0.1)
    for frozen in (None, "backbone", None):
        names = ["backbone"] if frozen else []
        bridge.change(objective, task().freeze(*names) if names else task(), optimizer)
        steps(objective, optimizer, 5)
        for _ in range(5):
            hand.step(hand.loss("head"), frozen)
        same(objective, hand)
    assert len(optimizer.param_groups[0]["params"]) == 4


def test_a_new_task_is_glued_in_and_the_old_one_dropped() -> None:
    objective, optimizer, hand = start(lr=0.05)
    steps(objective, optimizer, 5)
    for _ in range(5):
        hand.step(hand.loss("head"))
    both = objective.diagram.glue(task("other", weight=2.0), {"arrows": "backbone", "sources": "data", "spaces": "y"})
    bridge.change(objective, both, optimizer)
    for name in ("other.0.weight", "other.0.bias"):
        hand.parameters[name] = nn.Parameter(values(objective)[name].detach().clone())
    hand.optimizer.param_groups[0]["params"] += [hand.parameters[name] for name in ("other.0.weight", "other.0.bias")]
    steps(objective, optimizer, 5)
    for _ in range(5):
        hand.step(hand.loss("head") + 2 * hand.loss("other"))
    same(objective, hand)
    gone = values(objective)["head.0.weight"]
    bridge.change(objective, both.restrict(agreements="other~data.y"), optimizer)
    assert gone not in optimizer.state and sorted(objective.components) == ["backbone", "other"]
    steps(objective, optimizer, 5)
    for _ in range(5):
        hand.step(2 * hand.loss("other"))
    same(objective, hand)


def test_swapping_a_component_starts_it_anew() -> None:
    objective, optimizer, _ = start(lr=0.05)
    steps(objective, optimizer, 3)
    before = {name: value.detach().clone() for name, value in values(objective).items()}
    other = layers.chain(layers.linear(4, 4), layers.linear(4, 2))
    bridge.change(objective, objective.diagram.substitute("head", other), optimizer)
    backbone = values(objective)["backbone.0.weight"]
    assert torch.equal(backbone, before["backbone.0.weight"])
    assert optimizer.state[backbone]["step"] == 3
    assert len(optimizer.state) == 2 and len(optimizer.param_groups[0]["params"]) == 6
    module = nn.Linear(4, 2)
    torch_head = objective.diagram.substitute("head", bridge.TorchReference("head"))
    bridge.change(objective, torch_head, optimizer, modules={"head": module})
    assert objective.components["head"] is module
    steps(objective, optimizer, 1)
    assert optimizer.state[module.weight]["step"] == 1 and optimizer.state[backbone]["step"] == 4


def test_renaming_and_untying_keep_state_by_origin() -> None:
    d = bridge.Builder("shared")
    x = d.space("x", width=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    g = d.arrow("g", x, x, f.component)
    d.agree(g(f(data.x)), data.x, by=bridge.mse())
    objective = bridge.compile(d)
    optimizer = torch.optim.Adam(objective.trainable_parameters(), lr=0.05)
    steps(objective, optimizer, 3)
    bridge.change(objective, objective.diagram.untie("g"), optimizer, origins={"g": "f"})
    shared, own = (values(objective)[f"{name}.0.weight"] for name in "fg")
    assert shared is not own and torch.equal(shared, own)
    for slot, value in optimizer.state[shared].items():
        assert torch.equal(value, optimizer.state[own][slot]) and value is not optimizer.state[own][slot]
    steps(objective, optimizer, 1)
    assert not torch.equal(shared, own)
    renamed = objective.diagram.rename(components={"f": "first"})
    bridge.change(objective, renamed, optimizer, origins={"first": "f"})
    assert values(objective)["first.0.weight"] is shared and optimizer.state[shared]["step"] == 4


def test_between_the_steps_of_a_fit() -> None:
    objective = bridge.compile(task())

    def callback(step: bridge.train.Step) -> None:
        if step.number == 3:
            bridge.change(step.objective, step.objective.diagram.freeze("head"), step.optimizer)
        if step.number == 4:
            head = values(step.objective)["head.0.weight"]
            kept.append((head.detach().clone(), step.optimizer.state[head]["exp_avg"].clone()))

    kept: list[tuple[Tensor, Tensor]] = []
    history = bridge.fit(objective, BATCH, epochs=10, batch_size=16, callback=callback, progress=False)
    head = values(objective)["head.0.weight"]
    assert torch.equal(head, kept[0][0]) and torch.equal(history.optimizer.state[head]["exp_avg"], kept[0][1])
    assert len(history) == 10 and history.total[-1] < history.total[4]


def test_what_is_refused_changes_nothing() -> None:
    objective, optimizer, _ = start(lr=0.05)
    diagram, parameters = objective.diagram, values(objective)
    with pytest.raises(bridge.BindingError, match="origin of component 'head'"):
        bridge.change(objective, diagram, optimizer, origins={"head": "nobody"})
    with pytest.raises(bridge.BindingError, match="a component of its body"):
        bridge.change(objective, diagram, optimizer, origins={"head": "backbone"})
    with pytest.raises(bridge.DiagramError, match="the name of a component"):
        bridge.change(objective, diagram, optimizer, origins={"nobody": "head"})
    with pytest.raises(bridge.BindingError, match="module 'extra'"):
        bridge.change(objective, diagram, optimizer, modules={"extra": nn.Linear(2, 2)})
    assert objective.diagram is diagram and values(objective).keys() == parameters.keys()
    assert all(value is parameters[name] for name, value in values(objective).items())

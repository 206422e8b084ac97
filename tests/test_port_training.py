"""The five architectures, and three more with tied and bare weights and constants, in PyTorch and in both languages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridge
from bridge import port
from bridge.diagram.builder import Builder
from bridge.julia.session import Session, session
from bridge.layers.graph import input_kinds
from bridge.train import order
from tests.port_models import Captioner, Eighteen, Mixer, Reader, Tongue, UShape, Vision, encoder

SAMPLES, BATCH, STEPS = 12, 6, 20


@dataclass(frozen=True)
class Task:
    """A network, its inputs and targets, and the loss of a batch as plain PyTorch has it."""

    network: nn.Module
    inputs: list[Tensor]
    target: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]


def classes(count: int, *shape: int) -> Tensor:
    return torch.randint(count, (SAMPLES, *shape))


def sequence_loss(words: Tensor, wanted: Tensor) -> Tensor:
    return F.cross_entropy(words.flatten(0, 1), wanted.flatten())


def images(channels: int, size: int) -> Tensor:
    return torch.randn(SAMPLES, channels, size, size)


TASKS: dict[str, Callable[[], Task]] = {
    "resnet": lambda: Task(Eighteen(), [images(3, 40)], classes(5), F.cross_entropy),
    "captioner": lambda: Task(Captioner(), [images(1, 8), classes(11, 5)], classes(11, 5), sequence_loss),
    "pre-norm": lambda: Task(encoder("pre"), [classes(9, 5)], classes(4), F.cross_entropy),
    "post-norm": lambda: Task(encoder("post"), [classes(9, 5)], classes(4), F.cross_entropy),
    "packed": lambda: Task(encoder("packed"), [classes(9, 5)], classes(4), F.cross_entropy),
    "u-net": lambda: Task(UShape(), [images(1, 8)], torch.randn(SAMPLES, 2, 8, 8), F.mse_loss),
    "mixer": lambda: Task(Mixer(), [images(1, 8)], classes(5), F.cross_entropy),
    "vision": lambda: Task(Vision(), [images(1, 8)], classes(5), F.cross_entropy),
    "reader": lambda: Task(Reader(), [classes(9, 5)], classes(4), F.cross_entropy),
    "tied": lambda: Task(Tongue(), [classes(7, 5)], classes(7, 5), sequence_loss),
}


def task(name: str, dtype: torch.dtype = torch.float64) -> Task:
    torch.manual_seed(3)
    made = TASKS[name]()
    inputs, target = [[x.to(dtype) if x.is_floating_point() else x for x in xs] for xs in (made.inputs, [made.target])]
    return Task(made.network.to(dtype), inputs, target[0], made.loss)


def by_hand(given: Task) -> list[float]:
    """The losses of a loop in plain PyTorch, which changes the network."""
    network = copy.deepcopy(given.network).train()
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=0.003), []
    for epoch in range(STEPS * BATCH // SAMPLES):
        for places in torch.from_numpy(order(0, epoch, "data", SAMPLES)).split(BATCH):
            loss = given.loss(network(*(x[places] for x in given.inputs)), given.target[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def diagram(given: Task) -> tuple[Builder, port.Ported, dict[str, dict[str, Tensor]]]:
    """The same training as a diagram, with the network ported."""
    ported = port.from_torch(given.network, *given.inputs)
    kind, d, columns = ported.data_type.value, Builder("training"), {}
    spaces = {}
    for place, (shape, x) in enumerate(zip(ported.inputs, given.inputs, strict=True)):
        axes = [(f"axis{k}", size) for k, size in enumerate(shape)]
        indices = input_kinds(ported.graph)[place][0].classes
        name = f"x{place}"
        spaces[name] = d.index(name, classes=indices, axes=axes) if indices else d.space(name, kind, axes=axes)
        columns[name] = x
    (shape,) = ported.outputs
    axes = [(f"out{k}", size) for k, size in enumerate(shape)]
    made = d.space("made", kind, axes=axes)
    if given.target.is_floating_point():
        spaces["target"], by = made, bridge.mse()
    else:
        by = bridge.cross_entropy(axis=axes[-1][0])
        spaces["target"] = d.index("target", classes=shape[-1], axes=axes[:-1])
    data = d.source("data", spaces)
    network = d.arrow("network", [spaces[name] for name in columns], made, ported.graph)
    d.agree(network(*(data[name] for name in columns)), data["target"], by=by)
    return d, ported, {"data": {**columns, "target": given.target}}


def by_bridge(given: Task, julia: Session | None = None) -> list[float]:
    """The losses of the diagram, whose network runs in Julia where one is given."""
    d, ported, data = diagram(given)
    objective = bridge.compile(d, placement={"network": "torch" if julia is None else "julia"}, julia=julia)
    objective.components["network"].load_state_dict(dict(ported.weights))
    epochs = STEPS * BATCH // SAMPLES
    return bridge.fit(objective, data, epochs=epochs, batch_size=BATCH, optimizer="adam", lr=0.003).total


@pytest.fixture(scope="module", params=["native", "flux"])
def julia(request: pytest.FixtureRequest) -> Iterator[Session]:
    """With each engine for portable layers that Julia has."""
    started = session()
    if request.param == "flux" and "Flux" not in started.packages:
        pytest.skip(f"Julia {started.version} has no Flux in its active project")
    started.use_engine(request.param)
    yield started
    started.use_engine("auto")


@pytest.mark.parametrize("name", TASKS)
def test_twenty_steps_in_both_languages(name: str, julia: Session) -> None:
    given = task(name)
    losses = by_hand(given)
    assert len(losses) == STEPS and losses[-1] < losses[0]
    assert by_bridge(given) == pytest.approx(losses, rel=1e-6)
    assert by_bridge(given, julia) == pytest.approx(losses, rel=1e-6)

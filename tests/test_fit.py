"""The training loop, the order of samples and optimisers by name."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import bridge
from bridge import layers
from bridge.errors import BatchError, BindingError, DiagramError
from bridge.train import order
from bridge.train.data import Feed
from bridge.train.order import words

MASK = 2**64 - 1


def philox(counter: list[int], key: list[int]) -> list[int]:
    """One block of Philox4x64-10, from the algorithm of Salmon et al. (SC 2011), figure 2 and table 2."""
    multipliers, weyl = (0xD2E7470EE14C6C93, 0xCA5A826395121157), (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
    x, k = list(counter), list(key)
    for _ in range(10):
        one, two = multipliers[0] * x[0], multipliers[1] * x[2]
        x = [(two >> 64) ^ x[1] ^ k[0], two & MASK, (one >> 64) ^ x[3] ^ k[1], one & MASK]
        k = [(k[0] + weyl[0]) & MASK, (k[1] + weyl[1]) & MASK]
    return x


def test_philox_itself():
    # The known answers that come with Random123, kat_vectors, philox4x64 10.
    zeros = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox([0] * 4, [0] * 2) == zeros


@pytest.mark.parametrize(("seed", "epoch", "source"), [(0, 0, "digits"), (2**64 - 1, 3, "größe"), (7, 2**40, "x")])
def test_words(seed, epoch, source):
    name = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "little")
    blocks = [philox([1 + block, epoch, 0, 0], [seed, name]) for block in range(3)]
    assert words(seed, epoch, source, 10).tolist() == [word for block in blocks for word in block][:10]


def test_order_is_a_permutation_of_its_own():
    first = order(1, 0, "a", 100)
    assert sorted(first.tolist()) == list(range(100))
    drawn = words(1, 0, "a", 100)
    assert all(drawn[one] <= drawn[two] for one, two in pairwise(first))
    assert first.tolist() == order(1, 0, "a", 100).tolist()
    for other in (order(2, 0, "a", 100), order(1, 1, "a", 100), order(1, 0, "b", 100)):
        assert first.tolist() != other.tolist()
    assert order(0, 0, "a", 0).tolist() == []


def two_sources() -> bridge.Builder:
    d = bridge.Builder("two")
    x, y = d.space("x", "float32", k=3), d.space("y", "float32", k=2)
    big, small = d.source("big", x=x, y=y), d.source("small", x=x, y=y)
    f = d.arrow("f", x, y, layers.chain(layers.linear(3, 8), layers.tanh(), layers.linear(8, 2)))
    d.agree(f(big.x), big.y, by=bridge.mse(), name="big")
    d.agree(f(small.x), small.y, by=bridge.mse(), weight=0.5, name="small")
    return d


def two_sets() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return {
        source: {"x": torch.randn(n, 3, generator=generator), "y": torch.randn(n, 2, generator=generator)}
        for source, n in (("big", 11), ("small", 5))
    }


def test_feed():
    data = {"big": {"x": torch.arange(11)}, "small": {"x": np.arange(5)}, "none": {"x": torch.zeros(0, 2)}}
    feed = Feed(data, {"big": 4, "small": 3, "none": 2}, seed=3)
    assert feed.steps == 3
    steps = [feed.batch(step) for step in range(6)]
    assert [len(step["big"]["x"]) for step in steps] == [4, 4, 3, 4, 4, 3]
    assert [len(step["small"]["x"]) for step in steps] == [3, 2, 3, 2, 3, 2]
    assert all(step["none"]["x"].shape == (0, 2) for step in steps)
    for epoch in range(2):
        seen = torch.cat([step["big"]["x"] for step in steps[3 * epoch : 3 * epoch + 3]])
        assert seen.tolist() == order(3, epoch, "big", 11).tolist()
    for epoch in range(3):
        seen = torch.cat([step["small"]["x"] for step in steps[2 * epoch : 2 * epoch + 2]])
        assert seen.tolist() == order(3, epoch, "small", 5).tolist()
    assert torch.equal(Feed(data, 4, seed=3).batch(5)["big"]["x"], steps[5]["big"]["x"])


def test_fit_is_the_loop_by_hand():
    data = two_sets()
    objective = bridge.compile(two_sources())
    twin = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    twin.load_state_dict(objective.components["f"].state_dict())
    history = bridge.fit(
        objective, data, epochs=3, batch_size=4, optimizer="sgd", lr=0.1, momentum=0.9, seed=5, progress=False
    )

    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    totals = []
    for step in range(9):
        losses = []
        for source, batches in (("big", 3), ("small", 2)):
            epoch, place = divmod(step, batches)
            chosen = torch.from_numpy(order(5, epoch, source, len(data[source]["x"]))[4 * place : 4 * place + 4])
            losses.append(F.mse_loss(twin(data[source]["x"][chosen]), data[source]["y"][chosen]))
        total = losses[0] + 0.5 * losses[1]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())

    assert history.total == pytest.approx(totals, rel=1e-5)
    assert history.epochs == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(history) == 9
    assert set(history.agreements) == {"big", "small"}
    weighted = [one + 0.5 * two for one, two in zip(*history.agreements.values(), strict=True)]
    assert weighted == pytest.approx(totals, rel=1e-5)
    torch.testing.assert_close(objective.components["f"].state_dict(), twin.state_dict())


@pytest.mark.parametrize("kind", ["name", "optimizer", "function"])
def test_optimizers(kind):
    objective = bridge.compile(two_sources())
    options = {"lr": 0.01} if kind == "name" else {}
    chosen = {
        "name": "adam",
        "optimizer": torch.optim.Adam(objective.trainable_parameters(), lr=0.01),
        "function": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    }[kind]
    history = bridge.fit(objective, two_sets(), epochs=60, optimizer=chosen, progress=False, **options)
    assert np.mean(history.total[-5:]) < 0.9 * history.total[0]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_optimizers_by_name_are_torchs(name):
    objective = bridge.compile(two_sources())
    seen = []
    bridge.fit(objective, two_sets(), epochs=1, optimizer=name, lr=0.02, callback=seen.append, progress=False)
    assert type(seen[0].optimizer).__name__.lower() == name
    assert seen[0].optimizer.defaults["lr"] == 0.02


def test_callback():
    objective = bridge.compile(two_sources())
    seen = []

    def stop(step: bridge.train.Step) -> bool:
        seen.append((step.number, step.epoch, step.losses.total.item()))
        return step.number == 4

    history = bridge.fit(objective, two_sets(), epochs=9, batch_size=4, callback=stop, progress=False)
    assert [number for number, _, _ in seen] == [0, 1, 2, 3, 4]
    assert [epoch for _, epoch, _ in seen] == [0, 0, 0, 1, 1]
    assert [total for _, _, total in seen] == history.total


def test_modes_come_back():
    d = bridge.Builder("modes")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    module, teacher = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    f, g = d.arrow("f", x, x, module), d.arrow("g", x, x, teacher, frozen=True)
    d.agree(f(data.x), g(data.x), by=bridge.mse())
    objective = bridge.compile(d)
    objective.eval()
    module[1].train()
    teacher.train()
    modes = []
    bridge.fit(
        objective,
        {"data": {"x": torch.randn(4, 3)}},
        epochs=1,
        callback=lambda step: modes.append((module.training, teacher.training)),
        progress=False,
    )
    assert modes == [(True, False)]
    assert (objective.training, module.training, module[1].training, teacher.training) == (False, False, True, True)


def test_frozen_components_stay():
    d = bridge.Builder("frozen")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, x, layers.linear(3, 3)), d.arrow("g", x, x, layers.linear(3, 3), frozen=True)
    d.agree(g(f(data.x)), data.x, by=bridge.mse())
    objective = bridge.compile(d)
    before = [p.clone() for p in objective.components["g"].parameters()]
    bridge.fit(objective, {"data": {"x": torch.randn(8, 3)}}, epochs=3, optimizer="adamw", weight_decay=0.5)
    assert all(torch.equal(p, q) for p, q in zip(objective.components["g"].parameters(), before, strict=True))


def test_progress_bar(capsys):
    bridge.fit(bridge.compile(two_sources()), two_sets(), epochs=2, progress=True)
    shown = capsys.readouterr()
    assert "epoch 2" in shown.err and "loss" in shown.err and not shown.out
    bridge.fit(bridge.compile(two_sources()), two_sets(), epochs=2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ({"big": {}}, {}, BatchError, "source 'big'"),
        ({"big": {"x": torch.zeros(3), "y": torch.zeros(4)}}, {}, BatchError, "column 'big.y': expected 3 samples"),
        ({"big": {"x": torch.zeros(())}}, {}, BatchError, "column 'big.x'.*scalar"),
        ({"big": {"x": [1.0]}}, {}, BatchError, "column 'big.x'.*list"),
        ({"big": {"x": torch.zeros(0)}}, {}, BatchError, "a source with samples"),
        ({}, {}, BatchError, "a source with samples"),
        ({"big": {"x": torch.zeros(3)}}, {"batch_size": 0}, BatchError, "the batch size of source 'big'"),
        ({"big": {"x": torch.zeros(3)}}, {"batch_size": {"small": 2}}, BatchError, "the batch size of source 'big'"),
        (None, {"optimizer": "lion"}, BindingError, "'adam'.*'lion'"),
        (None, {"optimizer": lambda parameters: None}, BindingError, "NoneType"),
        (None, {"optimizer": torch.optim.SGD, "lr": 0.1}, BindingError, "options"),
    ],
)
def test_refusals(data, options, error, message):
    objective = bridge.compile(two_sources())
    with pytest.raises(error, match=message):
        bridge.fit(objective, two_sets() if data is None else data, epochs=1, progress=False, **options)


def untrained(name: str) -> bridge.Diagram:
    """A diagram with an output and no agreement."""
    d = bridge.Builder(name)
    x = d.space("x", "float32", k=1)
    data = d.source("data", x=x)
    d.output("y", d.arrow("f", x, x, layers.linear(1, 1))(data.x))
    return d.build()


def test_nothing_to_train_on():
    with pytest.raises(DiagramError) as refused:
        bridge.fit(bridge.compile(untrained("it's")), {"data": {"x": torch.zeros(3, 1)}}, epochs=1, progress=False)
    assert str(refused.value) == 'diagram "it\'s": expected an agreement to train on, found none'
    objective = bridge.compile(two_sources())

    def drop(step):
        bridge.change(objective, untrained("later"), step.optimizer)

    with pytest.raises(DiagramError, match="diagram 'later': expected an agreement to train on, found none"):
        bridge.fit(objective, two_sets(), epochs=2, progress=False, callback=drop)
    assert objective.diagram.name == "later"

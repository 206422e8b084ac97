"""Objectives compiled by Julia alone, and mixed ones with either driver, against PyTorch alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from crossings import julia
from driven import Gradients, assert_close, assert_same, in_torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from trainable_diagrams import Trainable, trainable_diagrams

import bridge
from bridge import layers
from bridge.julia.session import Session
from bridge.julia.start import julia_literal
from bridge.torch import Objective
from bridge.train.tensor_file import read_tensors, write_tensors


@pytest.fixture(scope="module", params=["native", "flux"])
def session(request: Any) -> Iterator[Session]:
    """With each engine for portable layers that Julia has."""
    started = julia()
    if request.param == "flux" and "Flux" not in started.packages:
        pytest.skip(f"Julia {started.version} has no Flux in its active project")
    started.include(Path(__file__).with_name("objective.jl"))
    started.use_engine(request.param)
    yield started
    started.use_engine("auto")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objectives")


def in_julia(
    session: Session, folder: Path, objective: Objective, batch: dict[str, dict[str, torch.Tensor]], train: bool
) -> tuple[dict[str, torch.Tensor], Gradients]:
    """The same of Julia alone, with the parameters of an objective of torch's."""
    paths = [folder / name for name in ("diagram.pb", "checkpoint.safetensors", "batch.safetensors", "answer.safetensors")]
    bridge.save(objective.diagram, paths[0])
    bridge.save_checkpoint(paths[1], objective)
    write_tensors(paths[2], {f"{source}/{name}": x for source, columns in batch.items() for name, x in columns.items()}, {})
    arguments = ", ".join(julia_literal(str(path)) for path in paths)
    session.eval(f"Objectives.differentiate({arguments}, {str(train).lower()})")
    found, _ = read_tensors(paths[3])
    losses = {name.removeprefix("loss/"): x[0] for name, x in found.items() if name.startswith("loss/")}
    gradients = {tuple(name.split("/")[1:]): x for name, x in found.items() if name.startswith("gradient/")}
    return {"": found["total"][0], **losses}, gradients  # type: ignore[return-value]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trainable_diagrams(portable=True), st.data(), st.booleans())
def test_gradients_agree_whoever_drives(session, folder, case: Trainable, data, train) -> None:
    """Torch alone, mixed driven by Python and by Julia, Julia alone."""
    torch.manual_seed(0)
    alone = bridge.compile(case.diagram)
    placement = {c.name: data.draw(st.sampled_from(["torch", "julia"])) for c in case.diagram.components}
    mixed = bridge.compile(case.diagram, placement=placement, julia=session)
    driven = bridge.compile(case.diagram, placement=placement, julia=session, driver="julia")
    for other in (mixed, driven):
        other.load_state_dict(alone.state_dict())
        other.train(train)
    expected = in_torch(alone.train(train), case.batch)
    assert_close(*in_torch(mixed, case.batch), expected)
    assert_same(driven, case.batch, expected)
    assert_close(*in_julia(session, folder, alone, case.batch, train), expected)


def tied(case: Trainable) -> Trainable:
    """The case with a first parameter that all modules that could have the same one share."""
    owners: dict[Any, nn.Parameter] = {}
    frozen = {c.name: c.training.is_frozen for c in case.diagram.components}
    for name, module in case.modules.items():
        if isinstance(parameter := getattr(module, "map0", None), nn.Parameter):
            module.map0 = owners.setdefault((parameter.shape, frozen[name]), parameter)
    return case


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trainable_diagrams(portable=None), st.data(), st.booleans(), st.booleans())
def test_gradients_of_torch_modules_that_julia_calls(session, case: Trainable, data, train, ties) -> None:
    """Modules, and portable components on either side: shared, frozen, detached, masked, tied, in both modes."""
    case = tied(case) if ties else case
    modules = copy.deepcopy(case.modules)
    alone = bridge.compile(case.diagram, case.modules)
    portable = [c.name for c in case.diagram.components if c.name not in modules]
    placement = {name: data.draw(st.sampled_from(["torch", "julia"])) for name in portable}
    driven = bridge.compile(case.diagram, modules, placement=placement, driver="julia", julia=session)
    driven.load_state_dict(alone.state_dict())
    expected = in_torch(alone.train(train), case.batch)
    assert_same(driven.train(train), case.batch, expected)
    for (name, buffer), other in zip(alone.named_buffers(), driven.buffers(), strict=True):
        assert torch.equal(buffer, other), name  # a Mixer counts its calls in train mode


def regression() -> bridge.Diagram:
    d = bridge.Builder("regression")
    x, y = d.space("x", "float64", k=6), d.space("y", "float64", k=2)
    data = d.source("data", x=x, y=y)
    body = d.component("body", layers.chain(layers.linear(6, 8), layers.layer_norm(8), layers.tanh()))
    hidden = d.space("hidden", "float64", k=8)
    first = d.arrow("first", x, hidden, body)
    head = d.arrow("head", hidden, y, layers.linear(8, 2))
    d.agree(head(first(data.x)), data.y, by=bridge.huber(), weight=2.0)
    return d.build()


@pytest.mark.parametrize(
    ("optimizer", "options"), [("adam", {"lr": 0.01}), ("sgd", {"lr": 0.05, "momentum": 0.9}), ("rmsprop", {"lr": 0.003})]
)
def test_a_training_goes_on_in_the_other_language(session, tmp_path: Path, optimizer, options) -> None:
    """50 steps in Python, 50 in Julia, 50 in Python end where 150 in Python end."""
    diagram = regression()
    generator = torch.Generator().manual_seed(1)
    draw = lambda *sizes: torch.randn(*sizes, generator=generator, dtype=torch.float64)  # noqa: E731
    data = {"data": {"x": draw(80, 6), "y": draw(80, 2)}}
    torch.manual_seed(3)
    whole = bridge.compile(diagram)
    start = {name: value.clone() for name, value in whole.state_dict().items()}
    history = bridge.fit(whole, data, epochs=30, batch_size=16, optimizer=optimizer, seed=5, **options)
    assert len(history) == 150 and history.total[-1] < history.total[0]

    paths = {name: str(tmp_path / name) for name in ("d.pb", "first", "second", "third", "data")}
    bridge.save(diagram, paths["d.pb"])
    write_tensors(paths["data"], {f"data/{name}": x for name, x in data["data"].items()}, {})
    parts = bridge.compile(diagram)
    parts.load_state_dict(start)
    first = bridge.fit(parts, data, epochs=10, batch_size=16, optimizer=optimizer, seed=5, **options)
    bridge.save_checkpoint(paths["first"], parts, first.optimizer, first.cursor)
    between = [julia_literal(paths[name]) for name in ("d.pb", "first", "data", "second")]
    session.eval(f"Objectives.go_on({between[0]}, {between[1]}, {between[2]}, 20, 16, {between[3]})")
    last = bridge.compile(diagram)
    reached = bridge.load_checkpoint(paths["second"], last)
    assert (reached.cursor.epoch, reached.cursor.position) == (20, 0)
    final = bridge.fit(last, data, epochs=30, batch_size=16, start=reached)
    assert len(final) == 50
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(last.state_dict()[name], value, rtol=1e-9, atol=1e-9)

"""Objectives compiled by Julia alone, and mixed ones with either driver, against PyTorch alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
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
from bridge.diagram.canonical import canonical
from bridge.julia.session import Session
from bridge.julia.start import julia_literal
from bridge.torch import Objective
from bridge.train import OPTIMIZERS, Cursor
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
    body = d.component("body", layers.chain(layers.linear(6, 8), layers.batch_norm(8), layers.layer_norm(8), layers.tanh()))
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


def task(name: str, source: str) -> bridge.Diagram:
    """A backbone that two arrows share, with a head that begins with zeros, in both languages."""
    d = bridge.Builder("task")
    x, h, y = d.space("x", "float64", k=3), d.space("h", "float64", k=4), d.space("y", "float64", k=2)
    data = d.source(source, x=x, y=y)
    backbone = d.arrow("backbone", x, h, layers.chain(layers.linear(3, 4), layers.tanh()))
    again = d.arrow("again", x, h, backbone.component)
    head = d.arrow(name, h, y, layers.linear(4, 2, init="zeros"))
    d.agree(head(backbone(data.x)), data.y, by=bridge.mse(), name=f"{name} fits")
    d.agree(head(again(data.x)), data.y, by=bridge.huber(), name=f"{name} fits again")
    return d.build()


def changed(d: bridge.Diagram, random: Random, number: int) -> tuple[bridge.Diagram, dict[str, str]]:
    """The diagram after some operation, and the origins of components."""
    component, arrow = random.choice(d.components).name, random.choice(d.arrows)
    match random.choice(["freeze", "unfreeze", "swap", "agree", "glue", "drop", "rename", "untie"]):
        case "freeze":
            return d.freeze(component), {}
        case "unfreeze":
            return d.unfreeze(*(c.name for c in d.components)), {}
        case "swap" if arrow.targets == ("y",):
            small, more = layers.linear(4, 2, init="zeros"), [layers.tanh()] * random.randint(0, 1)
            return d.substitute(arrow.component, layers.chain(small, *more)), {}
        case "agree":
            first = random.choice(d.agreements)
            extra = replace(first, name=f"{first.name} {number}", divergence=bridge.mse(), weight=0.5)
            return canonical(replace(d, agreements=(*d.agreements, extra))), {}
        case "glue" if all(source.name == "data" for source in d.sources):
            shared = {"arrows": [a.name for a in d.arrows if a.name in ("backbone", "again")], "spaces": ["x", "h", "y"]}
            return d.glue(task("other", "more"), shared, prefix="new_"), {}
        case "drop" if len(d.agreements) > 1:
            kept = random.sample([agreement.name for agreement in d.agreements], len(d.agreements) - 1)
            return d.restrict(agreements=kept), {}
        case "rename":
            return d.rename(components={component: f"{component}_"}), {f"{component}_": component}
        case "untie" if sum(other.component == arrow.component for other in d.arrows) > 1:
            return d.untie(arrow.name, f"own{number}"), {f"own{number}": arrow.component}
    return d, {}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([("adam", {"weight_decay": 0.1}), ("sgd", {"momentum": 0.9})]))
def test_changes_during_a_training(session, folder: Path, seed: int, rule: tuple[str, dict[str, float]]) -> None:
    """Both languages make the same of operations between the steps of a training: losses, parameters and their state."""
    random, generator = Random(seed), torch.Generator().manual_seed(seed)
    draw = lambda *sizes: torch.randn(*sizes, generator=generator, dtype=torch.float64)  # noqa: E731
    data = {source: {"x": draw(16, 3), "y": draw(16, 2)} for source in ("data", "more")}
    objective = bridge.compile(task("head", "data"))
    optimizer = OPTIMIZERS[rule[0]](objective.trainable_parameters(), lr=0.01, **rule[1])
    paths = {name: str(folder / name) for name in ("checkpoint", "ours", "theirs", "data", "story")}
    bridge.save_checkpoint(paths["checkpoint"], objective, optimizer, Cursor(seed=seed % 100))
    write_tensors(paths["data"], {f"{s}/{name}": x for s, columns in data.items() for name, x in columns.items()}, {})
    bridge.save(objective.diagram, folder / "0.pb")
    story: dict[str, Any] = {"diagram": str(folder / "0.pb"), "checkpoint": paths["checkpoint"], "epochs": 12, "changes": []}

    def callback(step: bridge.train.Step) -> None:
        if step.number % 3 < 2:
            return
        with suppress(bridge.DiagramError):  # nothing is left to train
            diagram, origins = changed(objective.diagram, random, step.number)
            bridge.change(objective, diagram, optimizer, origins=origins)
            bridge.save(diagram, folder / f"{step.number}.pb")
            change = {"after": step.number, "diagram": str(folder / f"{step.number}.pb"), "origins": origins}
            story["changes"].append(change)

    start = Cursor(seed=seed % 100)
    history = bridge.fit(objective, data, epochs=12, batch_size=8, optimizer=optimizer, start=start, callback=callback)
    bridge.save_checkpoint(paths["ours"], objective, optimizer, history.cursor)
    Path(paths["story"]).write_text(json.dumps(story))
    arguments = ", ".join(julia_literal(paths[name]) for name in ("story", "data", "theirs"))
    totals = session.runtime.eval_string(f"Objectives.change_while_training({arguments})").split()
    assert [float(total) for total in totals] == pytest.approx(history.total, rel=1e-9)
    (ours, _), (theirs, _) = read_tensors(paths["ours"]), read_tensors(paths["theirs"])
    torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-10)
    driven = driven_by_julia(session, story, data, paths["theirs"], random.choice(["torch", "julia"]))
    assert driven == pytest.approx(history.total, rel=1e-9)
    torch.testing.assert_close(read_tensors(paths["theirs"])[0], ours, rtol=1e-9, atol=1e-10)


def driven_by_julia(session: Session, story: dict[str, Any], data: Any, path: str, place: str) -> list[float]:
    """The totals of the same training of an objective that Julia drives for Python; its end goes to a checkpoint."""
    driven = bridge.compile(bridge.load(story["diagram"]), driver="julia", julia=session, placement={"head": place})
    start = bridge.load_checkpoint(story["checkpoint"], driven)
    changes = {change["after"]: change for change in story["changes"]}

    def callback(step: bridge.train.Step) -> None:
        if change := changes.get(step.number):
            bridge.change(driven, bridge.load(change["diagram"]), step.optimizer, origins=change["origins"])

    history = bridge.fit(driven, data, epochs=story["epochs"], batch_size=8, start=start, callback=callback)
    bridge.save_checkpoint(path, driven, history.optimizer, history.cursor)
    return history.total


@pytest.mark.parametrize(
    ("origins", "element", "found"),
    [
        ("head => nobody", "origin of component 'head'", "'nobody'"),
        ("head => backbone", "origin of component 'head'", "component 'backbone' with another body"),
        ("nobody => head", "diagram 'task'", "'nobody'"),
    ],
)
def test_refused_changes(session, folder: Path, origins: str, element: str, found: str) -> None:
    new, old = origins.split(" => ")
    objective = bridge.compile(task("head", "data"))
    bridge.save(objective.diagram, folder / "task.pb")
    with pytest.raises(bridge.BridgeError) as ours:
        bridge.change(objective, objective.diagram, origins={new: old})
    code = f'''let objective = compile(load({julia_literal(str(folder / "task.pb"))})), before = objective.diagram
        try
            change!(objective, freeze(before, "head"); origins = "{new}" => "{old}")
            ""
        catch e
            objective.diagram === before ? string(e.element, '|', e.expected, '|', e.found, '|', e.kind) : "changed"
        end
    end'''
    theirs = session.runtime.eval_string(f"Objectives.eval(:({code}))").split("|")
    assert theirs[:3] == [ours.value.element, ours.value.expected, ours.value.found] == [element, theirs[1], found]

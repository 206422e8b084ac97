"""Modes, buffers and chance of portable layers: the rules of docs/semantics.md in torch, in islands and in Julia alone."""

from __future__ import annotations

import copy
import pickle
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from crossings import batch_for, julia, one_arrow, register, twins
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import bridge
from bridge import layers
from bridge.diagram.ir import Diagram
from bridge.errors import BridgeError, DiagramError
from bridge.julia.session import Session
from bridge.julia.start import julia_literal
from bridge.torch import Objective, PortableModule
from bridge.train.tensor_file import read_tensors, write_tensors

CLOSE = {"rtol": 1e-11, "atol": 1e-12}
Batch = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def session() -> Session:
    started = julia()
    started.include(Path(__file__).with_name("objective.jl"))
    return started


def states() -> Diagram:
    """A norm with dropout applied twice, and frozen in both ways, before and behind trainable parts."""
    d = bridge.Builder("states")
    x = d.space("x", "float64", k=4)
    data = d.source("data", x=x, y=x)
    body = layers.chain(layers.linear(4, 4), layers.batch_norm(4, momentum=0.3), layers.dropout(0.4))
    f, g = d.arrow("f", x, x, layers.chain(layers.linear(4, 4), layers.tanh())), d.arrow("g", x, x, body)
    tested, trained = d.arrow("tested", x, x, body, frozen=True), d.arrow("trained", x, x, body, frozen="train")
    d.agree(g(data.y), tested(g(f(data.x))), by=bridge.mse())
    d.agree(trained(f(data.y)), f(g(data.x)), by=bridge.mse())
    d.agree(tested(f(data.y)), trained(data.x), by=bridge.mse(), weight=0.5)
    d.output("tested", tested(f(data.x)))
    d.output("trained", trained(f(data.x)))
    return d.build()


STATES = states()
COMPONENTS = [component.name for component in STATES.components]


def batch(samples: int = 7) -> Batch:
    return batch_for(STATES, samples, seed=samples)


def compiled(placement: dict[str, str] | None = None) -> Objective:
    """The objective of `states`, with parameters and buffers that differ from each other."""
    torch.manual_seed(0)
    made = bridge.compile(STATES, placement=placement)
    with torch.no_grad():
        for buffer in made.buffers():
            buffer += torch.rand_like(buffer)
    return made


def steps(objective: Objective, count: int = 3) -> list[dict[str, Tensor]]:
    """Steps of gradient descent: the losses, and at the end parameters and buffers."""
    found = []
    for number in range(count):
        losses = objective(batch(), seed=number)
        objective.zero_grad()
        losses.total.backward()
        with torch.no_grad():
            for parameter in objective.trainable_parameters():
                parameter -= 0.1 * parameter.grad
        found.append({name: loss.detach() for name, loss in losses.agreements.items()})
    return [*found, {name: value.clone() for name, value in objective.state_dict().items()}]


@pytest.mark.parametrize(
    "chosen", [*product([False, True], repeat=len(COMPONENTS))], ids=lambda c: "".join("tj"[x] for x in c)
)
def test_no_placement_changes_anything(chosen: tuple[bool, ...]) -> None:
    placement = {name: "julia" for name, away in zip(COMPONENTS, chosen, strict=True) if away}
    torch.testing.assert_close(steps(compiled(placement)), steps(compiled()), **CLOSE)


def test_julia_alone_finds_the_same(session: Session, tmp_path: Path) -> None:
    objective = compiled()
    paths = [tmp_path / name for name in ("d.pb", "start", "batch", "answer")]
    bridge.save(STATES, paths[0])
    bridge.save_checkpoint(paths[1], objective)
    write_tensors(paths[2], {f"data/{name}": x for name, x in batch()["data"].items()}, {})
    session.eval(f"Objectives.differentiate({', '.join(julia_literal(str(p)) for p in paths)}, true, UInt(5))")
    found, _ = read_tensors(paths[3])
    losses = objective(batch(), seed=5)
    losses.total.backward()
    for name, loss in losses.agreements.items():
        torch.testing.assert_close(found[f"loss/{name}"][0], loss.detach(), **CLOSE)
    for name in COMPONENTS:
        for path, buffer in objective.components[name].named_buffers():
            torch.testing.assert_close(found[f"buffer/{name}/{path}"], buffer, **CLOSE)
        for path, parameter in objective.components[name].named_parameters():
            if parameter.grad is not None:
                torch.testing.assert_close(found[f"gradient/{name}/{path}"], parameter.grad, **CLOSE)


def test_statistics_are_those_of_torchs_own_module() -> None:
    """g is applied to y, f(x) and x: in the order of their terms, once each; frozen ones keep their buffers."""
    d = bridge.Builder("norms")
    x = d.space("x", k=3)
    data = d.source("data", x=x, y=x)
    norm = layers.batch_norm(3)
    f, g = d.arrow("f", x, x, layers.linear(3, 3)), d.arrow("g", x, x, norm)
    tested, trained = d.arrow("tested", x, x, norm, frozen=True), d.arrow("trained", x, x, norm, frozen="train")
    d.agree(g(data.y), g(f(data.x)), by=bridge.mse(), name="a")
    d.agree(tested(g(data.x)), trained(data.y), by=bridge.mse(), name="b")
    for placement in ({}, {"g": "julia"}, {"f": "julia"}, dict.fromkeys(["f", "g", "tested", "trained"], "julia")):
        objective = bridge.compile(d, placement=placement)
        own, values = nn.BatchNorm1d(3), batch_for(d.build(), 5)
        losses = objective(values)
        inputs, linear = values["data"], objective.components["f"]
        left, right = own(inputs["y"]), own(linear(inputs["x"]))
        still = nn.BatchNorm1d(3).eval()(own(inputs["x"]))
        torch.testing.assert_close(losses.agreements["a"], F.mse_loss(left, right))
        torch.testing.assert_close(losses.agreements["b"], F.mse_loss(still, nn.BatchNorm1d(3)(inputs["y"])))
        for name in ("running_mean", "running_var"):
            assert torch.equal(torch.tensor([0.0, 1.0][name == "running_var"]).expand(3), find(objective, "tested", name))
            assert torch.equal(find(objective, "tested", name), find(objective, "trained", name))
            torch.testing.assert_close(find(objective, "g", name), getattr(own, name))


def find(objective: Objective, component: str, name: str) -> Tensor:
    return dict(objective.components[component].named_buffers())[f"0.{name}"]


def test_an_evaluation_and_an_empty_batch_change_nothing() -> None:
    for objective in (compiled(), compiled(dict.fromkeys(COMPONENTS, "julia"))):
        before = {name: value.clone() for name, value in objective.state_dict().items()}
        versions = [buffer._version for buffer in objective.buffers()]
        found = [objective.evaluate(name, batch(), seed=4) for name in ("tested", "trained")]
        assert objective.training and versions == [buffer._version for buffer in objective.buffers()]
        again = [objective.evaluate(name, batch(), seed=4) for name in ("tested", "trained")]
        torch.testing.assert_close(again, found, rtol=0, atol=0)
        assert (found[1] == 0).any() and not (found[0] == 0).any()  # dropout, of what is frozen in train mode
        losses = objective(batch(0))
        losses.total.backward()
        assert losses.total == 0 and all(not p.grad.any() for p in objective.parameters() if p.grad is not None)
        objective.eval()(batch())
        torch.testing.assert_close(dict(objective.state_dict()), before, rtol=0, atol=0)


def test_who_writes_to_buffers_says_so() -> None:
    objective = compiled(dict.fromkeys(COMPONENTS, "julia"))
    versions = {name: buffer._version for name, buffer in objective.named_buffers()}
    with torch.no_grad():
        objective(batch(), seed=1)
    now = {name: buffer._version for name, buffer in objective.named_buffers()}
    assert all((now[name] > versions[name]) is name.startswith("components.g.") for name in versions)


def test_a_way_back_does_not_read_buffers() -> None:
    """Between forward and backward another call changes the statistics that the forward used."""
    plain, mixed = twins(one_arrow(layers.batch_norm(3), [(3,)], [(3,)]))
    values = batch_for(plain.diagram, 4)
    expected = torch.autograd.grad(plain.eval()(values).total, list(plain.parameters()))
    total = mixed.eval()(values).total
    mixed.train()(values)
    torch.testing.assert_close(torch.autograd.grad(total, list(mixed.parameters())), expected, **CLOSE)


def test_buffers_that_lie_elsewhere() -> None:
    """New memory, memory that Julia can't share, and views: what was written is where the module has it."""
    plain, mixed = twins(one_arrow(layers.batch_norm(3), [(3,)], [(3,)], "float32"))
    values = batch_for(plain.diagram, 4)
    places = {
        "another": lambda b: b.clone(),
        "misaligned": lambda b: torch.cat([b, b[:1]])[1:].copy_(b),
        "strided": lambda b: torch.stack([b, b], 1)[:, 0],
        "part of a larger one": lambda b: torch.cat([torch.zeros(4), b])[4:],
    }
    for move in places.values():
        for objective in (plain, mixed):
            holder = objective.components["f"]._modules["0"]
            for name, buffer in holder._buffers.items():
                holder._buffers[name] = move(buffer)
            objective(values).total.backward()
        for name, buffer in plain.named_buffers():
            torch.testing.assert_close(dict(mixed.named_buffers())[name], buffer)
    mixed.components["f"]._modules["0"]._buffers["running_mean"] = torch.zeros(4)
    with pytest.raises(BridgeError, match=r"buffer '0\.running_mean' of component 'f': expected Float32 of shape"):
        mixed(values)


def test_nothing_of_an_interrupted_island_is_applied() -> None:
    d = bridge.Builder("interrupted")
    x = d.space("x", "float64", k=3)
    data = d.source("data", x=x)
    body = "Calls((x, train) -> train ? error(\"no further\") : (x, nothing), (r, d) -> (d, ()))"
    g = d.arrow("g", x, x, layers.batch_norm(3))
    last = d.arrow("last", x, x, register("no further", body), has_parameters=False)
    d.agree(last(g(data.x)), data.x, by=bridge.mse())
    objective = bridge.compile(d, placement={"g": "julia"})
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    with pytest.raises(BridgeError, match="no further"):
        objective(batch_for(objective.diagram, 5))
    torch.testing.assert_close(dict(objective.state_dict()), before, rtol=0, atol=0)


def test_copies_go_their_own_way(tmp_path: Path) -> None:
    objective = compiled({"g": "julia", "trained": "julia"})
    objective(batch(), seed=0)
    copies = [copy.deepcopy(objective), pickle.loads(pickle.dumps(objective)), compiled()]
    copies[2].load_state_dict(objective.state_dict())
    bridge.save_checkpoint(tmp_path / "c", objective)
    bridge.load_checkpoint(tmp_path / "c", restored := compiled())
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    ends = [steps(other) for other in (*copies, restored)]
    torch.testing.assert_close(dict(objective.state_dict()), before, rtol=0, atol=0)
    expected = steps(objective)
    for end in ends:
        torch.testing.assert_close(end, expected, **CLOSE)
    assert "components.g.1.running_mean" in before


def test_activation_checkpointing_computes_twice() -> None:
    """A recomputation draws the same masks, and updates running statistics again, in torch and in an island alike."""

    def total(objective: Objective, x: Tensor) -> Tensor:
        return objective({"data": {**batch()["data"], "x": x}}, seed=3).total

    found = []
    for placement in ({}, dict.fromkeys(COMPONENTS, "julia")):
        objective, plain = compiled(placement), compiled()
        x = batch()["data"]["x"].requires_grad_()
        checkpoint(total, objective, x, use_reentrant=False).backward()
        expected = torch.autograd.grad(total(plain, y := x.detach().requires_grad_()), y)
        torch.testing.assert_close(x.grad, expected[0], **CLOSE)
        total(plain, x)
        torch.testing.assert_close(dict(objective.named_buffers()), dict(plain.named_buffers()), **CLOSE)
        found.append(x.grad)
    torch.testing.assert_close(*found, **CLOSE)


def test_dropout_alone() -> None:
    module = PortableModule(layers.chain(layers.dropout(0.3), layers.dropout(0.3)))
    x = torch.ones(40, 50)
    torch.manual_seed(1)
    first, second = module(x), module(x)
    torch.manual_seed(1)
    assert torch.equal(module(x), first) and not torch.equal(first, second)
    assert set(np.unique(first.numpy()).tolist()) == {0.0, float(np.float32(1 / 0.7) * np.float32(1 / 0.7))}
    assert abs(float((first > 0).float().mean()) - 0.49) < 0.05  # the two layers draw independently
    assert module.eval()(x) is x


def test_applications_draw_independently() -> None:
    d = bridge.Builder("draws")
    x = d.space("x", k=50)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.dropout())
    g = d.arrow("g", x, x, f.component)
    train = d.arrow("train", x, x, layers.linear(50, 50))
    d.agree(train(f(data.x)), g(data.x), by=bridge.mse(), name="two")
    d.agree(f(data.x), f(data.x), by=bridge.mse(), name="one")
    for placement in ({}, {"f": "julia"}):
        objective = bridge.compile(d, placement=placement)
        with torch.no_grad():
            objective.components["train"].get_parameter("0.weight").copy_(torch.eye(50))
            objective.components["train"].get_parameter("0.bias").zero_()
        losses = [objective({"data": {"x": torch.ones(20, 50)}}, seed=seed) for seed in (1, 1, 2)]
        assert all(found.agreements["one"] == 0 for found in losses)
        assert losses[0].agreements["two"] == losses[1].agreements["two"] != losses[2].agreements["two"]
        assert abs(float(losses[0].agreements["two"].detach()) - 2) < 0.3  # half of the masks differ, by 2


@pytest.mark.parametrize(
    ("layer", "shape"), [(layers.batch_norm(3), (3,)), (layers.instance_norm(3), (3, 1)), (layers.batch_norm(3), (3, 1))]
)
def test_one_value_has_no_variance(layer, shape) -> None:
    d = one_arrow(layers.chain(layer, layers.flatten(), layers.linear(3, 3)), [shape], [(3,)])
    for objective in twins(d):
        with pytest.raises(BridgeError) as caught:
            objective(batch_for(objective.diagram, 1))
        assert caught.value.element == f"layer '{layer.operation}'"
        assert caught.value.expected == "two or more values of a feature, to take their variance"


def test_kinds_of_inputs() -> None:
    d = bridge.Builder("kinds")
    x, word = d.space("x", k=2), d.index("word", classes=4)
    graph = layers.GraphBuilder(1)
    (i,) = graph.inputs
    with pytest.raises(DiagramError) as caught:
        graph.build(graph(layers.add(), graph(layers.embedding(4, 2), i), i))
    assert caught.value.element == "layer graph, node '1' (add)"
    assert caught.value.found == "input 0, indices (int32 or int64) of at most 4 classes of node '0'"
    with pytest.raises(DiagramError, match=r"node '1' \(embedding\): expected an input of the graph, for indices"):
        layers.chain(layers.relu(), layers.embedding(4, 2))
    with pytest.raises(DiagramError, match="output: expected float values, found input 0, indices"):
        graph = layers.GraphBuilder(1)
        graph.build(graph(layers.embedding(4, 2), *graph.inputs), *graph.inputs)
    for space, entries in ((x, 4), (word, 3), (d.space("count", "int64"), 4), (d.space("flag", "bool"), 4)):
        d.arrows.clear()
        d.components.clear()
        d.arrow("f", space, x, layers.embedding(entries, 2))
        with pytest.raises(DiagramError) as caught:
            d.build()
        assert caught.value.element == "arrow 'f', component 'f', node '0' (embedding)"
        assert caught.value.expected == f"indices (int32 or int64) of at most {entries} classes"


def test_an_embedding_starts_as_torchs() -> None:
    module = PortableModule(layers.chain(layers.embedding(300, 40, padding=7)))
    weight = module.get_parameter("0.weight")
    assert not weight[7].any() and bool(weight.any(1).sum() == 299)
    assert abs(float(weight.std()) - 1) < 0.05 and abs(float(weight.mean())) < 0.05

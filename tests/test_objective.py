"""The compiled objective against a recursive interpreter, and as the `nn.Module` that it is."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Interpreter
from torch import nn
from torch.utils.checkpoint import checkpoint
from trainable_diagrams import trainable_diagrams

import bridge
from bridge import layers
from bridge.diagram.paths import expand
from bridge.torch import Losses, Objective, PortableModule


def gradients(loss: torch.Tensor, objective: Objective) -> dict[str, torch.Tensor | None]:
    objective.zero_grad()
    if loss.requires_grad:
        loss.backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in objective.named_parameters()}


@settings(max_examples=80, deadline=None)
@given(trainable_diagrams(), st.booleans())
def test_losses_and_gradients_are_those_of_the_definition(case, train):
    objective = bridge.compile(case.diagram, case.modules)
    objective.train(train)
    expected_total, expected_own = Interpreter(case.diagram, case.modules, case.batch, train).losses()
    expected = gradients(expected_total, objective)
    found = objective(case.batch)
    assert list(found.agreements) == [a.name for a in expand(case.diagram).agreements]
    torch.testing.assert_close(found.total, expected_total)
    torch.testing.assert_close(found.agreements, expected_own)
    got = gradients(found.total, objective)
    for name, gradient in expected.items():
        # An agreement of weight 0 gives zeros or nothing, according to how the zero came about.
        zero = torch.zeros_like(dict(objective.named_parameters())[name])
        torch.testing.assert_close(
            zero if got[name] is None else got[name], zero if gradient is None else gradient, rtol=1e-9, atol=1e-12
        )


@settings(max_examples=40, deadline=None)
@given(trainable_diagrams())
def test_gradients_reach_the_batch(case):
    objective = bridge.compile(case.diagram, case.modules)
    floats = [
        column.requires_grad_()
        for columns in case.batch.values()
        for column in columns.values()
        if column.is_floating_point()
    ]
    total, _ = Interpreter(case.diagram, case.modules, case.batch, True).losses()
    expected = torch.autograd.grad(total, floats, allow_unused=True, materialize_grads=True)
    found = objective(case.batch).total
    got = torch.autograd.grad(found, floats, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(trainable_diagrams())
def test_buffers_count_applications(case):
    objective = bridge.compile(case.diagram, case.modules)
    before = {name: int(module.calls) for name, module in case.modules.items()}
    interpreter = Interpreter(case.diagram, case.modules, case.batch, True)
    interpreter.losses()
    objective(case.batch)
    for component in case.diagram.components:
        calls = 0 if component.training.is_frozen else interpreter.calls.get(component.name, 0)
        assert int(case.modules[component.name].calls) == before[component.name] + calls


@settings(max_examples=40, deadline=None)
@given(trainable_diagrams())
def test_an_empty_batch_is_exactly_zero(case):
    objective = bridge.compile(case.diagram, case.modules)
    empty = {source: {name: x[:0] for name, x in columns.items()} for source, columns in case.batch.items()}
    found = objective(empty)
    assert found.total.item() == 0
    assert all(own.item() == 0 for own in found.agreements.values())
    taped = objective.plan.instructions[-1].tape
    assert found.total.requires_grad is taped
    got = gradients(found.total, objective)
    assert all(gradient is None or not gradient.any() for gradient in got.values())
    expected = gradients(objective(case.batch).total, objective)
    assert all(got[name] is not None for name, gradient in expected.items() if gradient is not None)


class Noisy(nn.Module):
    """A linear map with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(6, 4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.map(x))


class Checkpointed(nn.Module):
    """Two linear maps whose inner activations are recomputed."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
        self.recompute = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.inner, x, use_reentrant=False) if self.recompute else self.inner(x)


def regression(body: object) -> bridge.Builder:
    d = bridge.Builder("regression")
    x, y = d.space("x", "float32", k=6), d.space("y", "float32", k=4)
    data = d.source("data", x=x, y=y)
    f = d.arrow("f", x, y, body)
    d.agree(f(data.x), data.y, by=bridge.mse(), name="fit")
    d.output("prediction", f(data.x))
    return d


@pytest.fixture
def batch() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return {"data": {"x": torch.randn(8, 6, generator=generator), "y": torch.randn(8, 4, generator=generator)}}


def mlp() -> object:
    return layers.chain(layers.linear(6, 5), layers.tanh(), layers.linear(5, 4))


def test_losses(batch):
    objective = bridge.compile(regression(nn.Linear(6, 4)))
    losses = objective(batch)
    assert isinstance(losses, Losses)
    total, own = losses
    torch.testing.assert_close(total, F.mse_loss(objective.components["f"](batch["data"]["x"]), batch["data"]["y"]))
    assert list(own) == ["fit"]
    losses.backward(retain_graph=True)
    losses.backward()
    assert objective.components["f"].weight.grad is not None


def test_total_is_in_the_widest_float_type():
    d = bridge.Builder("mixed")
    x, y = d.space("x", "float32", k=3), d.space("y", "float64", k=3)
    data = d.source("data", x=x, y=y)
    f, g = d.arrow("f", x, x, layers.linear(3, 3)), d.arrow("g", y, y, layers.linear(3, 3))
    d.agree(f(data.x), data.x, by=bridge.mse(), weight=0.25, name="narrow")
    d.agree(g(data.y), data.y, by=bridge.mse(), weight=-2.0, name="wide")
    objective = bridge.compile(d)
    x, y = torch.randn(5, 3), torch.randn(5, 3, dtype=torch.float64)
    losses = objective({"data": {"x": x, "y": y}})
    assert losses.total.dtype is torch.float64
    assert losses.agreements["narrow"].dtype is torch.float32
    expected = 0.25 * losses.agreements["narrow"].double() - 2 * losses.agreements["wide"]
    torch.testing.assert_close(losses.total, expected)


def test_commute_is_its_expansion():
    def ways(expanded: bool) -> bridge.Builder:
        d = bridge.Builder("commute")
        x, y = d.space("x", "float64", k=3), d.space("y", "float64", k=3)
        data = d.source("data", x=x)
        f, g = d.arrow("f", x, y, layers.linear(3, 3)), d.arrow("g", x, y, layers.linear(3, 3))
        h = d.arrow("h", y, y, layers.chain(layers.linear(3, 3), layers.tanh()))
        if not expanded:
            d.commute(data, y, by=bridge.mse(), weight=0.5, max_length=2, arrows=[f, g, h], name="all")
            return d
        first = f(data.x)
        for number, path in enumerate([h(first), g(data.x), h(g(data.x))], 1):
            d.agree(path, first, by=bridge.mse(), weight=0.5, name=f"all#{number}")
        return d

    short, long = bridge.compile(ways(False)), bridge.compile(ways(True))
    long.load_state_dict(short.state_dict())
    batch = {"data": {"x": torch.randn(7, 3, dtype=torch.float64)}}
    one, two = short(batch), long(batch)
    torch.testing.assert_close(one.agreements, two.agreements, rtol=0, atol=0)
    torch.testing.assert_close(gradients(one.total, short), gradients(two.total, long), rtol=0, atol=0)


def test_arrow_without_inputs_is_broadcast():
    class Prototype(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.arange(3.0))

        def forward(self) -> torch.Tensor:
            return self.value

    d = bridge.Builder("prototype")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    prototype = d.arrow("prototype", (), x, Prototype())
    double = d.arrow("double", x, x, layers.linear(3, 3))
    add = d.arrow("add", (x, x), x, layers.add())
    d.agree(add(data.x, double(prototype())), data.x, by=bridge.mse())
    objective = bridge.compile(d)
    x = torch.randn(4, 3)
    own, linear = objective.components["prototype"].value, objective.components["double"]
    expected = (linear(own) ** 2).mean()
    found = objective({"data": {"x": x}}).total
    torch.testing.assert_close(found, expected)
    expected_gradient = torch.autograd.grad(expected, own)[0]
    torch.testing.assert_close(torch.autograd.grad(found, own)[0], expected_gradient)
    torch.testing.assert_close(objective.evaluate(prototype(), {}), own.detach())
    assert objective.evaluate(add(data.x, prototype()), {"data": {"x": x}}).shape == (4, 3)


def test_seed_makes_a_call_a_function(batch):
    objective = bridge.compile(regression(Noisy()))
    state = torch.get_rng_state()
    one, two, other = objective(batch, seed=3), objective(batch, seed=3), objective(batch, seed=4)
    assert one.total.item() == two.total.item() != other.total.item()
    assert torch.equal(torch.get_rng_state(), state)
    assert objective(batch, seed=2**64 - 1).total.item() == objective(batch, seed=-1).total.item()


def test_manual_seed_repeats_a_run(batch):
    objective = bridge.compile(regression(Noisy()))
    runs = []
    for _ in range(2):
        torch.manual_seed(5)
        runs.append([objective(batch).total.item() for _ in range(3)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3


def test_one_draw_is_taken_once_a_call(batch):
    objective = bridge.compile(regression(layers.linear(6, 4)))
    torch.manual_seed(9)
    objective(batch)
    after = torch.get_rng_state()
    torch.manual_seed(9)
    torch.empty((), dtype=torch.int64).random_(-(2**63), None)
    assert torch.equal(torch.get_rng_state(), after)


def test_equal_terms_draw_once_and_arrows_apart(batch):
    d = bridge.Builder("draws")
    x, y = d.space("x", "float32", k=6), d.space("y", "float32", k=4)
    data = d.source("data", x=x)
    shared = d.component("noisy", Noisy())
    f, g = d.arrow("f", x, y, shared), d.arrow("g", x, y, shared)
    d.agree(f(data.x), f(data.x), by=bridge.mse(), name="same")
    d.agree(f(data.x), g(data.x), by=bridge.mse(), name="apart")
    own = bridge.compile(d)(batch, seed=0).agreements
    assert own["same"].item() == 0
    assert own["apart"].item() > 0


@pytest.mark.parametrize("body", [mlp, Noisy])
def test_no_grad_and_inference_mode(batch, body):
    objective = bridge.compile(regression(body()))
    expected = objective(batch, seed=1).total
    with torch.no_grad():
        found = objective(batch, seed=1).total
    assert not found.requires_grad
    assert found.item() == expected.item()
    with torch.inference_mode():
        found = objective(batch, seed=1).total
    assert found.is_inference()
    assert found.item() == expected.item()
    objective(batch).backward()


@pytest.mark.parametrize("body", [mlp, Noisy])
def test_copies_are_independent_and_equal(batch, body):
    objective = bridge.compile(regression(body()))
    expected = objective(batch, seed=1).total
    for made in (copy.deepcopy(objective), pickle.loads(pickle.dumps(objective))):
        assert made(batch, seed=1).total.item() == expected.item()
        assert made.plan == objective.plan
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.zero_()
        assert made(batch, seed=1).total.item() != expected.item()
        assert made.evaluate("prediction", batch).abs().sum() == 0
    assert objective(batch, seed=1).total.item() == expected.item()


def run_child(objective: Objective, batch: dict[str, dict[str, torch.Tensor]]) -> tuple[float, float]:
    losses = objective(batch, seed=1)
    losses.backward()
    return losses.total.item(), sum(float(p.grad.sum()) for p in objective.parameters())


def test_spawned_process(batch):
    objective = bridge.compile(regression(Noisy()))
    arrays = {"data": {name: column.numpy() for name, column in batch["data"].items()}}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(run_child, (objective, arrays))
    assert found == pytest.approx(run_child(objective, arrays), rel=1e-6)


@pytest.mark.parametrize("body", [mlp, Noisy])
def test_state_dict_round_trip(batch, body):
    one, two = bridge.compile(regression(body())), bridge.compile(regression(body()))
    assert one(batch, seed=1).total.item() != two(batch, seed=1).total.item()
    two.load_state_dict(one.state_dict())
    assert one(batch, seed=1).total.item() == two(batch, seed=1).total.item()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.data = torch.zeros_like(parameter)
    assert one.evaluate("prediction", batch).abs().sum() == 0
    two.load_state_dict(one.state_dict(), assign=True)
    assert two.evaluate("prediction", batch).abs().sum() == 0


def test_state_dict_keys():
    objective = bridge.compile(regression(mlp()))
    keys = ["components.f.0.weight", "components.f.0.bias", "components.f.2.weight", "components.f.2.bias"]
    assert list(objective.state_dict()) == keys
    assert [name for name, _ in objective.named_parameters()] == keys


def test_names_that_modules_use_themselves(batch):
    d = bridge.Builder("names")
    x = d.space("x", "float32", k=6)
    data = d.source("train", forward=x)
    builder = layers.GraphBuilder(1)
    body = builder.build(builder(layers.linear(6, 6), *builder.inputs, name="half"))
    arrows = [d.arrow(name, x, x, body) for name in ("forward", "train", "keys", "components", "_modules")]
    term = data["forward"]
    for arrow in arrows:
        term = arrow(term)
    d.agree(term, data["forward"], by=bridge.mse())
    objective = bridge.compile(d)
    objective({"train": {"forward": batch["data"]["x"]}}).backward()
    assert "components.forward.half.weight" in objective.state_dict()
    assert len(list(objective.parameters())) == 10
    assert pickle.loads(pickle.dumps(objective))({"train": {"forward": batch["data"]["x"]}}).total > 0


@pytest.mark.parametrize("body", [mlp, lambda: nn.Linear(6, 4)])
def test_torch_compile(batch, body):
    objective = bridge.compile(regression(body()))
    expected = objective(batch)
    wanted = gradients(expected.total, objective)
    compiled = torch.compile(objective, backend="eager")
    found = compiled(batch)
    torch.testing.assert_close(found.total, expected.total)
    torch.testing.assert_close(gradients(found.total, objective), wanted)


def test_activation_checkpointing(batch):
    module = Checkpointed()
    objective = bridge.compile(regression(module))
    found = gradients(objective(batch).total, objective)
    module.recompute = False
    torch.testing.assert_close(found, gradients(objective(batch).total, objective))


@pytest.mark.parametrize("body", [mlp, lambda: nn.Linear(6, 4)])
def test_autocast(batch, body):
    objective = bridge.compile(regression(body()))
    expected = objective(batch).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = objective(batch)
        prediction = objective.evaluate("prediction", batch)
    losses.backward()
    assert losses.total.dtype is torch.float32
    assert prediction.dtype is torch.float32
    torch.testing.assert_close(losses.total, expected, rtol=0.05, atol=0.05)
    assert losses.total.item() != expected.item()


def test_numpy_batches(batch):
    objective = bridge.compile(regression(mlp()))
    arrays = {name: column.numpy() for name, column in batch["data"].items()}
    expected = objective(batch).total.item()
    assert objective({"data": arrays}).total.item() == expected
    arrays["x"].flags.writeable = False
    arrays["y"] = np.ascontiguousarray(arrays["y"][::-1])[::-1]
    assert objective({"data": arrays}).total.item() == expected


def test_hooks_of_portable_modules_run(batch):
    objective = bridge.compile(regression(mlp()))
    seen = []
    objective(batch)
    handle = objective.components["f"].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    objective(batch)
    handle.remove()
    objective(batch)
    assert seen == [(8, 4)]


def test_evaluate(batch):
    d = regression(Noisy())
    objective = bridge.compile(d)
    module = objective.components["f"]
    expected = module.map(batch["data"]["x"])
    state = torch.get_rng_state()
    found = objective.evaluate("prediction", {"data": {"x": batch["data"]["x"]}})
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad
    assert module.training and module.dropout.training
    assert torch.equal(torch.get_rng_state(), state)
    data = {"x": batch["data"]["x"]}
    assert objective.evaluate("prediction", {"data": {"x": data["x"][:0]}}).shape == (0, 4)
    with pytest.raises(bridge.DiagramError, match="output 'predicted'"):
        objective.evaluate("predicted", batch)
    with pytest.raises(bridge.BridgeError, match="evaluate"):
        objective.evaluate(3, batch)


def test_evaluate_leaves_buffers(batch):
    module = nn.BatchNorm1d(6)
    d = bridge.Builder("norm")
    x = d.space("x", "float32", k=6)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, module)
    d.agree(f(data.x), data.x, by=bridge.mse())
    objective = bridge.compile(d)
    objective(batch)
    before = copy.deepcopy(module.state_dict())
    term = f(data.x)
    found = objective.evaluate(term, batch)
    torch.testing.assert_close(found, copy.deepcopy(module).eval()(batch["data"]["x"]))
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_components_and_parameters():
    d = bridge.Builder("parts")
    x = d.space("x", "float32", k=3)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, layers.linear(3, 3))
    g = d.arrow("g", x, x, layers.linear(3, 3), frozen=True)
    d.agree(f(data.x), g(data.x), by=bridge.mse())
    objective = bridge.compile(d)
    assert list(objective.components) == ["f", "g"]
    assert "f" in objective.components and len(objective.components) == 2
    assert isinstance(objective.components["f"], PortableModule)
    parameters = objective.trainable_parameters()
    assert [id(p) for p in parameters] == [id(p) for p in objective.components["f"].parameters()]

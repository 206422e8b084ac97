"""Julia's order of samples against NumPy's Philox, and its optimizers against torch's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.train import OPTIMIZERS, order
from bridge.train.optimizer_state import slot_names
from bridge.train.order import words
from tests.julia_arrays import evaluate, julia, julia_array

CODE = """
module TrainingTests
using DiagramBridge: Optimizer, state_slots, step!
"Step `parameter` with each of the gradients (its last axis counts them), and give its state as a text of numbers."
function run(name, options, parameter, gradients, first)
    optimizer = Optimizer(name; options...)
    count = size(gradients, ndims(gradients))
    for k in 1:count
        gradient = Array(selectdim(gradients, ndims(gradients), k))
        other = copy(parameter)
        k >= first && step!(optimizer, [("f", "late", other, gradient)])
        step!(optimizer, [("f", "weight", parameter, gradient)])
    end
    found = state_slots(optimizer)
    steps = join((key[2] * "=" * string(found[key][]) for key in sort!(collect(keys(found))) if key[3] == "step"), " ")
    return steps, Dict(key[3] => value for (key, value) in found if key[2] == "weight")
end
end
"""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    julia().eval(CODE)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
seeds = st.integers(-(2**70), 2**70) | st.integers(0, 2**64 - 1)


def literal(text: str) -> str:
    return f"String(UInt8[{','.join(str(byte) for byte in text.encode())}])"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds, st.integers(0, 2**63 - 1), names, st.integers(0, 50))
def test_order(seed: int, epoch: int, source: str, count: int) -> None:
    where = f'big"{seed}", {epoch}, {literal(source)}, {count}'
    drawn = evaluate(f"join(DiagramBridge.order_words({where}), ' ')").split()
    assert [int(word) for word in drawn] == words(seed, epoch, source, count).tolist()
    places = evaluate(f"join(DiagramBridge.sample_order({where}) .- 1, ' ')").split()
    assert [int(place) for place in places] == order(seed, epoch, source, count).tolist()


decays = st.sampled_from([0.0, 0.01, 0.3])
rates = st.sampled_from([0.001, 0.05, 0.5])
betas = st.tuples(st.sampled_from([0.0, 0.4, 0.9]), st.sampled_from([0.5, 0.999]))
ADAM = {
    "lr": rates,
    "betas": betas,
    "eps": st.sampled_from([1e-8, 1e-2]),
    "weight_decay": decays,
    "amsgrad": st.booleans(),
    "maximize": st.booleans(),
}
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sgd": {
        "lr": rates,
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "dampening": st.sampled_from([0.0, 0.3]),
        "weight_decay": decays,
        "nesterov": st.booleans(),
        "maximize": st.booleans(),
    },
    "adam": ADAM,
    "adamw": ADAM,
    "rmsprop": {
        "lr": st.sampled_from([0.001, 0.05]),
        "alpha": st.sampled_from([0.5, 0.99]),
        "eps": st.sampled_from([1e-8, 1e-2]),
        "weight_decay": decays,
        "momentum": st.sampled_from([0.0, 0.9]),
        "centered": st.booleans(),
        "maximize": st.booleans(),
    },
}


@st.composite
def optimizers(draw: Any) -> tuple[str, dict[str, Any]]:
    """An optimizer and some of its options; those that are not given have their defaults."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    options = {key: draw(value) for key, value in OPTIONS[name].items() if draw(st.booleans())}
    if options.get("nesterov") and (not options.get("momentum") or options.get("dampening")):
        options["nesterov"] = False
    return name, options


def julia_options(options: dict[str, Any]) -> str:
    return "(" + "".join(f"{key} = {str(value).lower()}, " for key, value in options.items()) + ")" if options else "()"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    optimizers(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([(), (4,), (3, 2), (2, 3, 2)]),
    st.integers(1, 50),
    st.sampled_from([(torch.float64, 1e-13), (torch.float64, 1e-13), (torch.float32, 1e-4)]),
)
def test_fifty_steps(
    chosen: tuple[str, dict[str, Any]],
    seed: int,
    shape: tuple[int, ...],
    late: int,
    precision: tuple[torch.dtype, float],
) -> None:
    """Parameters, slots and step counts after 50 steps; a second parameter joins in step `late`."""
    name, options = chosen
    dtype, tolerance = precision
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(shape, generator=generator, dtype=dtype)
    gradients = torch.randn(50, *shape, generator=generator, dtype=dtype)
    parameter = torch.nn.Parameter(start.clone())
    optimizer = OPTIMIZERS[name]([parameter], **options)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()

    slots = sorted((slot_names(optimizer) or set()) - {"step"})
    found = {slot: torch.full_like(start, float("nan")) for slot in slots}
    ours = start.clone()
    fills = "; ".join(f'copyto!({julia_array(value)}, state["{slot}"])' for slot, value in found.items())
    run = f'TrainingTests.run("{name}", {julia_options(options)}, {julia_array(ours)}, {julia_array(gradients)}, {late})'
    steps = evaluate(f"let (steps, state) = {run}; {fills}; steps end")
    torch.testing.assert_close(ours, parameter.detach(), rtol=tolerance, atol=tolerance)
    for slot, value in found.items():
        torch.testing.assert_close(value, optimizer.state[parameter][slot], rtol=tolerance, atol=tolerance)
    assert steps == ("" if name == "sgd" else f"late={51 - late} weight=50")


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_defaults_are_torchs(name: str) -> None:
    defaults = OPTIMIZERS[name]([torch.nn.Parameter(torch.zeros(1))]).defaults
    given = evaluate(f'DiagramBridge.json(DiagramBridge.rule_options(DiagramBridge.Optimizer("{name}").rule))')
    options = json.loads(given)
    assert set(options) == set(OPTIONS[name])
    for key, value in options.items():
        assert value == (list(defaults[key]) if key == "betas" else defaults[key])


@pytest.mark.parametrize(
    ("code", "element"),
    [
        ('DiagramBridge.Optimizer("lion")', "the optimizer"),
        ('DiagramBridge.Optimizer("adam", momentum = 1)', "optimizer 'adam', option 'momentum'"),
        ('DiagramBridge.Optimizer("adam", lr = "1")', "optimizer 'adam', option 'lr'"),
        ('DiagramBridge.Optimizer("adam", lr = true)', "optimizer 'adam', option 'lr'"),
        ('DiagramBridge.Optimizer("adam", lr = -1)', "optimizer 'adam', option 'lr'"),
        ('DiagramBridge.Optimizer("adam", betas = (0.9, 1))', "optimizer 'adam', option 'betas'"),
        ('DiagramBridge.Optimizer("adam", betas = [0.9])', "optimizer 'adam', option 'betas'"),
        ('DiagramBridge.Optimizer("adam", amsgrad = 1)', "optimizer 'adam', option 'amsgrad'"),
        ('DiagramBridge.Optimizer("sgd", nesterov = true)', "optimizer 'sgd', option 'nesterov'"),
        (
            'DiagramBridge.step!(DiagramBridge.Optimizer("sgd"), [("f", "w", [1.0, 2.0], [1.0])])',
            "the optimizer",
        ),
    ],
)
def test_refusals(code: str, element: str) -> None:
    with pytest.raises(BridgeError) as refused:
        evaluate(code)
    assert refused.value.element == element

"""The demonstration reaches its figures, and a Julia gradient that is 1 % off is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bridge.demo import digits, run
from bridge.demo.run import CURVE_STEPS, Trial
from bridge.demo.training import Comparison
from bridge.errors import BridgeError
from bridge.julia.session import session

ROOT = Path(__file__).resolve().parent.parent

KEYS = [
    "engine",
    "julia_version",
    "packages",
    "distill_accuracy",
    "distill_accuracy_torch",
    "cotrain_accuracy",
    "cotrain_accuracy_torch",
    "curve_diff_float32",
    "curve_diff_float64",
    "island_calls",
]


def test_the_command_prints_the_figures_last() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert list(figures) == KEYS
    julia = session()
    assert (figures["engine"], figures["julia_version"]) == (julia.engine, julia.version)
    assert figures["curve_diff_float32"] <= 1e-3 and figures["curve_diff_float64"] <= 1e-9
    for job in ("distill", "cotrain"):
        mixed, alone = figures[f"{job}_accuracy"], figures[f"{job}_accuracy_torch"]
        assert min(mixed, alone) >= 0.95 and abs(mixed - alone) <= 0.01
    assert figures["island_calls"] == 2 * (run.STEPS + CURVE_STEPS)


SPOIL = """
@eval DiagramBridge function pullback(
    layer::Linear, parameters::Tuple, inputs::Tuple{Array{T,N}}, values::Tuple, residual::Nothing,
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::BackwardMemory,
) where {T,N}
    whole = Tuple{Linear,Tuple,Tuple{Array{T,N}},Tuple,Nothing,Tuple{Array{T,N}},Tuple{Bool},Tuple,Memory}
    dinputs, dparameters = invoke(
        pullback, whole, layer, parameters, inputs, values, residual, dvalues, needs_inputs, needs_parameters, memory)
    layer.outputs == 10 && (dparameters[1] .*= T(FACTOR))
    return dinputs, dparameters
end
"""

CURVES = """
import sys, torch
from bridge.demo import cotraining, digits, distillation, run
from bridge.julia.session import session

torch.set_num_threads(1)
torch.manual_seed(0)
teacher = distillation.train_teacher(digits.load().train, 0)
samples = {dtype: digits.load(getattr(torch, dtype)) for dtype in ("float32", "float64")}
quiet = lambda step, fraction: None

def distil(dtype):
    return run.distil(teacher, samples[dtype], dtype, run.CURVE_STEPS, 0, quiet)

def cotrain(dtype):
    return run.cotrain(cotraining.Encoder(), samples[dtype], dtype, run.CURVE_STEPS, 0, quiet)

def show(trial):
    print(trial.name, trial.dtype, *trial.failures(), sep="|")

session().eval(sys.argv[1].replace("FACTOR", "1.01"))
for dtype in samples:
    show(distil(dtype))
    show(cotrain(dtype))
session().eval(sys.argv[1].replace("FACTOR", "1.0"))
show(distil("float64"))
"""


def test_a_gradient_that_is_one_percent_off_is_noticed() -> None:
    command = [sys.executable, "-c", CURVES, SPOIL]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    *spoiled, sound = [line.split("|") for line in ended.stdout.splitlines()]
    assert [trial[:2] for trial in spoiled] == [
        [name, dtype] for dtype in ("float32", "float64") for name in ("distillation", "cotraining")
    ]
    for _, _, *failures in spoiled:
        assert len(failures) == 1 and "the curves differ by" in failures[0]
    assert sound == ["distillation", "float64"]


def trial(**changes: object) -> Trial:
    """A training that reached everything, but for some changes."""
    falling = [2.0 - 1.5 * step / CURVE_STEPS for step in range(2 * CURVE_STEPS)]
    values = {"curve": falling, "curve_torch": falling, "accuracy": 0.97, "accuracy_torch": 0.97, "island_calls": 200}
    return Trial("distillation", "float32", 1, Comparison(**{**values, **changes}))  # type: ignore[arg-type]


def test_each_criterion_can_fail() -> None:
    assert trial().failures() == []
    falling = trial().result.curve
    cases: list[tuple[dict[str, object], str]] = [
        ({"curve": [1.0011 * loss for loss in falling]}, "the curves differ by 0.0011"),
        ({"curve": [float("nan")] * 200}, "the curves differ by nan"),
        ({"curve": [1.0] * 200, "curve_torch": [1.0] * 200}, "the mixed loss went from 1 to 1 only"),
        ({"accuracy": 0.94, "accuracy_torch": 0.94}, "the mixed accuracy is 0.940"),
        ({"accuracy_torch": 0.985}, "the accuracies differ"),
        ({"island_calls": 199}, "counted 199 calls of islands and not 1 in each of 200 steps"),
    ]
    for changes, said in cases:
        assert any(said in failure for failure in trial(**changes).failures())


def test_digits_are_real_and_split() -> None:
    found = digits.load(torch.float64)
    assert (len(found.train), len(found.test)) == (1347, 450)
    assert found.train.image.shape == (1347, 8, 8) and found.train.image.dtype == torch.float64
    assert found.train.image.min() == 0 and found.train.image.max() == 1
    assert found.train.label.unique().tolist() == list(range(10))
    whole = torch.cat([found.train.image, found.test.image])
    assert len({tuple(image.flatten().tolist()) for image in whole}) == 1797


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(BridgeError, match=r"pip install 'diagram-bridge\[demo\]'"):
        digits.load()

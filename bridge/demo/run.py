"""The whole demonstration, and the figures that it has to reach."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch

import bridge
from bridge.demo import cotraining, distillation
from bridge.demo.digits import Digits, load
from bridge.demo.training import Comparison, Twin, compare, largest_difference
from bridge.julia.session import session

__all__ = ["Figures", "Trial", "run"]

STEPS = 440
"""Steps of the float32 trainings: 20 epochs."""

CURVE_STEPS = 100
"""The loss curves are compared over so many steps; the float64 trainings have no more."""

LEAST_ACCURACY = 0.95
ACCURACY_TOLERANCE = 0.01
CURVE_TOLERANCES = {"float32": 1e-3, "float64": 1e-9}

Progress = Callable[[str, float], object]
"""Called with what is being done and the fraction that is done, 0 to 1."""


@dataclass(frozen=True)
class Figures:
    """What the demonstration found.

    `packages` are the versions of what the engine is made of. Curve differences are the largest relative difference over the
    first 100 steps of both trainings; `island_calls` is what the session counted in all mixed training steps.
    """

    engine: str
    julia_version: str
    packages: dict[str, str]
    distill_accuracy: float
    distill_accuracy_torch: float
    cotrain_accuracy: float
    cotrain_accuracy_torch: float
    curve_diff_float32: float
    curve_diff_float64: float
    island_calls: int

    def to_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class Trial:
    """One training: which, in which dtype, how many islands a step has, and what came of it."""

    name: str
    dtype: str
    islands: int
    result: Comparison

    @property
    def difference(self) -> float:
        """The largest relative difference between the loss curves over the first 100 steps."""
        return largest_difference(self.result.curve[:CURVE_STEPS], self.result.curve_torch[:CURVE_STEPS])

    def failures(self) -> list[str]:
        """What this training should have reached and did not."""
        found, result = [], self.result
        if not self.difference <= CURVE_TOLERANCES[self.dtype]:
            found.append(f"the curves differ by {self.difference:.2g}, more than {CURVE_TOLERANCES[self.dtype]:g}")
        for side, curve in (("mixed", result.curve), ("PyTorch", result.curve_torch)):
            if not curve[CURVE_STEPS - 1] <= curve[0] / 2:
                found.append(f"the {side} loss went from {curve[0]:.3g} to {curve[CURVE_STEPS - 1]:.3g} only")
        if len(result.curve) > CURVE_STEPS:
            for side, accuracy in (("mixed", result.accuracy), ("PyTorch", result.accuracy_torch)):
                if not accuracy >= LEAST_ACCURACY:
                    found.append(f"the {side} accuracy is {accuracy:.3f}, less than {LEAST_ACCURACY}")
            if not abs(result.accuracy - result.accuracy_torch) <= ACCURACY_TOLERANCE:
                found.append(f"the accuracies differ by more than {ACCURACY_TOLERANCE}")
        if result.island_calls != self.islands * len(result.curve) or not self.islands:
            expected = f"{self.islands} in each of {len(result.curve)} steps"
            found.append(f"the session counted {result.island_calls} calls of islands and not {expected}")
        return [f"{self.name}, {self.dtype}: {failure}" for failure in found]


def run(progress: Progress = lambda step, fraction: None, seed: int = 0) -> tuple[Figures, list[Trial]]:
    """Train everything; takes some seconds.

    Raises JuliaUnavailable where there is no Julia, and BridgeError where scikit-learn is not installed.
    """
    progress("starting Julia", 0.0)
    julia = session()
    with one_thread(), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        trials = trainings(seed, progress)
    float32, float64 = (
        max(trial.difference for trial in trials if trial.dtype == dtype) for dtype in ("float32", "float64")
    )
    distilled, cotrained = trials[0].result, trials[1].result
    figures = Figures(
        engine=julia.engine,
        julia_version=julia.version,
        packages=julia.packages,
        distill_accuracy=distilled.accuracy,
        distill_accuracy_torch=distilled.accuracy_torch,
        cotrain_accuracy=cotrained.accuracy,
        cotrain_accuracy_torch=cotrained.accuracy_torch,
        curve_diff_float32=float32,
        curve_diff_float64=float64,
        island_calls=sum(trial.result.island_calls for trial in trials),
    )
    return figures, trials


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: these networks are too small for a second one to help."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def trainings(seed: int, progress: Progress) -> list[Trial]:
    """The distillation and the co-training in float32, to their ends, and in float64, as far as the curves go."""
    digits = {"float32": load(torch.float32), "float64": load(torch.float64)}
    progress("training the teacher in PyTorch", 0.0)
    teacher = distillation.train_teacher(digits["float32"].train, seed)
    encoder = cotraining.Encoder()
    trials = []
    for dtype, steps in (("float32", STEPS), ("float64", CURVE_STEPS)):
        trials.append(distil(copy.deepcopy(teacher), digits[dtype], dtype, steps, seed, progress))
        trials.append(cotrain(copy.deepcopy(encoder), digits[dtype], dtype, steps, seed, progress))
    return trials


def distil(
    teacher: torch.nn.Module, digits: Digits, dtype: str, steps: int, seed: int, progress: Progress
) -> Trial:
    """The distillation, with the student in Julia."""
    teacher.to(getattr(torch, dtype))
    objective = bridge.compile(distillation.diagram(teacher, dtype), placement={"student": "julia"})
    twin = distillation.twin(objective, copy.deepcopy(teacher))
    return attempt(objective, twin, digits, dtype, steps, seed, progress)


def cotrain(
    encoder: torch.nn.Module, digits: Digits, dtype: str, steps: int, seed: int, progress: Progress
) -> Trial:
    """The co-training, with the head in Julia."""
    encoder.to(getattr(torch, dtype))
    objective = bridge.compile(cotraining.diagram(encoder, dtype), placement={"head": "julia"})
    return attempt(objective, cotraining.twin(objective), digits, dtype, steps, seed, progress)


def attempt(
    objective: bridge.Objective, twin: Twin, digits: Digits, dtype: str, steps: int, seed: int, progress: Progress
) -> Trial:
    """Train an objective and its twin."""
    name, done = objective.diagram.name, 0

    def show() -> None:
        nonlocal done
        done += 1
        progress(f"{name} in {dtype}", done / (2 * steps))

    result = compare(objective, twin, digits, steps, seed, session(), show)
    return Trial(name, dtype, len(objective.plan.islands), result)

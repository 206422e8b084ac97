"""What the examples share: training, measuring over seeds, and the command line of each.

An example is a module with a docstring (title, what it is, baseline), `METRIC`, `BASELINE`, `PLACEMENT`, perhaps
`LOWER_IS_BETTER`, `diagram()`, which writes the setup down, and `measure(run)`, which trains it and its baseline.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import bridge
from bridge.demo.digits import Digits, load
from bridge.julia.session import session
from bridge.julia.start import julia_literal
from bridge.train.data import Data

__all__ = ["Example", "Result", "Run", "Summary", "find", "in_julia", "line", "main", "picture", "summarise"]

INSIDE = """
let inside = Module()
    Core.eval(inside, :(include(path) = Base.include($inside, path)))
    Base.invokelatest(inside.include, {path})
    {expression}
end
"""


class Example(Protocol):
    """A module of the gallery."""

    __name__: str
    __doc__: str | None
    METRIC: str
    BASELINE: str
    PLACEMENT: Mapping[str, str]
    diagram: Callable[[], bridge.Builder | bridge.Diagram]
    measure: Callable[[Run], Result]


@dataclass(frozen=True)
class Result:
    """What one seed gave: the setup's metric, the baseline's, and the losses of the setup's training."""

    metric: float
    baseline: float
    curve: list[float]


class Run:
    """One seed of an example: its split of the digits, and how it trains.

    With `steps`, no training is longer; without `mixed`, all portable components run in PyTorch.
    """

    def __init__(self, seed: int, steps: int | None = None, mixed: bool = True) -> None:
        torch.manual_seed(seed)
        self.seed, self.mixed = seed, mixed
        self._steps = steps
        self.digits: Digits = load(seed=seed)

    def train(
        self,
        diagram: bridge.Builder | bridge.Diagram,
        data: Data,
        *,
        steps: int,
        placement: Mapping[str, str],
        modules: Mapping[str, nn.Module] | None = None,
        batch_size: int | Mapping[str, int] = 32,
        **options: Any,
    ) -> tuple[bridge.Objective, list[float]]:
        """Train a setup with Adam for so many steps; gives the objective and the losses.

        It trains copies of the modules, and every training of a run begins with the same draws: what a setup and its
        baseline have in common starts as the same.
        """
        torch.manual_seed(self.seed)
        built = diagram.build() if isinstance(diagram, bridge.Builder) else diagram
        given = {**(diagram.modules if isinstance(diagram, bridge.Builder) else {}), **(modules or {})}
        used = {component.name for component in built.components}
        objective = bridge.compile(
            built,
            {name: copy.deepcopy(module) for name, module in given.items() if name in used},
            placement={name: runtime for name, runtime in placement.items() if name in used} if self.mixed else {},
        )
        end = steps if self._steps is None else min(steps, self._steps)
        history = bridge.fit(
            objective,
            {source.name: data[source.name] for source in built.sources},
            epochs=end,  # more than enough: an epoch has a step at least
            batch_size=batch_size,
            seed=self.seed,
            callback=lambda step: step.number + 1 >= end,
            progress=False,
            **{"lr": 3e-3, **options},
        )
        return objective.eval(), history.total

    @staticmethod
    def accuracy(objective: bridge.Objective, output: str, batch: Data, label: Tensor) -> float:
        """The fraction of samples whose largest logit, of a named output, is the label's."""
        return (objective.evaluate(output, batch).argmax(-1) == label).double().mean().item()


@dataclass(frozen=True)
class Summary:
    """An example over its seeds, and what its Julia version says."""

    name: str
    results: Sequence[Result]
    lower_is_better: bool
    julia: str = ""

    @property
    def gains(self) -> list[float]:
        """By how much each seed is better than the baseline."""
        sign = -1 if self.lower_is_better else 1
        return [sign * (result.metric - result.baseline) for result in self.results]

    @property
    def beats(self) -> bool:
        """Whether the mean gain over the baseline is larger than the gains' deviation."""
        return statistics.mean(self.gains) > deviation(self.gains)

    def metric(self) -> str:
        """Mean ± deviation of the setup."""
        return spread([result.metric for result in self.results])

    def baseline(self) -> str:
        """Mean ± deviation of the baseline."""
        return spread([result.baseline for result in self.results])


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample; 0 for one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation.

    >>> spread([0.5, 0.7])
    '0.600 ± 0.141'
    """
    return f"{statistics.mean(values):.3f} ± {deviation(values):.3f}"


def find(name: str) -> Any:
    """The module of an example."""
    return import_module(f"examples.gallery.{name}")


def in_julia(name: str, expression: str) -> str:
    """A text that an expression gives, in which `inside` is a module with an example's Julia version."""
    path = julia_literal(str(Path(__file__).with_name(f"{name}.jl")))
    return session().runtime.eval_string(INSIDE.format(path=path, expression=expression))


def summarise(name: str, seeds: int, mixed: bool = True) -> Summary:
    """Run an example with the seeds 0, 1, … and, if `mixed`, its Julia version too."""
    example = find(name)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these networks are too small for a second one to help
    try:
        results = [example.measure(Run(seed, mixed=mixed)) for seed in range(seeds)]
    finally:
        torch.set_num_threads(threads)
    julia = in_julia(name, "Base.invokelatest(inside.train)") if mixed else ""
    return Summary(name, results, getattr(example, "LOWER_IS_BETTER", False), julia)


def line(summary: Summary) -> str:
    """What is printed of an example."""
    example = find(summary.name)
    verdict = "better" if summary.beats else "NOT better"
    gains = ", ".join(f"{gain:+.3f}" for gain in summary.gains)
    return (
        f"{summary.name}: {example.METRIC} {summary.metric()}, {verdict} than {example.BASELINE}: "
        f"{summary.baseline()} (gain by seed {gains})" + (f"\n  {summary.julia}" if summary.julia else "")
    )


def picture(example: Example) -> str:
    """The diagram of an example as SVG, its arrows coloured by where they run."""
    made = example.diagram()
    diagram = made.build() if isinstance(made, bridge.Builder) else made
    return diagram.svg(placement=example.PLACEMENT)


def main(name: str) -> None:
    """Run one example from the command line: `python -m examples.gallery.<name> --seeds 5`."""
    example = find(name)
    parser = argparse.ArgumentParser(prog=f"python -m examples.gallery.{name}", description=example.__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (1)")
    parser.add_argument("--torch", action="store_true", help="run everything in PyTorch")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gallery"), help="where the picture goes")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{name}.svg"
    path.write_text(picture(example), encoding="utf-8")
    summary = summarise(name, options.seeds, mixed=not options.torch)
    print(line(summary))
    print(f"drawn in {path}")
    raise SystemExit(0 if summary.beats else 1)

"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim import Optimizer

from bridge.torch.objective import Losses, Objective
from bridge.train.data import Data, Feed
from bridge.train.optimizers import OptimizerLike, make_optimizer

__all__ = ["History", "Step", "fit"]


@dataclass(frozen=True)
class Step:
    """What a callback sees after each step: its number over all epochs and its epoch, both from 0, and its losses."""

    number: int
    epoch: int
    losses: Losses
    objective: Objective
    optimizer: Optimizer


@dataclass
class History:
    """The losses before each step: the total, and each agreement's own, unweighted."""

    total: list[float] = field(default_factory=list)
    agreements: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.total)

    def append(self, epoch: int, losses: Losses) -> None:
        """Add a step."""
        self.epochs.append(epoch)
        self.total.append(losses.total.item())
        for name, loss in losses.agreements.items():
            self.agreements.setdefault(name, []).append(loss.item())


def fit(
    objective: Objective,
    data: Data,
    *,
    epochs: int,
    batch_size: int | Mapping[str, int] = 32,
    optimizer: OptimizerLike = "adam",
    seed: int = 0,
    callback: Callable[[Step], object] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> History:
    """Train an objective on whole data sets `{source: {column: array}}`.

    `optimizer` is "sgd", "adam", "adamw" or "rmsprop" with torch's options (`lr=0.01`, …), a torch optimiser, or a
    function that makes one of the trainable parameters. `seed` gives the order of the samples (`bridge.train.order`);
    what components draw comes from torch's default generator, as in any call of the objective. The callback is called
    after each step; if it returns True, training stops. The progress bar goes to stderr, by default if that is a
    terminal. The modes of objective and components are put back at the end.
    """
    feed = Feed(data, batch_size, seed)
    chosen = make_optimizer(optimizer, objective.trainable_parameters(), options)
    history = History()
    with _train_mode(objective), _bar(progress, epochs * feed.steps) as show:
        for number in range(epochs * feed.steps):
            epoch = number // feed.steps
            losses = objective(feed.batch(number))
            chosen.zero_grad(set_to_none=True)
            losses.backward()
            chosen.step()
            history.append(epoch, losses)
            show(epoch, history.total[-1])
            if callback is not None and callback(Step(number, epoch, losses, objective, chosen)) is True:
                break
    return history


@contextmanager
def _train_mode(objective: Objective) -> Iterator[None]:
    modes = {module: module.training for module in objective.modules()}
    objective.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _bar(progress: bool | None, steps: int) -> Iterator[Callable[[int, float], None]]:
    """A progress bar of so many steps; what it yields is called after each one with its epoch and its loss."""
    console = Console(stderr=True)
    if not (console.is_terminal if progress is None else progress):
        yield lambda epoch, loss: None
        return
    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4g}"), console=console) as bar:
        task = bar.add_task("training", total=steps, epoch=1, loss=float("nan"))
        yield lambda epoch, loss: bar.update(task, advance=1, epoch=epoch + 1, loss=loss)

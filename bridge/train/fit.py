"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim import Optimizer

from bridge.diagram.messages import element
from bridge.errors import BindingError, DiagramError
from bridge.plan.program import Runtime
from bridge.torch.objective import Losses, Objective
from bridge.train.checkpoint import Checkpoint, Cursor
from bridge.train.data import Data, Feed
from bridge.train.optimizers import OptimizerLike, make_optimizer

__all__ = ["History", "Step", "fit"]


@dataclass(frozen=True)
class Step:
    """What a callback sees after each step: its number over all epochs and its epoch, both from 0, and its losses.

    `cursor` is where the training goes on, so `save_checkpoint(path, step.objective, step.optimizer, step.cursor)`
    saves it.
    """

    number: int
    epoch: int
    losses: Losses
    objective: Objective
    optimizer: Optimizer
    cursor: Cursor


@dataclass
class History:
    """The losses before each step: the total, and each agreement's own, unweighted.

    `optimizer` is the one that made the steps, `cursor` where another `fit` would go on.
    """

    optimizer: Optimizer
    cursor: Cursor
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
    optimizer: OptimizerLike | None = None,
    seed: int | None = None,
    start: Checkpoint | Cursor | None = None,
    callback: Callable[[Step], object] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> History:
    """Train an objective on whole data sets `{source: {column: array}}`.

    `optimizer` is "sgd", "adam" (the default), "adamw" or "rmsprop" with torch's options (`lr=0.01`, …), a torch
    optimizer, or a function that makes one of the trainable parameters. An objective that Julia drives makes its steps in
    Julia, where the optimizer has to be of one of these four kinds. `seed` gives the order of the samples
    (`bridge.train.order`), 0 by default; what components draw comes from torch's default generator, as in any call of
    the objective. The callback is called after each step; if it returns True, training stops. The progress bar goes to
    stderr, by default if that is a terminal. The modes of objective and components are put back at the end.

    With `start`, what `load_checkpoint` returned, an interrupted training goes on where it was: the same call ends
    where it would have ended. `epochs` counts those before `start`; optimizer, options and seed are the checkpoint's
    unless they are given, and the optimizer gets its state. A cursor is a start of an optimizer as it is, such as
    `optimizer=history.optimizer, start=history.cursor`.

    Raises DiagramError where the diagram has no agreement, also if a callback changed it to such a one.
    """
    require_agreements(objective)
    at = start.cursor if isinstance(start, Checkpoint) else start or Cursor()
    feed = Feed(data, batch_size, at.seed if seed is None else seed)
    if at.position >= feed.steps:
        raise BindingError("start, position", f"a number below the {feed.steps} steps of an epoch", f"{at.position}")
    chosen = _optimizer(objective, optimizer, options, start if isinstance(start, Checkpoint) else None)
    history = History(chosen, Cursor(at.epoch, at.position, feed.seed))
    begin, end = at.epoch * feed.steps + at.position, epochs * feed.steps
    steps = _steps(objective, feed, chosen, begin, end, callback is not None or _shows(progress))
    with _train_mode(objective), _bar(progress, begin, end) as show:
        for number, losses in steps:
            epoch = number // feed.steps
            history.cursor = Cursor(*divmod(number + 1, feed.steps), feed.seed)
            history.append(epoch, losses)
            show(epoch, history.total[-1])
            step = Step(number, epoch, losses, objective, chosen, history.cursor)
            if callback is not None and callback(step) is True:
                break
            if number + 1 < end:
                require_agreements(objective)
    return history


def require_agreements(objective: Objective) -> None:
    """Refuse a diagram that has nothing to train on."""
    if not objective.plan.agreements:
        raise DiagramError(element("diagram", objective.diagram.name), "an agreement to train on", "none", "trainable")


def _steps(
    objective: Objective, feed: Feed, optimizer: Optimizer, begin: int, end: int, one_by_one: bool
) -> Iterator[tuple[int, Losses]]:
    """Make the steps; gives the number and the losses of each. One at a time where somebody looks at them in between."""
    if objective.plan.driver is Runtime.TORCH:
        for number in range(begin, end):
            losses = objective(feed.batch(number))
            optimizer.zero_grad(set_to_none=True)
            losses.backward()
            optimizer.step()
            yield number, losses
        return
    from bridge.julia.objective import JuliaObjective
    from bridge.julia.training import steps_in_julia

    assert isinstance(objective, JuliaObjective)
    yield from steps_in_julia(objective, feed, optimizer, begin, end, one_by_one)


def _optimizer(
    objective: Objective, given: OptimizerLike | None, options: dict[str, Any], start: Checkpoint | None
) -> Optimizer:
    parameters = objective.trainable_parameters()
    if start is None or not start.optimizer:
        return make_optimizer("adam" if given is None else given, parameters, options)
    if given is None or given == start.optimizer:
        given, options = start.optimizer, {**start.options, **options}
    made = make_optimizer(given, parameters, options)
    start.restore(made, objective)
    return made


@contextmanager
def _train_mode(objective: Objective) -> Iterator[None]:
    modes = {module: module.training for module in objective.modules()}
    objective.train()
    try:
        yield
    finally:
        for module in objective.modules():  # those that came during the training follow the objective
            module.training = modes.get(module, modes[objective])


def _shows(progress: bool | None) -> bool:
    return Console(stderr=True).is_terminal if progress is None else progress


@contextmanager
def _bar(progress: bool | None, begin: int, end: int) -> Iterator[Callable[[int, float], None]]:
    """A progress bar of steps from `begin` to `end`; what it yields is called after each one with its epoch and its loss."""
    console = Console(stderr=True)
    if not _shows(progress):
        yield lambda epoch, loss: None
        return
    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4g}"), console=console) as bar:
        task = bar.add_task("training", total=end, completed=begin, epoch=1, loss=float("nan"))
        yield lambda epoch, loss: bar.update(task, advance=1, epoch=epoch + 1, loss=loss)

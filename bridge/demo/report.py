"""What the demonstration found, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.demo.run import CURVE_STEPS, Figures, Trial

__all__ = ["text"]

HEAD = ("", "steps", "loss at 1", f"at {CURVE_STEPS}", "same in PyTorch", "curves differ by", "accuracy", "in PyTorch")


def text(figures: Figures, trials: Sequence[Trial]) -> str:
    """A table with a row for each training."""
    rows = [HEAD, *(_row(trial) for trial in trials)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"Julia {figures.julia_version}, {figures.engine} engine, {figures.island_calls} island calls"
    return "\n".join([head, *lines])


def _row(trial: Trial) -> tuple[str, ...]:
    result, last = trial.result, CURVE_STEPS - 1
    return (
        f"{trial.name}, {trial.dtype}",
        f"{len(result.curve)}",
        f"{result.curve[0]:.4f}",
        f"{result.curve[last]:.4f}",
        f"{result.curve_torch[last]:.4f}",
        f"{trial.difference:.1e}",
        f"{result.accuracy:.4f}",
        f"{result.accuracy_torch:.4f}",
    )

"""The steps of a program that apply no component, and what all steps of one run share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from bridge.torch.batch import Bindings

__all__ = ["Call", "Step", "detach_step", "diverge_step", "sum_step"]


@dataclass(slots=True)
class Call:
    """What the steps of one run share."""

    train: bool
    seed: int
    bindings: Bindings = field(default_factory=dict)


Step: TypeAlias = Callable[[list[Any], Call], None]


def detach_step(source: int, target: int) -> Step:
    """The value of a register, without its history."""

    def step(registers: list[Any], call: Call) -> None:
        registers[target] = registers[source].detach()

    return step


def diverge_step(function: Callable[..., Tensor], sides: Sequence[int], target: int) -> Step:
    """A divergence of two registers, or of two and a mask."""
    if len(sides) == 2:
        left, right = sides

        def step(registers: list[Any], call: Call) -> None:
            registers[target] = function(registers[left], registers[right])

        return step

    def masked(registers: list[Any], call: Call) -> None:
        registers[target] = function(*[registers[side] for side in sides])

    return masked


def sum_step(weights: Sequence[float], places: Sequence[int], target: int) -> Step:
    """Σ w·L in order, in the widest float dtype of the agreements."""

    def step(registers: list[Any], call: Call) -> None:
        values = [registers[place] for place in places]
        dtypes = {value.dtype for value in values}
        if len(dtypes) > 1:
            widest = max(dtypes, key=lambda dtype: dtype.itemsize)
            values = [value.to(widest) for value in values]
        total: Tensor | None = None
        for weight, value in zip(weights, values, strict=True):
            if total is None:
                total = value if weight == 1.0 else value * weight
            else:
                total = torch.add(total, value, alpha=weight)
        registers[target] = torch.zeros(()) if total is None else total

    return step

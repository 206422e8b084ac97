"""The steps of a program that apply no component, and what all steps of one run share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from bridge.diagram.ir import Space
from bridge.torch.batch import Bindings

__all__ = ["Call", "Held", "Step", "detach_step", "diverge_step", "sum_step"]


@dataclass(slots=True)
class Call:
    """What the steps of one run share.

    `lengths` are the sources' numbers of samples, `bindings` the sizes of axis variables; `hooked` says that some
    portable module has hooks, so that all are called as modules.
    """

    train: bool
    seed: int
    hooked: bool = False
    lengths: dict[str, int] = field(default_factory=dict)
    bindings: Bindings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """What a register holds: values of a space, of the samples of a source. Without a source, one sample."""

    space: Space
    source: str | None

    def samples(self, call: Call) -> int:
        """The first size of the value."""
        return 1 if self.source is None else call.lengths[self.source]


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

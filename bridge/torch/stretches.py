"""Steps in the order of a plan, with a tape only where the plan wants one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from bridge.torch.steps import Call, Step

__all__ = ["Stretches"]


@dataclass(slots=True)
class Stretch:
    """Steps that run one after the other with or without a tape, each with the registers that die after it."""

    tape: bool
    steps: list[tuple[Step, tuple[int, ...]]]


class Stretches:
    """The steps of a plan, or of a part of it, in order."""

    def __init__(self) -> None:
        self._stretches: list[Stretch] = []

    def append(self, step: Step, tape: bool | None, dead: tuple[int, ...]) -> None:
        """Add a step after which the registers `dead` are no longer needed; with `tape` None it runs as the one before."""
        last = self._stretches[-1] if self._stretches else None
        wanted = (last.tape if last else False) if tape is None else tape
        if last is None or last.tape is not wanted:
            last = Stretch(wanted, [])
            self._stretches.append(last)
        last.steps.append((step, dead))

    def run(self, registers: list[Any], call: Call, tracked: bool) -> None:
        """Run all steps. With `tracked` what is in the registers requires gradients, and each step has a tape."""
        enabled = torch.is_grad_enabled()
        for stretch in self._stretches:
            if stretch.tape or tracked or not enabled:
                _run(stretch, registers, call)
            else:
                with torch.no_grad():
                    _run(stretch, registers, call)


def _run(stretch: Stretch, registers: list[Any], call: Call) -> None:
    for step, dead in stretch.steps:
        step(registers, call)
        for register in dead:
            registers[register] = None

"""A plan in memory: the straight-line program that a diagram compiles to (`plan.proto`), as plain immutable data.

Registers are single-assignment numbers. They are counted in schedule order, the outputs of one `apply` in the order of
the arrow's targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bridge.diagram.ir import Divergence

__all__ = ["Instruction", "Island", "Operation", "Placement", "Plan", "PlannedAgreement", "Runtime"]


class Runtime(Enum):
    """Who runs an instruction, and who drives the loop."""

    TORCH = "torch"
    JULIA = "julia"


class Operation(Enum):
    """What an instruction does."""

    LOAD = "load"
    APPLY = "apply"
    DETACH = "detach"
    DIVERGE = "diverge"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a plan.

    `inputs` and `outputs` are registers; `dead` are those, ascending, that nothing reads after this step. `tape` says
    that a trainable parameter is at or below it, with no detach in between. Which of the other fields count depends on
    the operation: `source` and `column` for a load, `arrow` and `application` for an apply, `agreement` (a place in
    `Plan.agreements`) for a diverge. The application is the smallest canonical id of its terms: part of the counter of
    random numbers, whatever the placement.
    """

    operation: Operation
    runtime: Runtime
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    dead: tuple[int, ...] = ()
    tape: bool = False
    source: str = ""
    column: str = ""
    arrow: str = ""
    application: int = 0
    agreement: int = 0


@dataclass(frozen=True, slots=True)
class PlannedAgreement:
    """What a diverge measures; a commute is expanded into several."""

    name: str
    divergence: Divergence
    weight: float


@dataclass(frozen=True, slots=True)
class Island:
    """A maximal run of `count` instructions, from `first`, on the runtime that is not the driver.

    `inputs` and `outputs` are registers, ascending; `components` are in order of first use.
    """

    first: int
    count: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a component runs."""

    component: str
    runtime: Runtime


@dataclass(frozen=True, slots=True)
class Plan:
    """A straight-line program; `diagram` is the SHA-256 of the diagram's canonical form."""

    diagram: bytes
    driver: Runtime
    placements: tuple[Placement, ...]
    registers: int
    instructions: tuple[Instruction, ...]
    agreements: tuple[PlannedAgreement, ...]
    islands: tuple[Island, ...]

    def runtime(self, component: str) -> Runtime:
        """Where a component runs (`KeyError` if there is none of that name)."""
        for placement in self.placements:
            if placement.component == component:
                return placement.runtime
        raise KeyError(component)

    def to_bytes(self) -> bytes:
        """The canonical bytes of the plan, the same in every language."""
        from bridge.plan.encode import plan_bytes

        return plan_bytes(self)

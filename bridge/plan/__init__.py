"""Plans: the straight-line program that a diagram compiles to, given a placement and a driver.

Imports neither torch nor Julia.
"""

from __future__ import annotations

from bridge.plan.compile import place, plan, plan_outputs
from bridge.plan.encode import fragment
from bridge.plan.program import Instruction, Island, Operation, Placement, Plan, PlannedAgreement, Runtime

__all__ = [
    "Instruction",
    "Island",
    "Operation",
    "Placement",
    "Plan",
    "PlannedAgreement",
    "Runtime",
    "fragment",
    "place",
    "plan",
    "plan_outputs",
]

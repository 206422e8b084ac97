"""A plan as plain values for JSON, and as text for a person."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from bridge.cli.diagram import table
from bridge.cli.formulas import number
from bridge.plan.program import Instruction, Operation, Plan

__all__ = ["described_plan", "plan_text"]


def described_plan(plan: Plan) -> dict[str, Any]:
    """The instructions and islands of a plan; `identity` is the SHA-256 of its canonical bytes."""
    return {
        "identity": hashlib.sha256(plan.to_bytes()).hexdigest(),
        "driver": plan.driver.value,
        "registers": plan.registers,
        "instructions": [
            {
                "operation": instruction.operation.value,
                "runtime": instruction.runtime.value,
                "subject": subject(plan, instruction),
                "inputs": instruction.inputs,
                "outputs": instruction.outputs,
                "dead": instruction.dead,
                "tape": instruction.tape,
            }
            for instruction in plan.instructions
        ],
        "islands": [
            {
                "first": island.first,
                "count": island.count,
                "inputs": island.inputs,
                "outputs": island.outputs,
                "components": island.components,
            }
            for island in plan.islands
        ],
    }


def subject(plan: Plan, instruction: Instruction) -> str:
    """What an instruction is about: a column, an arrow or an agreement."""
    if instruction.operation is Operation.LOAD:
        return f"{instruction.source}.{instruction.column}"
    if instruction.operation is Operation.DIVERGE:
        agreement = plan.agreements[instruction.agreement]
        return f"{agreement.name}: {agreement.divergence.name} · {number(agreement.weight)}"
    return instruction.arrow


def plan_text(plan: Plan, rows: int | None) -> str:
    """A plan as a table of at most so many instructions (None: all), and one of islands."""
    count = len(plan.instructions)
    head = f"\nplan, {plan.driver.value} drives, {count} instructions, {plan.registers} registers"
    cells = (_cells(plan, place) for place in range(count))
    lines = [head, *table(cells, count, rows)]
    if plan.islands:
        islands = (
            (
                f"{place}",
                f"instructions {island.first} to {island.first + island.count - 1}",
                f"{registers(island.inputs)} → {registers(island.outputs)}",
                ", ".join(island.components),
            )
            for place, island in enumerate(plan.islands)
        )
        lines += ["", "islands", *table(islands, len(plan.islands), rows)]
    return "\n".join(lines)


def _cells(plan: Plan, place: int) -> Sequence[str]:
    instruction = plan.instructions[place]
    dead = f"frees {registers(instruction.dead)}" if instruction.dead else ""
    flow = f"{registers(instruction.inputs)} → {registers(instruction.outputs)}"
    tape = "tape" if instruction.tape else ""
    what = f"{instruction.operation.value} {subject(plan, instruction)}".rstrip()
    return f"{place}", instruction.runtime.value, what, flow.strip(), tape, dead


def registers(numbers: Sequence[int]) -> str:
    """Registers in a row, cut off after a few.

    >>> registers((3, 4))
    'r3 r4'
    """
    shown = " ".join(f"r{number}" for number in numbers[:SHOWN])
    return f"{shown} … ({len(numbers)})" if len(numbers) > SHOWN else shown


SHOWN = 12

"""Plans and fragments as canonical bytes (`plan.proto`)."""

from __future__ import annotations

from bridge.diagram.ir import Diagram
from bridge.plan.program import Instruction, Island, Operation, Plan, Runtime
from bridge.schema import encode
from bridge.schema.generated import plan_pb2

__all__ = ["fragment", "plan_bytes"]

FORMAT = "diagram_bridge.plan"
SCHEMA_VERSION = 1

_RUNTIMES = {Runtime.TORCH: plan_pb2.RUNTIME_TORCH, Runtime.JULIA: plan_pb2.RUNTIME_JULIA}
_OPERATIONS = {
    Operation.LOAD: plan_pb2.OPERATION_LOAD,
    Operation.APPLY: plan_pb2.OPERATION_APPLY,
    Operation.DETACH: plan_pb2.OPERATION_DETACH,
    Operation.DIVERGE: plan_pb2.OPERATION_DIVERGE,
    Operation.SUM: plan_pb2.OPERATION_SUM,
}


def plan_bytes(plan: Plan) -> bytes:
    """The canonical bytes of a plan: fields ascending, shortest varints, packed scalars."""
    message = plan_pb2.Plan(
        format=FORMAT,
        schema_version=SCHEMA_VERSION,
        diagram=plan.diagram,
        driver=_RUNTIMES[plan.driver],
        placements=[plan_pb2.Placement(component=p.component, runtime=_RUNTIMES[p.runtime]) for p in plan.placements],
        registers=plan.registers,
        instructions=[_instruction(instruction) for instruction in plan.instructions],
        agreements=[
            plan_pb2.PlannedAgreement(name=a.name, divergence=encode.divergence(a.divergence), weight=a.weight)
            for a in plan.agreements
        ],
        islands=[_island(island) for island in plan.islands],
    )
    return message.SerializeToString(deterministic=True)


def fragment(plan: Plan, diagram: Diagram, island: Island) -> bytes:
    """What crosses to the other runtime for an island: its instructions, and the elements that they name.

    Arrows are in order of first use, spaces sorted by name, components as in the island.
    """
    instructions = plan.instructions[island.first : island.first + island.count]
    used = dict.fromkeys(i.arrow for i in instructions if i.operation is Operation.APPLY)
    arrows = [diagram.arrow(name) for name in used]
    spaces = {name for arrow in arrows for name in (*arrow.sources, *arrow.targets)}
    message = plan_pb2.Fragment(
        components=[encode.component(diagram.component(name)) for name in island.components],
        arrows=[encode.arrow(arrow) for arrow in arrows],
        spaces=[encode.space(space) for space in diagram.spaces if space.name in spaces],
        instructions=[_instruction(instruction) for instruction in instructions],
        inputs=island.inputs,
        outputs=island.outputs,
        sourceless=sorted(_sourceless(plan) & {*island.inputs}),
    )
    return message.SerializeToString(deterministic=True)


def _sourceless(plan: Plan) -> set[int]:
    """The registers that hold a term below which no column lies."""
    found: set[int] = set()
    for instruction in plan.instructions:
        if instruction.operation in (Operation.APPLY, Operation.DETACH) and found.issuperset(instruction.inputs):
            found.update(instruction.outputs)
    return found


def _instruction(instruction: Instruction) -> plan_pb2.Instruction:
    return plan_pb2.Instruction(
        operation=_OPERATIONS[instruction.operation],
        runtime=_RUNTIMES[instruction.runtime],
        inputs=instruction.inputs,
        outputs=instruction.outputs,
        dead=instruction.dead,
        tape=instruction.tape,
        source=instruction.source,
        column=instruction.column,
        arrow=instruction.arrow,
        application=instruction.application,
        agreement=instruction.agreement,
    )


def _island(island: Island) -> plan_pb2.Island:
    return plan_pb2.Island(
        first=island.first,
        count=island.count,
        inputs=island.inputs,
        outputs=island.outputs,
        components=island.components,
    )

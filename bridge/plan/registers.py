"""Registers, tapes, deaths and islands: from an order of steps to instructions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bridge.diagram.ir import Diagram, OutputTerm, Term
from bridge.plan.program import Instruction, Island, Operation, Runtime
from bridge.plan.schedule import Step

__all__ = ["Allocation", "allocate", "bury", "islands"]


@dataclass(slots=True)
class Allocation:
    """Instructions whose registers are assigned, and the register that holds each term."""

    instructions: list[Instruction]
    registers: int
    of_term: dict[int, int]


def allocate(diagram: Diagram, terms: Sequence[Term], order: Sequence[Step]) -> Allocation:
    """Number registers in schedule order, and find what needs a tape."""
    of_term: dict[int, int] = {}
    taped: list[bool] = []  # by register
    instructions: list[Instruction] = []
    places: dict[int, int] = {}  # the register of each agreement

    for step in order:
        if step.operation is Operation.SUM:
            inputs = tuple(places[place] for place in range(len(places)))
        else:
            inputs = tuple(map(of_term.__getitem__, step.terms))
        count = 1
        tape = step.operation is not Operation.DETACH and any(map(taped.__getitem__, inputs))
        if step.operation is Operation.APPLY:
            arrow = diagram.arrow(step.arrow)
            component = diagram.component(arrow.component)
            count = len(arrow.targets)
            tape = tape or (component.has_parameters and not component.training.is_frozen)
        outputs = tuple(range(len(taped), len(taped) + count))
        taped.extend([tape] * count)
        made = (step.operation, step.runtime, inputs, outputs, (), tape)
        if step.operation is Operation.LOAD and step.column is not None:
            instruction = Instruction(*made, source=step.column.source, column=step.column.column)
        elif step.operation is Operation.APPLY:
            instruction = Instruction(*made, arrow=step.arrow, application=step.id)
        elif step.operation is Operation.DIVERGE:
            instruction = Instruction(*made, agreement=step.place)
            places[step.place] = outputs[0]
        else:
            instruction = Instruction(*made)
        instructions.append(instruction)
        for term in step.computes:
            entry = terms[term]
            of_term[term] = outputs[entry.output if isinstance(entry, OutputTerm) else 0]
    return Allocation(instructions, len(taped), of_term)


def bury(instructions: Sequence[Instruction], kept: Collection[int]) -> list[Instruction]:
    """Fill in `dead`: where each register is read last, or made if nothing reads it. Those in `kept` never die."""
    last: list[int] = []  # by register: they are numbered in the order in which they are made
    for place, instruction in enumerate(instructions):
        last.extend([place] * len(instruction.outputs))
        for register in instruction.inputs:
            last[register] = place
    dead: dict[int, list[int]] = {}
    for register, place in enumerate(last):
        if register not in kept:
            dead.setdefault(place, []).append(register)
    buried = list(instructions)
    for place, registers in dead.items():
        buried[place] = replace(buried[place], dead=tuple(registers))
    return buried


def islands(
    diagram: Diagram, instructions: Sequence[Instruction], driver: Runtime, kept: Collection[int]
) -> tuple[Island, ...]:
    """The maximal runs on the runtime that is not the driver; registers in `kept` are read after the end."""
    if all(instruction.runtime is driver for instruction in instructions):
        return ()
    last: dict[int, int] = dict.fromkeys(kept, len(instructions))
    for place, instruction in enumerate(instructions):
        for register in instruction.inputs:
            last[register] = max(place, last.get(register, 0))
    found = []
    for away, run in groupby(range(len(instructions)), key=lambda place: instructions[place].runtime is not driver):
        if not away:
            continue
        places = list(run)
        inside = [instructions[place] for place in places]
        made = {register for instruction in inside for register in instruction.outputs}
        read = {register for instruction in inside for register in instruction.inputs}
        components = dict.fromkeys(diagram.arrow(i.arrow).component for i in inside if i.operation is Operation.APPLY)
        found.append(
            Island(
                first=places[0],
                count=len(places),
                inputs=tuple(sorted(read - made)),
                outputs=tuple(sorted(register for register in made if last.get(register, -1) > places[-1])),
                components=tuple(components),
            )
        )
    return tuple(found)

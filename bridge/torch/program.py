"""A plan as something that runs: one closure per instruction, over a list of registers.

Islands are single steps. Steps that need no tape run under `no_grad`, in as few stretches as the plan's order allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from bridge.diagram.ir import Diagram
from bridge.plan.program import Instruction, Island, Operation, Plan
from bridge.torch.apply_step import apply_step, output_check
from bridge.torch.batch import Batch, Bindings, loader
from bridge.torch.divergences import measure
from bridge.torch.islands import IslandCall
from bridge.torch.portable import PortableModule, has_hooks
from bridge.torch.steps import Call, Held, Step, detach_step, diverge_step, sum_step
from bridge.torch.stretches import Stretches

__all__ = ["Program"]


class Program:
    """A plan bound to modules. `run` gives the registers at the end; dead ones are None."""

    def __init__(
        self,
        diagram: Diagram,
        plan: Plan,
        components: Mapping[str, nn.Module],
        islands: Sequence[IslandCall],
        keep_buffers: bool = False,
    ) -> None:
        self.registers = plan.registers
        self.loads: list[tuple[int, Callable[[Batch, dict[str, int], Bindings], Tensor]]] = []
        self.steps = Stretches()
        self.held = _held(diagram, plan)
        self._components = components
        self._portable = [module for module in components.values() if isinstance(module, PortableModule)]
        self._keep_buffers = keep_buffers
        starts = {island.first: (island, call) for island, call in zip(plan.islands, islands, strict=True)}
        place = 0
        while place < len(plan.instructions):
            instruction = plan.instructions[place]
            if place in starts:
                island, call = starts[place]
                inside = plan.instructions[place : place + island.count]
                dead = tuple(sorted({r for i in inside for r in i.dead} & {*island.inputs, *island.outputs}))
                self.steps.append(self._island(island, call), any(i.tape for i in inside), dead)
                place += island.count
                continue
            place += 1
            if instruction.operation is Operation.LOAD:
                (register,) = instruction.outputs
                load = loader(instruction.source, instruction.column, self.held[register].space)
                self.loads.append((register, load))
            elif instruction.operation is Operation.DETACH:
                # A detach is the same with and without a tape, so it does not end a stretch.
                self.steps.append(detach_step(*instruction.inputs, *instruction.outputs), None, instruction.dead)
            else:
                self.steps.append(self._step(diagram, plan, instruction), instruction.tape, instruction.dead)

    def run(self, batch: Batch, call: Call) -> list[Any]:
        """Run the plan on a batch. The batch is checked as a whole before any component runs."""
        call.hooked = any(map(has_hooks, self._portable))
        registers: list[Any] = [None] * self.registers
        tracked = False
        for register, load in self.loads:
            value = registers[register] = load(batch, call.lengths, call.bindings)
            tracked = tracked or value.requires_grad
        # Where the batch itself requires gradients, they may flow through what has nothing to train.
        self.steps.run(registers, call, tracked)
        return registers

    def _step(self, diagram: Diagram, plan: Plan, instruction: Instruction) -> Step:
        if instruction.operation is Operation.APPLY:
            arrow = diagram.arrow(instruction.arrow)
            return apply_step(
                arrow,
                diagram.component(arrow.component),
                self._components[arrow.component],
                instruction,
                self.held,
                self._keep_buffers,
            )
        if instruction.operation is Operation.DIVERGE:
            agreement = plan.agreements[instruction.agreement]
            left, right, *masks = (self.held[register].space for register in instruction.inputs)
            mask = masks[0] if masks else None
            function = measure(agreement.divergence, left, right, mask, f"agreement {agreement.name!r}")
            return diverge_step(function, instruction.inputs, instruction.outputs[0])
        return sum_step([a.weight for a in plan.agreements], instruction.inputs, instruction.outputs[0])

    def _island(self, island: Island, call_island: IslandCall) -> Step:
        inputs, outputs = island.inputs, island.outputs
        held = [self.held[register] for register in outputs]
        checks = [output_check(value.space, f"island of {', '.join(island.components)}") for value in held]

        def step(registers: list[Any], call: Call) -> None:
            given = tuple([registers[register] for register in inputs])
            values = call_island(given, call.train, call.seed)
            for register, what, check, value in zip(outputs, held, checks, values, strict=True):
                registers[register] = check(value, what.samples(call), call.bindings)

        return step


def _held(diagram: Diagram, plan: Plan) -> dict[int, Held]:
    """What each register holds, but for those of divergences."""
    held: dict[int, Held] = {}
    for instruction in plan.instructions:
        if instruction.operation is Operation.LOAD:
            column = diagram.source(instruction.source).column(instruction.column)
            held[instruction.outputs[0]] = Held(diagram.space(column.space), instruction.source)
        elif instruction.operation is Operation.APPLY:
            sources = [held[register].source for register in instruction.inputs]
            source = next((name for name in sources if name is not None), None)
            targets = diagram.arrow(instruction.arrow).targets
            for register, space in zip(instruction.outputs, targets, strict=True):
                held[register] = Held(diagram.space(space), source)
        elif instruction.operation is Operation.DETACH:
            held[instruction.outputs[0]] = held[instruction.inputs[0]]
    return held

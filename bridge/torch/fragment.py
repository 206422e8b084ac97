"""A fragment of a plan that PyTorch runs: an island of a diagram that Julia drives, without the border around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Arrow, Space
from bridge.errors import BatchError
from bridge.plan.program import Instruction, Operation, Runtime
from bridge.schema import decode
from bridge.schema.generated import plan_pb2
from bridge.torch.apply_step import apply_step
from bridge.torch.batch import Bindings, describe, fits, found
from bridge.torch.portable import PortableModule, has_hooks
from bridge.torch.steps import Call, Held, detach_step
from bridge.torch.stretches import Stretches

__all__ = ["FragmentProgram"]


class FragmentProgram:
    """A fragment (`plan.proto`) bound to the modules of its components, by name.

    `run` goes from its inputs to its outputs. With `keep_buffers` no component changes its buffers.
    """

    def __init__(
        self, fragment: plan_pb2.Fragment, modules: Mapping[str, nn.Module], keep_buffers: bool = False
    ) -> None:
        known = decode.Known()
        self.components = tuple(decode.component(message, known) for message in fragment.components)
        self.modules = dict(modules)
        self.element = f"island of {', '.join(component.name for component in self.components)}"
        self.inputs, self.outputs = tuple(fragment.inputs), tuple(fragment.outputs)
        arrows = {message.name: decode.arrow(message) for message in fragment.arrows}
        spaces = {message.name: decode.space(message) for message in fragment.spaces}
        components = {component.name: component for component in self.components}
        instructions = [_instruction(message) for message in fragment.instructions]
        sources = _sources(self.inputs, set(fragment.sourceless), instructions)
        held = _held(self.inputs, sources, instructions, arrows, spaces)
        self._registers = 1 + max((*self.inputs, *(r for i in instructions for r in i.outputs)))
        self._sources = [sources[register] for register in self.inputs]
        self._spaces = [held[register].space if register in held else None for register in self.inputs]
        self._checks = [None if space is None else fits(space) for space in self._spaces]
        self._portable = [module for module in self.modules.values() if isinstance(module, PortableModule)]
        self._steps = Stretches()
        for i in instructions:
            dead = tuple(register for register in i.dead if register not in self.outputs)
            if i.operation is Operation.DETACH:
                self._steps.append(detach_step(*i.inputs, *i.outputs), None, dead)
                continue
            arrow = arrows[i.arrow]
            module = self.modules[arrow.component]
            step = apply_step(arrow, components[arrow.component], module, i, held, keep_buffers)
            self._steps.append(step, i.tape, dead)

    def run(self, inputs: Sequence[Tensor], train: bool, seed: int) -> list[Tensor]:
        """The outputs for batches (N, …) of the inputs, in order. Autograd records what it would in an objective.

        Raises BatchError for an output of a component that does not fit its space.
        """
        call = Call(train, seed)
        call.hooked = any(map(has_hooks, self._portable))
        registers: list[Any] = [None] * self._registers
        for k, (register, value, source) in enumerate(zip(self.inputs, inputs, self._sources, strict=True)):
            if source is not None:
                call.lengths[source] = value.shape[0]
            self._bind(k, value, call.bindings)
            registers[register] = value
        tracked = torch.is_grad_enabled() and any(value.requires_grad for value in inputs)
        self._steps.run(registers, call, tracked)
        return [registers[register] for register in self.outputs]

    def _bind(self, k: int, value: Tensor, bindings: Bindings) -> None:
        check, space = self._checks[k], self._spaces[k]
        if check is not None and space is not None and not check(value, value.shape[0], bindings):
            raise BatchError(f"{self.element}, input {k}", describe(space, bindings), found(value))


_OPERATIONS = {plan_pb2.OPERATION_APPLY: Operation.APPLY, plan_pb2.OPERATION_DETACH: Operation.DETACH}


def _instruction(message: plan_pb2.Instruction) -> Instruction:
    if message.operation not in _OPERATIONS:
        raise BatchError("a fragment", "only instructions to apply and to detach", f"operation {message.operation}")
    return Instruction(
        _OPERATIONS[message.operation],
        Runtime.TORCH,
        tuple(message.inputs),
        tuple(message.outputs),
        tuple(message.dead),
        message.tape,
        arrow=message.arrow,
        application=message.application,
    )


def _sources(inputs: Sequence[int], without: set[int], instructions: Sequence[Instruction]) -> dict[int, str | None]:
    """A name for the source of each register: inputs that meet in an application have the same one."""
    joined = {register: register for register in inputs if register not in without}

    def root(register: int) -> int:
        while joined[register] != register:
            register = joined[register]
        return register

    of: dict[int, int | None] = {register: joined.get(register) for register in inputs}
    for i in instructions:
        below = [root(one) for one in (of[register] for register in i.inputs) if one is not None]
        for other in below[1:]:
            joined[other] = below[0]
        of.update(dict.fromkeys(i.outputs, below[0] if below else None))
    return {register: None if one is None else str(root(one)) for register, one in of.items()}


def _held(
    inputs: Sequence[int],
    sources: Mapping[int, str | None],
    instructions: Sequence[Instruction],
    arrows: Mapping[str, Arrow],
    spaces: Mapping[str, Space],
) -> dict[int, Held]:
    """What each register holds, but for an input that nothing but a detach reads: its space is not known here."""
    held: dict[int, Held] = {}

    def learn(register: int, space: Space) -> None:
        held.setdefault(register, Held(space, sources[register]))

    for i in instructions:
        if i.operation is Operation.APPLY:
            arrow = arrows[i.arrow]
            for register, name in (*zip(i.inputs, arrow.sources, strict=True), *zip(i.outputs, arrow.targets, strict=True)):
                learn(register, spaces[name])
    for i in reversed(instructions):
        if i.operation is Operation.DETACH and i.outputs[0] in held:
            learn(i.inputs[0], held[i.outputs[0]].space)
    for i in instructions:
        if i.operation is Operation.DETACH and i.inputs[0] in held:
            learn(i.outputs[0], held[i.inputs[0]].space)
    return held

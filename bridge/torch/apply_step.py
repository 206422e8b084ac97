"""One application as a step: arguments in, module, checked outputs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Arrow, Component, Space
from bridge.errors import BatchError
from bridge.plan.program import Instruction
from bridge.torch.application import applier
from bridge.torch.batch import DTYPES, Bindings, check_indices, describe, fits, found
from bridge.torch.layers import LayerMode
from bridge.torch.portable import PortableModule
from bridge.torch.steps import Call, Held, Step

__all__ = ["apply_step", "output_check"]

Check = Callable[[Any, int, Bindings], Tensor]


def apply_step(
    arrow: Arrow,
    component: Component,
    module: nn.Module,
    instruction: Instruction,
    held: Mapping[int, Held],
    keep_buffers: bool,
) -> Step:
    """The step of an arrow.

    A value without columns below it is kept as a batch of one sample. As an argument beside others it is broadcast over
    the batch.
    """
    inputs, outputs = instruction.inputs, instruction.outputs
    source = held[outputs[0]].source
    spread = [k for k, r in enumerate(inputs) if held[r].source is None and source is not None]
    frozen, application = component.training.is_frozen, instruction.application
    element = f"arrow {arrow.name!r}"
    targets = [held[register].space for register in outputs]
    single = len(outputs) == 1
    checks = [output_check(s, element if single else f"{element}, output {k}") for k, s in enumerate(targets)]
    check, target = checks[0], outputs[0]
    if isinstance(module, PortableModule) and single and not frozen and not spread:
        return _portable_step(module, instruction, targets[0], check)
    apply = applier(component, module, keep_buffers)
    portable = isinstance(module, PortableModule)
    # A module of the caller's need not bear an empty batch, and what it would do to its buffers means nothing.
    guarded = not portable and source is not None
    trained = tuple if frozen else module.parameters
    follows = not portable and not frozen and not keep_buffers

    def step(registers: list[Any], call: Call) -> None:
        arguments = [registers[register] for register in inputs]
        samples = 1 if source is None else call.lengths[source]
        for place in spread:
            value = arguments[place]
            arguments[place] = value.expand(samples, *value.shape[1:])
        if guarded and samples == 0:
            results: Any = _vacuous([*arguments, *trained()], targets, call.bindings)
        else:
            try:
                # What `apply` would do too, for the usual case that there is nothing to change.
                usual = follows and module.training is call.train
                if usual:
                    results = module(*arguments)
                else:
                    results = apply(arguments, LayerMode(call.train, call.seed, application))
            except Exception as error:
                _note(error, f"in {element} of the diagram, component {component.name!r}")
                raise
            if not inputs:
                results = _as_batch(results)
        if single:
            registers[target] = check(results, samples, call.bindings)
            return
        if not isinstance(results, (tuple, list)) or len(results) != len(outputs):
            raise BatchError(element, f"a tuple of {len(outputs)} tensors", _describe(results))
        for register, one, value in zip(outputs, checks, results, strict=True):
            registers[register] = one(value, samples, call.bindings)

    return step


def _portable_step(module: PortableModule, instruction: Instruction, space: Space, check: Check) -> Step:
    """The step of a portable component with one output, which takes little longer than what it computes.

    The checker has seen that the layers fit the spaces, so only autocast can give an output that doesn't.
    """
    compute, inputs, (target,) = module.function, instruction.inputs, instruction.outputs
    dtype, application = DTYPES[space.data_type], instruction.application

    def step(registers: list[Any], call: Call) -> None:
        arguments = [registers[register] for register in inputs]
        value = module(*arguments) if call.hooked else compute(*arguments)
        registers[target] = value if value.dtype is dtype else check(value, len(value), call.bindings)

    def step_with_mode(registers: list[Any], call: Call) -> None:
        arguments = [registers[register] for register in inputs]
        mode = LayerMode(call.train, call.seed, application)
        value = module(*arguments, mode=mode) if call.hooked else compute(mode, *arguments)
        registers[target] = value if value.dtype is dtype else check(value, len(value), call.bindings)

    return step_with_mode if module.has_mode else step


def output_check(space: Space, element: str) -> Check:
    """A function that returns a component's output if it is a batch of so many samples of a space.

    Under autocast a float of another dtype is cast to the space's. Anything else raises `BatchError`.
    """
    dtype, tail = DTYPES[space.data_type], space.shape
    slow = _slow_check(space, element)
    if space.classes or any(isinstance(size, str) for size in tail):
        return slow
    shape = (0, *tail)

    def checked(value: object, samples: int, bindings: Bindings) -> Tensor:
        nonlocal shape
        if shape[0] != samples:
            shape = (samples, *tail)
        if isinstance(value, Tensor) and value.shape == shape and value.dtype is dtype:
            return value
        return slow(value, samples, bindings)

    return checked


def _slow_check(space: Space, element: str) -> Check:
    check = fits(space)
    dtype = DTYPES[space.data_type]

    def checked(value: object, samples: int, bindings: Bindings) -> Tensor:
        if not isinstance(value, Tensor):
            raise BatchError(element, f"a tensor, {describe(space)}", f"a {type(value).__name__}")
        if value.dtype is not dtype and _is_autocast(value, dtype):
            value = value.to(dtype)
        if not check(value, samples, bindings):
            expected = describe(space, bindings).replace("(N", f"({samples}", 1)
            raise BatchError(element, expected, found(value))
        if space.classes:
            check_indices(value, space, element)
        return value

    return checked


def _is_autocast(value: Tensor, dtype: torch.dtype) -> bool:
    floats = dtype.is_floating_point and value.is_floating_point()
    return floats and torch.is_autocast_enabled(value.device.type)


class _Vacuous(torch.autograd.Function):
    """Empty outputs that depend on what they would have depended on, with zero gradients."""

    @staticmethod
    def forward(ctx: Any, shapes: Sequence[tuple[tuple[int, ...], torch.dtype]], *below: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*below)
        made = tuple(below[0].new_empty(shape, dtype=dtype) for shape, dtype in shapes)
        ctx.mark_non_differentiable(*[value for value in made if not value.is_floating_point()])
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        return None, *(
            torch.zeros_like(value) if need else None for value, need in zip(ctx.saved_tensors, needed, strict=True)
        )


def _vacuous(below: Sequence[Tensor], targets: Sequence[Space], bindings: Bindings) -> Any:
    """What a module makes of an empty batch. An axis variable that nothing has bound is taken as 1."""
    shapes = [
        ((0, *(bindings.get(size, 1) if isinstance(size, str) else size for size in s.shape)), DTYPES[s.data_type])
        for s in targets
    ]
    values = _Vacuous.apply(shapes, *below)  # type: ignore[no-untyped-call]
    return values[0] if len(targets) == 1 else values


def _as_batch(results: Any) -> Any:
    """A batch of one sample, from the sample that a module without inputs returns."""
    if isinstance(results, Tensor):
        return results.unsqueeze(0)
    if isinstance(results, (tuple, list)):
        return tuple(_as_batch(result) for result in results)
    return results


def _describe(results: Any) -> str:
    return f"{len(results)} values" if isinstance(results, (tuple, list)) else f"a {type(results).__name__}"


def _note(error: BaseException, note: str) -> None:
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(note)

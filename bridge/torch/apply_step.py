"""One application as a step: arguments in, module, checked outputs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Arrow, Component, Space
from bridge.errors import BatchError
from bridge.plan.program import Instruction
from bridge.torch.application import applier
from bridge.torch.batch import DTYPES, Bindings, check_indices, describe, fits, found
from bridge.torch.portable import PortableModule
from bridge.torch.steps import Call, Step

__all__ = ["apply_step", "output_check"]

Check = Callable[[Any, int, Bindings], Tensor]


def apply_step(
    arrow: Arrow,
    component: Component,
    module: nn.Module,
    instruction: Instruction,
    targets: Sequence[Space],
    sourceless: Sequence[bool],
    keep_buffers: bool,
) -> Step:
    """The step of an arrow. `sourceless` tells of each argument whether no column is below it.

    A sourceless value is kept as a batch of one sample. As an argument beside others it is broadcast over the batch.
    """
    apply = applier(component, module, keep_buffers)
    inputs, outputs = instruction.inputs, instruction.outputs
    element = f"arrow {arrow.name!r}"
    checks = [
        output_check(space, element if len(targets) == 1 else f"{element}, output {k}")
        for k, space in enumerate(targets)
    ]
    sourced = [place for place, alone in enumerate(sourceless) if not alone]
    spread = [place for place, alone in enumerate(sourceless) if alone] if sourced else []
    counted = sourced[0] if sourced else 0
    single = len(outputs) == 1
    check, target = checks[0], outputs[0]
    # A module of the caller's need not bear an empty batch, and what it would do to its buffers means nothing.
    trained = tuple if component.training.is_frozen else module.parameters
    guarded = bool(sourced) and not isinstance(module, PortableModule)

    def step(registers: list[Any], call: Call) -> None:
        arguments = [registers[register] for register in inputs]
        samples = arguments[counted].shape[0] if inputs else 1
        for place in spread:
            value = arguments[place]
            arguments[place] = value.expand(samples, *value.shape[1:])
        if guarded and samples == 0:
            results: Any = _vacuous([*arguments, *trained()], targets, call.bindings)
        else:
            try:
                results = apply(tuple(arguments), call.train)
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


def output_check(space: Space, element: str) -> Check:
    """A function that returns a component's output if it is a batch of so many samples of a space.

    Under autocast a float of another dtype is cast to the space's. Anything else raises `BatchError`.
    """
    check = fits(space)
    dtype = DTYPES[space.data_type]

    def checked(value: Any, samples: int, bindings: Bindings) -> Tensor:
        if not isinstance(value, Tensor):
            raise BatchError(element, f"a tensor, {describe(space)}", f"a {type(value).__name__}")
        if (
            value.dtype is not dtype
            and dtype.is_floating_point
            and value.is_floating_point()
            and torch.is_autocast_enabled(value.device.type)
        ):
            value = value.to(dtype)
        if not check(value, samples, bindings):
            expected = describe(space, bindings).replace("(N", f"({samples}", 1)
            raise BatchError(element, expected, found(value))
        if space.classes:
            check_indices(value, space, element)
        return value

    return checked


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
    values = _Vacuous.apply(shapes, *below)
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

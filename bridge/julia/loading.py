"""Loading a fragment of a plan into a Julia session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bridge.errors import BindingError
from bridge.julia.component import DTYPES, JuliaModel
from bridge.julia.island import Island, Place
from bridge.julia.session import Session
from bridge.schema.generated import control_pb2 as control
from bridge.schema.generated import plan_pb2

__all__ = ["load"]


def load(
    session: Session,
    fragment: bytes,
    models: Mapping[str, JuliaModel],
    parameters: Sequence[torch.Tensor],
    buffers: Sequence[torch.Tensor],
    *,
    one_batch: bool,
    allow_device_copy: bool = False,
) -> Island:
    """The island of a fragment (`plan.proto`, canonical bytes).

    `models` has the module of each component of the user's, `parameters` the components' parameters in order, and
    `buffers` those of portable ones, which tell shapes and dtypes. `one_batch` says that all inputs and outputs have the
    first size of the first input. Raises BridgeError, naming the element, for a fragment that Julia's engine does not
    understand, BindingError for modules with other parameters than their layers'.
    """
    message = plan_pb2.Fragment.FromString(fragment)
    instances = [models[c.name].instance if c.name in models else 0 for c in message.components]
    request = control.Load(fragment=message, instances=instances)
    loaded = session.control(control.Request(load=request)).loaded
    spaces = _register_spaces(message)
    count = len(message.inputs)
    uniform = count > 0 and one_batch  # room is given by the batch of the first input
    inputs = [
        _place(register, spaces, uniform and loaded.gradients_filled[k], loaded.inputs_retained[k])
        for k, register in enumerate(message.inputs)
    ]
    variables = [("parameter", t) for t in parameters] + [("buffer", t) for t in buffers]
    if len(variables) != len(loaded.gradients_filled) - count:
        names = ", ".join(component.name for component in message.components)
        found = f"{len(variables)}: they were added to a module, or taken away"
        raise BindingError(f"island of {names}", f"{len(loaded.gradients_filled) - count} parameters and buffers", found)
    arguments = [
        Place(what, tuple(t.shape), t.dtype, False, loaded.gradients_filled[k], loaded.inputs_retained[k])
        for k, (what, t) in enumerate(variables, count)
    ]
    outputs = [
        _place(register, spaces, uniform and loaded.outputs_filled[k], loaded.outputs_retained[k])
        for k, register in enumerate(message.outputs)
    ]
    return Island(
        session,
        session.hold(loaded.island),
        inputs,
        arguments,
        outputs,
        buffers=len(buffers),
        allow_device_copy=allow_device_copy,
    )


def _place(register: int, spaces: Mapping[int, Any], filled: bool, retained: bool) -> Place:
    space = spaces.get(register)
    if space is None:  # an input that is only detached: nothing is known of it here, and nothing has to be
        return Place("input", None, torch.float32, True, False, retained)
    sizes = None if any(axis.variable for axis in space.axes) else tuple(axis.size for axis in space.axes)
    return Place(space.name, sizes, DTYPES[space.data_type], True, filled, retained)


def _register_spaces(message: Any) -> dict[int, Any]:
    """The space of each register, from the arrows that read or write it."""
    spaces = {space.name: space for space in message.spaces}
    arrows = {arrow.name: arrow for arrow in message.arrows}
    found: dict[int, Any] = {}
    detached: list[tuple[int, int]] = []
    for instruction in message.instructions:
        if instruction.operation == plan_pb2.OPERATION_DETACH:
            detached.append((instruction.inputs[0], instruction.outputs[0]))
            continue
        arrow = arrows[instruction.arrow]
        for register, name in zip(instruction.inputs, arrow.sources, strict=True):
            found.setdefault(register, spaces[name])
        for register, name in zip(instruction.outputs, arrow.targets, strict=True):
            found.setdefault(register, spaces[name])
    for argument, value in detached:
        if argument in found:
            found.setdefault(value, found[argument])
    for argument, value in reversed(detached):
        if value in found:
            found.setdefault(argument, found[value])
    return found

"""What an optimizer keeps for each parameter, by (component, path, slot), out of and into torch's optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridge.errors import BindingError, UnsupportedError
from bridge.train.optimizers import optimizer_name

__all__ = ["Slots", "read_state", "set_state"]

Slots: TypeAlias = Mapping[tuple[str, str, str], Tensor]
"""Tensors by (component, path of the parameter, slot). `step` is one int64, the others are as torch has them."""

Parameters: TypeAlias = Mapping[tuple[str, str], nn.Parameter]


def read_state(optimizer: Optimizer, parameters: Parameters) -> dict[tuple[str, str, str], Tensor]:
    """The state of an optimizer of these parameters.

    Raises BindingError for a parameter of the optimizer's that is none of them, UnsupportedError for what is no tensor.
    """
    slots: dict[tuple[str, str, str], Tensor] = {}
    for (component, path), parameter in _stepped(optimizer, parameters).items():
        for slot, value in optimizer.state.get(parameter, {}).items():
            if value is None:
                continue
            if slot == "step":
                value = torch.tensor(int(value), dtype=torch.int64)
            if not isinstance(value, Tensor):
                element = f"the optimizer's state of parameter '{component}/{path}', slot '{slot}'"
                raise UnsupportedError(element, "a tensor", f"a {type(value).__name__}")
            slots[component, path, slot] = value
    return slots


def set_state(optimizer: Optimizer, parameters: Parameters, slots: Slots, where: str) -> None:
    """Replace the state of an optimizer of these parameters; all of it, or none of it if something does not fit.

    Raises BindingError: about `where` for a parameter that the optimizer does not have, about the state of a parameter
    for a slot that is missing, one that its optimizer does not have, and one of another type or size.
    """
    stepped = _stepped(optimizer, parameters)
    found: dict[tuple[str, str], dict[str, Tensor]] = {}
    for (component, path, slot), value in slots.items():
        found.setdefault((component, path), {})[slot] = value
    states: dict[Tensor, dict[str, Any]] = {}
    for key, state in found.items():
        if key not in stepped:
            raise BindingError(where, "state of parameters that the optimizer has", f"of '{'/'.join(key)}'")
        element = f"the optimizer's state of parameter '{'/'.join(key)}'"
        wanted = slot_names(optimizer)
        if wanted is not None and set(state) != wanted:
            raise BindingError(element, ", ".join(sorted(wanted)), ", ".join(sorted(state)))
        parameter = stepped[key]
        states[parameter] = {slot: _restored(slot, value, parameter, element) for slot, value in state.items()}
    optimizer.state.clear()
    optimizer.state.update(states)


def slot_names(optimizer: Optimizer) -> set[str] | None:
    """The slots that a portable optimizer keeps for a parameter that was stepped; None for other optimizers."""
    name, options = optimizer_name(optimizer), optimizer.param_groups[0]
    if name == "sgd":
        return {"momentum_buffer"} if options["momentum"] else set()
    if name in ("adam", "adamw"):
        return {"step", "exp_avg", "exp_avg_sq"} | ({"max_exp_avg_sq"} if options["amsgrad"] else set())
    if name == "rmsprop":
        more = {"momentum_buffer": options["momentum"] > 0, "grad_avg": options["centered"]}
        return {"step", "square_avg"} | {slot for slot, kept in more.items() if kept}
    return None


def _stepped(optimizer: Optimizer, parameters: Parameters) -> dict[tuple[str, str], nn.Parameter]:
    """The parameters of the optimizer, each under its first name."""
    keys: dict[nn.Parameter, tuple[str, str]] = {}
    for key, parameter in parameters.items():
        keys.setdefault(parameter, key)
    found: dict[tuple[str, str], nn.Parameter] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter not in keys:
                raise BindingError("the optimizer", "parameters of the objective's", f"another of {tuple(parameter.shape)}")
            found[keys[parameter]] = parameter
    return found


def _restored(slot: str, value: Tensor, parameter: nn.Parameter, element: str) -> Any:
    if slot == "step":
        return torch.tensor(float(value.item()))
    if value.dim() and (value.shape, value.dtype) != (parameter.shape, parameter.dtype):
        raise BindingError(f"{element}, slot '{slot}'", "the parameter's type and size", "others")
    return value.clone().to(parameter.device)

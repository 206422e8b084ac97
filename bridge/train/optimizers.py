"""Optimizers by name: torch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.optim import Optimizer

from bridge.errors import BindingError, UnsupportedError

__all__ = ["OPTIMIZERS", "OptimizerLike", "make_optimizer", "optimizer_name", "optimizer_options"]

OptimizerLike: TypeAlias = "str | Optimizer | Callable[[list[nn.Parameter]], Optimizer]"
"""A name, an optimiser, or a function that makes one of a list of parameters."""

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


def make_optimizer(optimizer: OptimizerLike, parameters: Sequence[nn.Parameter], options: Mapping[str, Any]) -> Optimizer:
    """The optimiser meant by a name (with torch's keyword arguments), or the caller's own.

    >>> make_optimizer("sgd", [nn.Parameter(torch.zeros(2))], {"lr": 0.5}).defaults["lr"]
    0.5
    """
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise BindingError("the optimizer", f"one of {sorted(OPTIMIZERS)}", repr(optimizer))
        return OPTIMIZERS[optimizer](list(parameters), **options)
    if options:
        raise BindingError("the optimizer", "its options in the optimizer itself", f"also {sorted(options)}")
    made = optimizer if isinstance(optimizer, Optimizer) else optimizer(list(parameters))
    if not isinstance(made, Optimizer):
        raise BindingError("the optimizer", "a torch.optim.Optimizer", f"a {type(made).__name__}")
    return made


# How torch computes the same steps; another machine chooses for itself.
IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})


def optimizer_name(optimizer: Optimizer) -> str:
    """The name in `OPTIMIZERS` of a portable optimizer, the Python name of another.

    >>> optimizer_name(torch.optim.SGD([nn.Parameter(torch.zeros(2))]))
    'sgd'
    >>> optimizer_name(torch.optim.Adagrad([nn.Parameter(torch.zeros(2))]))
    'torch.optim.adagrad.Adagrad'
    """
    kind = type(optimizer)
    if kind in (torch.optim.Adam, torch.optim.AdamW):
        return "adamw" if optimizer.param_groups[0]["decoupled_weight_decay"] else "adam"
    for name, known in OPTIMIZERS.items():
        if kind is known:
            return name
    return f"{kind.__module__}.{kind.__qualname__}"


def optimizer_options(optimizer: Optimizer) -> dict[str, Any]:
    """The options of an optimizer as numbers, truth values, texts and lists, without those of torch's implementation.

    Raises UnsupportedError for several groups of parameters, and for an option that is none of these.
    """
    if len(optimizer.param_groups) != 1:
        raise UnsupportedError("the optimizer", "one group of parameters", f"{len(optimizer.param_groups)}")
    (group,) = optimizer.param_groups
    return {
        name: _plain(group[name], f"the optimizer, option {name!r}")
        for name in sorted(optimizer.defaults)
        if name not in IMPLEMENTATION and not (name == "decoupled_weight_decay" and isinstance(optimizer, torch.optim.Adam))
    }


def _plain(value: Any, element: str) -> Any:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(item, element) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise UnsupportedError(element, "a number, truth value or text", f"a {type(value).__name__}")

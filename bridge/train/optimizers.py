"""Optimisers by name: torch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.optim import Optimizer

from bridge.errors import BindingError

__all__ = ["OPTIMIZERS", "OptimizerLike", "make_optimizer"]

OptimizerLike: TypeAlias = "str | Optimizer | Callable[[list[nn.Parameter]], Optimizer]"
"""A name, an optimiser, or a function that makes one of a list of parameters."""

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


def make_optimizer(
    optimizer: OptimizerLike, parameters: Sequence[nn.Parameter], options: Mapping[str, Any]
) -> Optimizer:
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

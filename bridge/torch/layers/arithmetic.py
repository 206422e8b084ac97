"""Arithmetic of values in torch."""

from __future__ import annotations

import torch
from torch import Tensor

from bridge.torch.layers.maker import Maker, always

__all__ = ["FUNCTIONS"]


def _add(first: Tensor, second: Tensor, *more: Tensor) -> Tensor:
    total = first + second
    for term in more:
        total = total + term
    return total


FUNCTIONS: dict[str, Maker] = {"add": always(_add), "multiply": always(torch.mul)}

"""Arithmetic of values in torch."""

from __future__ import annotations

import torch
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import real
from bridge.torch.layers.maker import Function, Maker, always, with_attributes

__all__ = ["FUNCTIONS"]


def _add(first: Tensor, second: Tensor, *more: Tensor) -> Tensor:
    total = first + second
    for term in more:
        total = total + term
    return total


def _scale(layer: Layer) -> Function:
    values = dict(layer.attributes)
    factor, shift = real(values, "factor"), real(values, "shift")
    return lambda x: x * factor + shift


FUNCTIONS: dict[str, Maker] = {
    "add": always(_add),
    "subtract": always(torch.sub),
    "multiply": always(torch.mul),
    "divide": always(torch.div),
    "parameter": lambda layer: torch.add if layer["by"] == "add" else torch.mul,
    "constant": lambda layer: torch.add if layer["by"] == "add" else torch.mul,
    "scale": _scale,
    "power": with_attributes(torch.pow, exponent="exponent"),
    "exp": always(torch.exp),
    "log": always(torch.log),
    "sqrt": always(torch.sqrt),
    "abs": always(torch.abs),
    "matmul": always(torch.matmul),
}

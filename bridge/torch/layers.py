"""The portable layers in torch: each operation as one function of its inputs and then its parameters.

Attributes, shapes and parameters are in `bridge.layers.table`; here stands only what torch computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.errors import UnsupportedError
from bridge.layers.table import integers

__all__ = ["FUNCTIONS", "function"]

Function = Callable[..., Tensor]


def _layer_norm(layer: Layer) -> Function:
    shape, eps = integers(dict(layer.attributes), "shape"), layer["eps"]
    assert isinstance(eps, float)
    return lambda x, weight=None, bias=None: F.layer_norm(x, shape, weight, bias, eps)


def _flatten(layer: Layer) -> Function:
    return lambda x: x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)


def _reshape(layer: Layer) -> Function:
    shape = integers(dict(layer.attributes), "shape")
    return lambda x: x.reshape(x.shape[0], *shape)


def _add(first: Tensor, second: Tensor, *more: Tensor) -> Tensor:
    total = first + second
    for term in more:
        total = total + term
    return total


def _always(function: Function) -> Callable[[Layer], Function]:
    return lambda layer: function


def _with(function: Function, **names: str) -> Callable[[Layer], Function]:
    """`function` with keyword arguments taken from attributes."""
    return lambda layer: partial(function, **{keyword: layer[name] for keyword, name in names.items()})


FUNCTIONS: dict[str, Callable[[Layer], Function]] = {
    "linear": _always(F.linear),
    "relu": _always(torch.relu),
    "sigmoid": _always(torch.sigmoid),
    "tanh": _always(torch.tanh),
    "leaky_relu": _with(F.leaky_relu, negative_slope="slope"),
    "elu": _with(F.elu, alpha="alpha"),
    "celu": _with(F.celu, alpha="alpha"),
    "relu6": _always(F.relu6),
    "silu": _always(F.silu),
    "hardsigmoid": _always(F.hardsigmoid),
    "mish": _always(F.mish),
    "softplus": _always(F.softplus),
    "gelu": _with(F.gelu, approximate="approximate"),
    "softmax": _with(torch.softmax, dim="axis"),
    "log_softmax": _with(torch.log_softmax, dim="axis"),
    "layer_norm": _layer_norm,
    "flatten": _flatten,
    "reshape": _reshape,
    "identity": _always(lambda x: x),
    "add": _always(_add),
    "multiply": _always(torch.mul),
}


def function(layer: Layer) -> Function:
    """What a layer computes, as a function of its inputs followed by its parameters. `UnsupportedError` if unknown.

    >>> from bridge.layers import leaky_relu
    >>> function(leaky_relu(0.5))(torch.tensor([-2.0, 3.0]))
    tensor([-1.,  3.])
    """
    if layer.operation not in FUNCTIONS or layer.version != 1:
        expected = f"version 1 of one of {sorted(FUNCTIONS)}"
        raise UnsupportedError(f"layer {layer.operation!r}", expected, f"version {layer.version}")
    return FUNCTIONS[layer.operation](layer)

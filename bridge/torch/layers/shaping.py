"""Other shapes, parts and sums in torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import integer, integers
from bridge.torch.layers.maker import Function, Maker, always

__all__ = ["FUNCTIONS"]


def _flatten(layer: Layer) -> Function:
    return lambda x: x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)


def _reshape(layer: Layer) -> Function:
    shape = integers(dict(layer.attributes), "shape")
    return lambda x: x.reshape(x.shape[0], *shape)


def _concat(layer: Layer) -> Function:
    axis = integer(dict(layer.attributes), "axis")
    return lambda *inputs: torch.cat(inputs, axis)


def _split(layer: Layer) -> Function:
    values = dict(layer.attributes)
    axis, sizes = integer(values, "axis"), list(integers(values, "sizes"))
    if len(sizes) == 1:
        return lambda x: x
    return lambda x: torch.split(x, sizes, axis)


def _permute(layer: Layer) -> Function:
    order = (0, *(axis + 1 for axis in integers(dict(layer.attributes), "axes")))
    return lambda x: x.permute(order)


def _slice(layer: Layer) -> Function:
    values = dict(layer.attributes)
    start, stop, step = (integer(values, name) for name in ("start", "stop", "step"))
    # Axes are counted from the last; what comes after the one that is cut is taken whole.
    place = (..., slice(start, stop, step), *[slice(None)] * (-integer(values, "axis") - 1))
    return lambda x: x[place]


def _reduce(reduction: Callable[..., Tensor]) -> Maker:
    return lambda layer: partial(reduction, dim=integers(dict(layer.attributes), "axes"), keepdim=bool(layer["keep"]))


FUNCTIONS: dict[str, Maker] = {
    "flatten": _flatten,
    "reshape": _reshape,
    "identity": always(lambda x: x),
    "concat": _concat,
    "split": _split,
    "permute": _permute,
    "slice": _slice,
    "mean": _reduce(torch.mean),
    "sum": _reduce(torch.sum),
}

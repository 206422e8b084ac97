"""Convolutions in torch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import integer, integers
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]


def _convolution(function: Function) -> Maker:
    def made(layer: Layer) -> Function:
        values = dict(layer.attributes)
        stride, padding, dilation = (integers(values, name) for name in ("stride", "padding", "dilation"))
        groups = integer(values, "groups")

        def call(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            result: Tensor = function(x, weight, bias, stride, padding, dilation, groups)
            return result

        return call

    return made


def _transposed(function: Function) -> Maker:
    def made(layer: Layer) -> Function:
        values = dict(layer.attributes)
        names = ("stride", "padding", "output_padding", "dilation")
        stride, padding, more, dilation = (integers(values, name) for name in names)
        groups = integer(values, "groups")

        def call(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
            result: Tensor = function(x, weight, bias, stride, padding, more, groups, dilation)
            return result

        return call

    return made


FUNCTIONS: dict[str, Maker] = {
    "conv1d": _convolution(F.conv1d),
    "conv2d": _convolution(F.conv2d),
    "conv_transpose1d": _transposed(F.conv_transpose1d),
    "conv_transpose2d": _transposed(F.conv_transpose2d),
}

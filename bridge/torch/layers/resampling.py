"""Interpolation and padding in torch."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import integers, real
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]


def _upsample(layer: Layer) -> Function:
    down, across = integers(dict(layer.attributes), "factor")
    # For a whole factor "nearest-exact" is what "nearest" means; the latter's float32 arithmetic is one off here and there.
    bilinear = layer["mode"] == "bilinear"
    interpolate = partial(F.interpolate, mode="bilinear", align_corners=bool(layer["align_corners"]))
    chosen = interpolate if bilinear else partial(F.interpolate, mode="nearest-exact")
    return lambda x: chosen(x, size=(x.shape[2] * down, x.shape[3] * across))


def _pad(layer: Layer) -> Function:
    values = dict(layer.attributes)
    pairs = zip(reversed(integers(values, "before")), reversed(integers(values, "after")), strict=True)
    widths, value = [width for pair in pairs for width in pair], real(values, "value")

    def call(x: Tensor) -> Tensor:
        return F.pad(x, widths, value=value)

    return call


FUNCTIONS: dict[str, Maker] = {"upsample2d": _upsample, "pad": _pad}

"""Normalisation in torch."""

from __future__ import annotations

import torch.nn.functional as F

from bridge.diagram.ir import Layer
from bridge.layers.definition import integers, real
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]


def _layer_norm(layer: Layer) -> Function:
    values = dict(layer.attributes)
    shape, eps = integers(values, "shape"), real(values, "eps")
    return lambda x, weight=None, bias=None: F.layer_norm(x, shape, weight, bias, eps)


FUNCTIONS: dict[str, Maker] = {"layer_norm": _layer_norm}

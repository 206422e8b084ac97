"""Values looked up by index, in torch."""

from __future__ import annotations

import torch.nn.functional as F

from bridge.diagram.ir import Layer
from bridge.layers.definition import integer
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]


def _embedding(layer: Layer) -> Function:
    padding = integer(dict(layer.attributes), "padding")
    return lambda index, weight: F.embedding(index, weight, padding if padding >= 0 else None)


FUNCTIONS: dict[str, Maker] = {"embedding": _embedding}

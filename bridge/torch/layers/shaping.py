"""The same numbers in another shape, in torch."""

from __future__ import annotations

from bridge.diagram.ir import Layer
from bridge.layers.definition import integers
from bridge.torch.layers.maker import Function, Maker, always

__all__ = ["FUNCTIONS"]


def _flatten(layer: Layer) -> Function:
    return lambda x: x.flatten(1) if x.dim() > 1 else x.unsqueeze(1)


def _reshape(layer: Layer) -> Function:
    shape = integers(dict(layer.attributes), "shape")
    return lambda x: x.reshape(x.shape[0], *shape)


FUNCTIONS: dict[str, Maker] = {"flatten": _flatten, "reshape": _reshape, "identity": always(lambda x: x)}

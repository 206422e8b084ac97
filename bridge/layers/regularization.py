"""Regularisation by chance: rows, and the functions that write them."""

from __future__ import annotations

from bridge.diagram.attributes import AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.layers.definition import SHARE, LayerDefinition, same_shape
from bridge.layers.make import make

__all__ = ["ROWS", "dropout"]


def dropout(p: float = 0.5) -> Layer:
    """In train mode each number is 0 with probability p, else divided by 1 − p; in test mode it is the input.

    The numbers that it draws are the same in every engine (semantics.md, "Freeze, detach, mode, chance").
    """
    return make("dropout", p=p)


ROWS = (
    LayerDefinition(
        "dropout", same_shape, (AttributeDefinition("p", AttributeKind.REAL, 0.5, SHARE),), modal=True, random=True
    ),
)

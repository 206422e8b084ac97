"""Arithmetic of values: rows, and the functions that write them."""

from __future__ import annotations

from bridge.diagram.ir import Layer
from bridge.layers.definition import FLOAT, LayerDefinition, same_shape
from bridge.layers.make import make

__all__ = ["ROWS", "add", "multiply"]


def add() -> Layer:
    """The sum of two or more inputs of equal shape."""
    return make("add")


def multiply() -> Layer:
    """The product of two inputs of equal shape, element by element."""
    return make("multiply")


ROWS = (
    LayerDefinition("add", same_shape, kinds=lambda values: (FLOAT, FLOAT), more=True),
    LayerDefinition("multiply", same_shape, kinds=lambda values: (FLOAT, FLOAT)),
)

"""The same numbers in another shape: rows, and the functions that write them."""

from __future__ import annotations

import math

from bridge.diagram.attributes import AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.layers.definition import (
    ANY_SIZES,
    LayerDefinition,
    Shape,
    Values,
    integers,
    mismatch,
    number_of_values,
    same_shape,
)
from bridge.layers.make import make

__all__ = ["ROWS", "flatten", "identity", "reshape"]


def flatten() -> Layer:
    """All axes of a sample to one."""
    return make("flatten")


def reshape(*shape: int) -> Layer:
    """The same numbers, row-major, as a sample of this shape."""
    return make("reshape", shape=shape)


def identity() -> Layer:
    """The input."""
    return make("identity")


def flatten_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """All axes to one. An input that has one axis already may have a variable size."""
    (shape,) = inputs
    return (shape if len(shape) == 1 else (number_of_values(where, shape),),)


def reshape_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """As many numbers as `shape` has."""
    (shape,), target = inputs, integers(values, "shape")
    if number_of_values(where, shape) != math.prod(target):
        raise mismatch(where, f"an input of {math.prod(target)} numbers", shape)
    return (target,)


ROWS = (
    LayerDefinition("flatten", flatten_shapes),
    LayerDefinition(
        "reshape", reshape_shapes, (AttributeDefinition("shape", AttributeKind.INTEGERS, None, ANY_SIZES),)
    ),
    LayerDefinition("identity", same_shape),
)

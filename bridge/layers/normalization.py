"""Normalisation: rows, and the functions that write them."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.diagram.attributes import POSITIVE, AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.layers.definition import (
    SIZES,
    Constant,
    LayerDefinition,
    Parameter,
    Shape,
    Values,
    integers,
    mismatch,
)
from bridge.layers.make import make

__all__ = ["ROWS", "layer_norm"]


def layer_norm(shape: int | Sequence[int], *, eps: float = 1e-5, affine: bool = True) -> Layer:
    """Normalise over the last axes, which have this shape; eps is inside the root, the variance biased."""
    return make("layer_norm", shape=(shape,) if isinstance(shape, int) else tuple(shape), eps=eps, affine=affine)


def layer_norm_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The last axes of the input are `shape`."""
    (shape,), last = inputs, integers(values, "shape")
    if shape[-len(last) :] != last:
        raise mismatch(where, f"an input whose last axes are {shape_text(last)}", shape)
    return (shape,)


def layer_norm_parameters(values: Values) -> tuple[Parameter, ...]:
    """Ones and zeros, of the normalised shape."""
    return affine(values, integers(values, "shape"))


def affine(values: Values, shape: tuple[int, ...]) -> tuple[Parameter, ...]:
    """The weight and bias of a normalisation with `affine`: ones and zeros."""
    weight, bias = Parameter("weight", shape, Constant(1.0)), Parameter("bias", shape, Constant(0.0))
    return (weight, bias) if values["affine"] else ()


EPS = AttributeDefinition("eps", AttributeKind.REAL, 1e-5, POSITIVE)
AFFINE = AttributeDefinition("affine", AttributeKind.BOOLEAN, True)

ROWS = (
    LayerDefinition(
        "layer_norm",
        layer_norm_shapes,
        (AttributeDefinition("shape", AttributeKind.INTEGERS, None, SIZES), EPS, AFFINE),
        layer_norm_parameters,
    ),
)

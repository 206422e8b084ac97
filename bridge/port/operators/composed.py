"""Operators that are several layers each: norms that are written out, gates, and greatest numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from bridge.port.arrangement import BATCH
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import add, binary, multiply, number_of, product, reduced
from bridge.port.operators.axes import split_at
from bridge.port.operators.elementary import clamped, elementwise, matrix, parameter
from bridge.port.operators.normalization import dropped
from bridge.port.sizes import Size
from bridge.port.traced import Laid, Traced
from bridge.port.values import with_value
from bridge.torch.batch import DTYPES

__all__ = ["OPERATORS"]


def rms_norm(t: Program, a: Arguments) -> Traced:
    """x / √(mean x² + eps), and times a weight (arXiv 1910.07467)."""
    x, count = t.settled(t.laid(a["input"])), len(a["normalized_shape"])
    eps = torch.finfo(DTYPES[t.float_type]).eps if a["eps"] is None else float(a["eps"])
    squares = _reduced(t, "mean", t.laid(elementwise(t, x, "power", exponent=2.0)), list(range(-count, 0)), True)
    shifted = elementwise(t, squares, "scale", factor=1.0, shift=eps)
    made = binary(t, "multiply", x, elementwise(t, shifted, "power", exponent=-0.5))
    return made if a["weight"] is None else with_value(t, "multiply", made, parameter(t, a["weight"], "the weight"))


def _reduced(t: Program, operation: str, x: Laid, dims: list[int], keep: bool) -> Laid:
    x = t.settled(x)
    places = [dim % len(x.shape) for dim in dims]
    if any(BATCH in x.arrangement.axes[place] for place in places):
        t.refuse_mixing(f"a {operation} over the axes {places} of {t.describe(x)}, the batch among them")
    return reduced(t, operation, x, places, keep)


def variance(t: Program, a: Arguments) -> Laid:
    """The mean squared distance from the mean, of n numbers times n / (n − correction)."""
    x = t.settled(t.laid(a["self"]))
    dims = list(a["dim"]) if a["dim"] else list(range(len(x.shape)))
    correction = a.get("correction", 1 if a.get("unbiased", True) else 0)
    centred = binary(t, "subtract", x, _reduced(t, "mean", x, dims, True))
    squares = t.laid(elementwise(t, centred, "power", exponent=2.0))
    made = _reduced(t, "mean", squares, dims, bool(a.get("keepdim")))
    sizes = [x.shape[dim] for dim in dims]
    t.require(not any(size.variables for size in sizes), "fixed sizes along the axes of a variance", t.describe(x))
    count = 1
    for size in sizes:
        count *= size.number
    correction = 1 if correction is None else correction
    t.require(count > correction, f"more than {correction} numbers", count)
    return made if correction == 0 else t.laid(elementwise(t, made, "scale", factor=count / (count - correction)))


def deviation(t: Program, a: Arguments) -> Traced:
    """The root of the variance."""
    return elementwise(t, variance(t, a), "sqrt")


NEXT_TO_ZERO = 1e-30
"""Below this a sum of squares is taken for it, so that the root's gradient at 0 is 0, as torch's, and not without bound."""


def vector_norm(t: Program, a: Arguments) -> Traced:
    """The sum of absolute values, or the root of the sum of squares."""
    order = float(a.get("ord", a.get("p", 2)))
    t.require(order in (1.0, 2.0) and a.get("dtype") is None, "a norm of order 1 or 2", order)
    x = t.laid(a["self"])
    dims = list(a["dim"]) if a["dim"] else list(range(len(x.shape)))
    powers = elementwise(t, x, "abs") if order == 1 else elementwise(t, x, "power", exponent=2.0)
    made = _reduced(t, "sum", t.laid(powers), dims, bool(a["keepdim"]))
    return made if order == 1 else elementwise(t, clamped(t, made, NEXT_TO_ZERO, None), "sqrt")


def glu(t: Program, a: Arguments) -> Traced:
    """One half times the sigmoid of the other."""
    x = t.laid(a["self"])
    axis = a["dim"] % len(x.shape)
    half = t.shape[axis].number
    one, two = split_at(t, x, axis, [half, half])
    return binary(t, "multiply", one, elementwise(t, two, "sigmoid"))


def prelu(t: Program, a: Arguments) -> Traced:
    """relu(x) − weight·relu(−x), with a weight for all numbers or for each feature."""
    x, weight = t.laid(a["self"]), parameter(t, a["weight"], "the weight")
    ones = [1] * (len(x.shape) - 2)
    own = weight.rearranged(lambda places: places.reshape(-1, *ones))
    negative = elementwise(t, elementwise(t, x, "scale", factor=-1.0), "relu")
    return binary(t, "subtract", elementwise(t, x, "relu"), with_value(t, "multiply", negative, own))


def maximum(t: Program, a: Arguments) -> Traced:
    """x + relu(y − x)."""
    x, y = a["self"], a["other"]
    for one, two in ((x, y), (y, x)):
        number = number_of(two)
        if number is not None:
            return clamped(t, one, number, None)
    return binary(t, "add", x, elementwise(t, binary(t, "subtract", y, x), "relu"))


def minimum(t: Program, a: Arguments) -> Traced:
    """x − relu(x − y)."""
    x, y = a["self"], a["other"]
    for one, two in ((x, y), (y, x)):
        number = number_of(two)
        if number is not None:
            return clamped(t, one, None, number)
    return binary(t, "subtract", x, elementwise(t, binary(t, "subtract", x, y), "relu"))


def greatest(t: Program, a: Arguments) -> Any:
    """The values of `max` along an axis, whose gradient goes to one number: a pooling of all of it."""
    x = t.laid(a["self"])
    axis, count = a["dim"] % len(x.shape), len(x.shape)
    if BATCH in x.arrangement.axes[axis]:
        t.refuse_mixing(f"a maximum over axis {axis} of {t.describe(x)}")
    last = t.settled(t.permuted(x, [*(k for k in range(count) if k != axis), axis]))
    shape = last.value.shape
    t.require(all(isinstance(size, int) for size in shape), "fixed sizes", t.describe(x))
    rows = 1
    for size in shape[:-1]:
        rows *= int(size)
    flat = t.reshape(last.value, (rows, shape[-1]))
    pooled = t.reshape(t.one("adaptive_max_pool1d", [flat], (rows, 1), size=(1,)), shape[:-1])
    made = Laid(pooled, replace(last.arrangement, axes=last.arrangement.axes[:-1], sample=last.arrangement.sample[:-1]))
    return [replace(made, arrangement=made.arrangement.inserted(axis)) if a["keepdim"] else made]


def feature_dropout(t: Program, a: Arguments) -> Traced:
    """Dropout of whole features (batch, features, …): of ones, one for each feature, that x is multiplied by."""
    x, modes = t.laid(a["input"]), t.flag("train", a["train"])
    if a["p"] == 0 or modes == (False, False):
        return x
    t.batch_first(x, len(x.shape), "an input (batch, features, …)")
    means = _reduced(t, "mean", x, list(range(2, len(x.shape))), True)
    return binary(t, "multiply", x, dropped(t, elementwise(t, means, "scale", factor=0.0, shift=1.0), a["p"], modes))


def bilinear(t: Program, a: Arguments) -> Traced:
    """For each output o: x₁ᵀ W_o x₂ + bias_o."""
    one, two, weight = t.laid(a["input1"]), t.laid(a["input2"]), parameter(t, a["weight"], "the weight")
    outputs, width, other = weight.shape
    flat = weight.rearranged(lambda places: places.transpose(1, 2).reshape(outputs * other, width))
    maps = matrix(t, one, flat, None)
    lead = list(one.shape[:-1])
    made = product(t, t.view(maps, [*lead, Size(outputs), Size(other)]), t.view(two, [*lead, Size(other), Size(1)]))
    laid = t.view(made, [*lead, Size(outputs)])
    return laid if a["bias"] is None else with_value(t, "add", laid, parameter(t, a["bias"], "the bias"))


def added_product(t: Program, a: Arguments) -> Traced:
    """self + value·tensor1·tensor2."""
    together = multiply(t, {"self": a["tensor1"], "other": a["tensor2"]})
    return add(t, {"self": a["self"], "other": together, "alpha": a["value"]})


def between(t: Program, a: Arguments) -> Traced:
    """self + weight·(end − self)."""
    way = binary(t, "subtract", a["end"], a["self"])
    return add(t, {"self": a["self"], "other": multiply(t, {"self": way, "other": a["weight"]})})


OPERATORS: dict[str, Operator] = {
    "aten.rms_norm.default": rms_norm,
    **dict.fromkeys(("aten.var.dim", "aten.var.correction"), variance),
    **dict.fromkeys(("aten.std.dim", "aten.std.correction"), deviation),
    **dict.fromkeys(("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim"), vector_norm),
    "aten.glu.default": glu,
    "aten.prelu.default": prelu,
    "aten.maximum.default": maximum,
    "aten.minimum.default": minimum,
    "aten.max.other": maximum,
    "aten.max.dim": greatest,
    "aten.feature_dropout.default": feature_dropout,
    "aten.bilinear.default": bilinear,
    "aten.addcmul.default": added_product,
    "aten.lerp.Scalar": between,
}

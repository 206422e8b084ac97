"""Linear maps, embeddings and functions of one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from bridge.layers.definition import integer, integers
from bridge.port.arrangement import BATCH, Arrangement
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.sizes import Size
from bridge.port.sketch import Value
from bridge.port.traced import Filled, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["OPERATORS", "clamped", "elementwise", "matrix", "parameter", "statistic"]


def parameter(t: Translation, x: Any, what: str) -> Weight:
    """An argument that has to be a parameter of the module's."""
    if isinstance(x, Known) and x.name:
        t.refuse(f"{what} to be a parameter that trains", f"'{x.name}', which does not")
    if not isinstance(x, Weight):
        t.refuse(f"{what} to be a parameter of the module", f"a {type(x).__name__.lower()} tensor")
    return x


def statistic(t: Translation, x: Any, what: str) -> Weight:
    """An argument that has to be a buffer of the module's, which the operator changes."""
    if not isinstance(x, Known) or not x.name:
        t.refuse(f"{what} to be a buffer of the module", f"a {type(x).__name__.lower()} tensor")
    return Weight(x.name, x.tensor)


def matrix(t: Translation, x: Traced, weight: Weight, bias: Weight | None) -> Laid:
    """x Wᵀ + b over the last axis, with W (outputs, inputs)."""
    laid = t.settled(t.laid(x))
    last = laid.arrangement.axes[-1]
    if BATCH in last:
        t.refuse_mixing(f"a sum over the last axis of {t.describe(laid)}")
    outputs, inputs = weight.shape
    held = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    attributes = {"in": inputs, "out": outputs, "bias": bias is not None}
    value = t.one("linear", [laid.value], (*laid.value.shape[:-1], outputs), held, **attributes)
    made = Arrangement.plain([Size(outputs)]).sample
    axes, sample = (*laid.arrangement.axes[:-1], *made), (*laid.arrangement.sample[:-1], *made)
    return Laid(value, Arrangement(axes, sample))


def linear(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.linear`."""
    bias = a["bias"] if a["bias"] is None else parameter(t, a["bias"], "the bias")
    weight = parameter(t, a["weight"], "the weight")
    t.require(len(weight.shape) == 2, "a weight (outputs, inputs)", weight.shape)
    return matrix(t, a["input"], weight, bias)


def embedding(t: Program, a: Arguments) -> Traced:
    """Rows of a weight by index. (With `padding_idx` that row has no gradient.)"""
    weight, indices = parameter(t, a["weight"], "the weight"), a["indices"]
    constant = _rows(t, weight, indices, a["padding_idx"])
    if constant is not None:
        return constant
    laid = t.laid(indices)
    t.require(not a["scale_grad_by_freq"] and not a["sparse"], "plain gradients", "scaled or sparse ones")
    entries, width = weight.shape
    t.require(not laid.value.data_type.is_float, "indices", laid.value.data_type.value)
    attributes = {"entries": entries, "width": width, "padding": a["padding_idx"]}
    value = embedded(t, laid.value, weight, attributes)
    made = Arrangement.plain([Size(width)]).sample
    arrangement = laid.arrangement
    return t.eager(Laid(value, replace(arrangement, axes=(*arrangement.axes, *made), sample=(*arrangement.sample, *made))))


def _rows(t: Translation, weight: Weight, indices: Any, padding: int) -> Traced | None:
    """The rows of indices that are constant, such as positions; None for others."""
    if isinstance(indices, Filled):
        chosen = torch.full([1] * len(indices.shape), int(indices.number))
    elif isinstance(indices, Known) or (isinstance(indices, Spread) and isinstance(indices.weight, Known)):
        chosen = (indices if isinstance(indices, Known) else indices.weight).tensor.cpu()
    else:
        return None
    t.require(not bool((chosen == padding).any()), "constant indices of rows that train", f"{padding}, the padding")
    rows = weight.rearranged(lambda places: places[chosen])
    return rows if isinstance(indices, Known) else Spread(rows, (*indices.shape, Size(weight.shape[1])))


def embedded(t: Translation, indices: Value, weight: Weight, attributes: Mapping[str, Any]) -> Value:
    """The rows of indices. Layers move numbers and not indices, so what moved the indices moves their rows."""
    step, shape = t.maker(indices), (*indices.shape, weight.shape[1])
    if step is None:
        return t.one("embedding", [indices], shape, {"weight": weight}, **attributes)
    rows = [embedded(t, value, weight, attributes) for value in step.inputs]
    moved: dict[str, Any] = dict(step.layer.attributes)
    if step.layer.operation == "permute":
        moved["axes"] = (*integers(moved, "axes"), len(indices.shape))
    elif step.layer.operation == "reshape":
        moved["shape"] = shape
    else:
        moved["axis"] = integer(moved, "axis") - 1
    shapes = [(*value.shape, weight.shape[1]) for value in step.outputs]
    return t.emit(step.layer.operation, rows, shapes, **moved)[step.outputs.index(indices)]


def elementwise(t: Translation, x: Traced, operation: str, /, **attributes: object) -> Traced:
    """A function of each number; it does not matter how the numbers are arranged."""
    if isinstance(x, Stacked):
        return Stacked(tuple(elementwise(t, part, operation, **attributes) for part in x.parts), x.axis)
    laid = t.laid(x)
    t.require(laid.value.data_type.is_float, "float numbers", laid.value.data_type.value)
    return replace(laid, value=t.one(operation, [laid.value], laid.value.shape, **attributes))


def function(operation: str, **fixed: object) -> Operator:
    """An operator without attributes."""
    return lambda t, a: elementwise(t, a["self"], operation, **fixed)


def with_number(operation: str, **names: str) -> Operator:
    """An operator with attributes taken from arguments."""
    return lambda t, a: elementwise(t, a["self"], operation, **{name: a[given] for name, given in names.items()})


def elu(t: Program, a: Arguments) -> Traced:
    """elu, and selu: scale·elu."""
    t.require(a["input_scale"] == 1, "an input scale of 1", a["input_scale"])
    made = elementwise(t, a["self"], "elu", alpha=float(a["alpha"]))
    return made if a["scale"] == 1 else elementwise(t, made, "scale", factor=float(a["scale"]))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(t: Program, a: Arguments) -> Traced:
    """scale·elu with the constants of arXiv 1706.02515."""
    return elementwise(t, elementwise(t, a["self"], "elu", alpha=SELU_ALPHA), "scale", factor=SELU_SCALE)


def softplus(t: Program, a: Arguments) -> Traced:
    """log(1 + eˣ), and x above 20."""
    t.require(a["beta"] == 1 and a["threshold"] == 20, "beta=1 and threshold=20", f"{a['beta']} and {a['threshold']}")
    return elementwise(t, a["self"], "softplus")


def hardtanh(t: Program, a: Arguments) -> Traced:
    """Between 0 and 6 it is relu6."""
    return clamped(t, a["self"], a["min_val"], a["max_val"])


def clamp(t: Program, a: Arguments) -> Traced:
    """From 0 on it is relu."""
    return clamped(t, a["self"], a["min"], a["max"])


def clamped(t: Translation, x: Traced, low: Any, high: Any) -> Traced:
    """relu, relu6, or with other bounds low + relu(x − low), and high − relu(high − x)."""
    if (low, high) in ((0, None), (0, 6)):
        return elementwise(t, x, "relu" if high is None else "relu6")
    for bound in (low, high):
        t.require(bound is None or math.isfinite(bound), "finite bounds", bound)
    if low is not None:
        x = _from_zero(t, x, 1.0, float(low))
    if high is not None:
        x = _from_zero(t, x, -1.0, float(high))
    return x


def _from_zero(t: Translation, x: Traced, sign: float, bound: float) -> Traced:
    """bound + sign·relu(sign·(x − bound))."""
    inner = elementwise(t, x, "scale", factor=sign, shift=-sign * bound) if (sign, bound) != (1.0, 0.0) else x
    made = elementwise(t, inner, "relu")
    return elementwise(t, made, "scale", factor=sign, shift=bound) if (sign, bound) != (1.0, 0.0) else made


def hardswish(t: Program, a: Arguments) -> Traced:
    """x·hardsigmoid(x)."""
    x = t.laid(a["self"])
    gate = t.one("hardsigmoid", [x.value], x.value.shape)
    return replace(x, value=t.one("multiply", [x.value, gate], x.value.shape))


def power(t: Program, a: Arguments) -> Traced:
    """x to a number."""
    return elementwise(t, a["self"], "power", exponent=float(a["exponent"]))


def to_power(exponent: float) -> Operator:
    """x to a fixed number."""
    return lambda t, a: elementwise(t, a["self"], "power", exponent=exponent)


def times(factor: float) -> Operator:
    """A multiple of x."""
    return lambda t, a: elementwise(t, a["self"], "scale", factor=factor)


def along(operation: str) -> Operator:
    """softmax and its logarithm along an axis."""

    def ported(t: Program, a: Arguments) -> Traced:
        laid = t.settled(t.laid(a["self"]))
        t.require(a["dtype"] in (None, DTYPES[t.float_type]), "the dtype of the input", a["dtype"])
        place = a["dim"] % len(laid.arrangement.axes)
        if BATCH in laid.arrangement.axes[place]:
            t.refuse_mixing(f"{operation} along axis {a['dim']} of {t.describe(laid)}")
        groups = [axis for axis in laid.arrangement.axes if axis != (BATCH,)]
        before = sum(axis != (BATCH,) for axis in laid.arrangement.axes[:place])
        return replace(laid, value=t.one(operation, [laid.value], laid.value.shape, axis=before - len(groups)))

    return ported


def same(t: Program, a: Arguments) -> Any:
    """What only concerns memory."""
    return a["self"]


def cast(t: Program, a: Arguments) -> Any:
    """To the dtype that it has, or that a constant should have."""
    if isinstance(a["self"], Known):
        return t.converted(a["self"])
    t.require(t.keeps_type(), "the dtype of the input", a.get("dtype"))
    return a["self"]


def filled(number: Callable[[Arguments], float]) -> Operator:
    """A tensor that has one number everywhere."""
    return lambda t, a: Filled(t.shape, number(a))


OPERATORS: dict[str, Operator] = {
    "aten.linear.default": linear,
    "aten.embedding.default": embedding,
    **{
        f"aten.{name}.default": function(name)
        for name in ("relu", "sigmoid", "tanh", "silu", "mish", "hardsigmoid", "relu6", "exp", "log", "sqrt", "abs")
    },
    "aten.leaky_relu.default": with_number("leaky_relu", slope="negative_slope"),
    "aten.celu.default": with_number("celu", alpha="alpha"),
    "aten.gelu.default": with_number("gelu", approximate="approximate"),
    "aten.elu.default": elu,
    "aten.selu.default": selu,
    "aten.softplus.default": softplus,
    "aten.hardtanh.default": hardtanh,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": lambda t, a: clamped(t, a["self"], a["min"], None),
    "aten.clamp_max.default": lambda t, a: clamped(t, a["self"], None, a["max"]),
    "aten.hardswish.default": hardswish,
    "aten.pow.Tensor_Scalar": power,
    "aten.square.default": to_power(2.0),
    "aten.reciprocal.default": to_power(-1.0),
    "aten.rsqrt.default": lambda t, a: elementwise(t, elementwise(t, a["self"], "sqrt"), "power", exponent=-1.0),
    "aten.neg.default": times(-1.0),
    "aten.deg2rad.default": times(math.pi / 180),
    "aten.softmax.int": along("softmax"),
    "aten.log_softmax.int": along("log_softmax"),
    **{f"aten.{name}.default": same for name in ("contiguous", "clone", "alias", "lift_fresh_copy", "positive")},
    "aten.to.dtype": cast,
    "aten.to.dtype_layout": cast,
    "aten.to.device": cast,
    "aten.type_as.default": cast,
    "aten._to_copy.default": cast,
    # What is in empty memory is nobody's business: it makes what it is used for a number that is none.
    **{f"aten.{name}": filled(lambda a: math.nan) for name in ("empty.memory_format", "empty_like.default")},
    "aten.zeros_like.default": filled(lambda a: 0.0),
    "aten.ones_like.default": filled(lambda a: 1.0),
    "aten.full_like.default": filled(lambda a: float(a["fill_value"])),
    **{f"aten.{new}zeros.default": filled(lambda a: 0.0) for new in ("", "new_")},
    **{f"aten.{new}ones.default": filled(lambda a: 1.0) for new in ("", "new_")},
    **{f"aten.{new}full.default": filled(lambda a: float(a["fill_value"])) for new in ("", "new_")},
}

"""Sums, products, matrix products, and means along axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bridge.port.arrangement import BATCH, Arrangement, Factor, Group
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.elementary import elementwise, matrix
from bridge.port.sizes import ONE, Size
from bridge.port.sketch import Value
from bridge.port.traced import Filled, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation, batch_place, sample_shape
from bridge.port.values import times_constant, with_value
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["OPERATORS", "binary"]


def number_of(x: Any) -> float | None:
    """The number that an argument has everywhere, if it does."""
    if isinstance(x, (int, float)):
        return float(x)
    if isinstance(x, Size) and not x.variables:
        return float(x.number)
    if isinstance(x, Filled):
        return x.number
    if isinstance(x, Known) and x.tensor.numel() and bool((x.tensor == x.tensor.flatten()[0]).all()):
        return float(x.tensor.flatten()[0])
    return None


def broadcast(t: Translation, x: Laid, y: Laid) -> tuple[Value, Value, Arrangement]:
    """The values of two tensors, and the arrangement of what is made of them number by number; axes of size 1 repeat."""
    if x.arrangement.axes == y.arrangement.axes and x.arrangement.sample == y.arrangement.sample:
        return x.value, y.value, x.arrangement
    count = max(len(x.shape), len(y.shape))
    sides = [replace(s, arrangement=s.arrangement.expanded((ONE,) * (count - len(s.shape)) + s.shape)) for s in (x, y)]
    for k in (0, 1):  # what is the same for all samples stands in each of them
        if not any(BATCH in axis for axis in sides[k].arrangement.axes):
            pairs = zip(sides[k].arrangement.axes, sides[1 - k].arrangement.axes, strict=True)
            alike = tuple((BATCH,) if other == (BATCH,) and axis == () else axis for axis, other in pairs)
            sides[k] = replace(sides[k], arrangement=replace(sides[k].arrangement, axes=alike))
    for one, two in zip(sides[0].arrangement.axes, sides[1].arrangement.axes, strict=True):
        if (BATCH in one or BATCH in two) and batch_place(one) != batch_place(two):
            t.refuse_mixing(f"{t.describe(x)} beside {t.describe(y)}")
    first, second = (t.settled(side) for side in sides)
    axes = tuple(a or b for a, b in zip(first.arrangement.axes, second.arrangement.axes, strict=True))
    made = Arrangement(axes, ())
    return first.value, second.value, replace(made, sample=made.rest())


def _common(one: Sequence[Size], two: Sequence[Size]) -> list[Size]:
    return [b if a == ONE else a for a, b in zip(one, two, strict=True)]


def binary(t: Translation, operation: str, x: Traced, y: Traced) -> Traced:
    """Two tensors made into one, number by number."""
    x, y = (side.weight if isinstance(side, Spread) else side for side in (x, y))
    for one, two in ((x, y), (y, x)):
        if isinstance(two, (Weight, Known)) and not isinstance(one, (Weight, Known)):
            return _with_value(t, operation, one, two, turned=two is x)
    if isinstance(x, Stacked) and isinstance(y, Stacked) and x.axis == y.axis and len(x.parts) == len(y.parts):
        return Stacked(tuple(binary(t, operation, a, b) for a, b in zip(x.parts, y.parts, strict=True)), x.axis)
    left, right, arrangement = broadcast(t, t.laid(x, "each side"), t.laid(y, "each side"))
    return Laid(t.one(operation, [left, right], sample_shape(arrangement.sample)), arrangement)


def _with_value(t: Translation, operation: str, x: Traced, value: Weight | Known, turned: bool) -> Traced:
    """x and a parameter or a constant; `turned`: the value comes first."""
    if operation in ("add", "multiply"):
        return with_value(t, operation, x, value)
    if operation == "subtract" and turned:
        return with_value(t, "add", elementwise(t, x, "scale", factor=-1.0), value)
    if operation == "subtract" and isinstance(value, Known):
        return with_value(t, "add", x, Known(-value.tensor, label=value.label or value.name.rpartition(".")[2]))
    if operation == "subtract":
        return elementwise(t, _with_value(t, operation, x, value, True), "scale", factor=-1.0)
    if turned:
        return with_value(t, "multiply", elementwise(t, x, "power", exponent=-1.0), value)
    if isinstance(value, Known):
        return with_value(t, "multiply", x, Known(value.tensor.to(DTYPES[t.float_type]).reciprocal()))
    return binary(t, "divide", x, t.laid(value))


def add(t: Program, a: Arguments) -> Traced:
    """self + alpha·other."""
    return _sum(t, a["self"], a["other"], float(a.get("alpha", 1)))


def _sum(t: Program, x: Traced, y: Traced, alpha: float) -> Traced:
    other, mine = number_of(y), number_of(x)
    if other is not None:
        return _shaped(t, x, y, factor=1.0, shift=alpha * other)
    if mine is not None:
        return _shaped(t, y, x, factor=alpha, shift=mine)
    if alpha == -1:
        return binary(t, "subtract", x, y)
    return binary(t, "add", x, y if alpha == 1 else elementwise(t, y, "scale", factor=alpha))


def _shaped(t: Program, x: Traced, other: Any, factor: float, shift: float = 0.0) -> Traced:
    """factor·x + shift in the shape that x has beside a tensor of that number."""
    made = elementwise(t, x, "scale", factor=factor, shift=shift) if (factor, shift) != (1.0, 0.0) else x
    if isinstance(made, Laid) and made.shape != t.shape:
        return replace(made, arrangement=made.arrangement.expanded(t.shape))
    return made


def subtract(t: Program, a: Arguments) -> Traced:
    """self − alpha·other."""
    return _sum(t, a["self"], a["other"], -float(a.get("alpha", 1)))


def subtract_from(t: Program, a: Arguments) -> Traced:
    """other − alpha·self."""
    return _sum(t, a["other"], a["self"], -float(a.get("alpha", 1)))


def multiply(t: Program, a: Arguments) -> Traced:
    """The product."""
    x, y = a["self"], a["other"]
    for one, two in ((x, y), (y, x)):
        factor = number_of(two)
        if factor is not None:
            return _shaped(t, one, two, factor=factor)
    return binary(t, "multiply", x, y)


def divide(t: Program, a: Arguments) -> Traced:
    """The quotient."""
    t.require(a.get("rounding_mode") is None, "no rounding", a.get("rounding_mode"))
    x, y = a["self"], a["other"]
    divisor, numerator = number_of(y), number_of(x)
    if divisor is not None:
        return _shaped(t, x, y, factor=1 / divisor)
    if numerator is not None:
        return _shaped(t, elementwise(t, y, "power", exponent=-1.0), x, factor=numerator)
    return binary(t, "divide", x, y)


def matmul(t: Program, a: Arguments) -> Traced:
    """The product of matrices in the last two axes; with a parameter (inputs, outputs) on the right it is a linear layer."""
    x, y = a["self"], next(a[name] for name in ("other", "mat2", "vec") if name in a)
    if isinstance(y, Known) and y.tensor.dim() == 2:
        return times_constant(t, t.laid(x), len(t.laid(x).shape) - 1, y.tensor)
    if isinstance(y, Weight):
        return _times_parameter(t, t.laid(x), y)
    if isinstance(x, Weight):
        return _parameter_times(t, x, t.laid(y))
    left, right = t.laid(x), t.laid(y)
    counts = len(left.shape), len(right.shape)
    t.require(counts[0] == counts[1] >= 2, "two tensors with as many axes", f"{t.describe(left)} and {t.describe(right)}")
    return product(t, left, right)


def _times_parameter(t: Translation, x: Laid, weight: Weight) -> Laid:
    """x (…, inputs) times a parameter (inputs, outputs), or (inputs,)."""
    if len(weight.shape) == 1:
        made = matrix(t, x, weight.rearranged(lambda places: places.reshape(1, -1)), None)
        return t.eager(replace(made, arrangement=made.arrangement.removed(len(made.shape) - 1)))
    t.require(set(weight.shape[:-2]) <= {1}, "a parameter (inputs, outputs)", f"one of shape {weight.shape}")
    t.require(len(weight.shape) <= len(x.shape), "a tensor with as many axes as the parameter", t.describe(x))
    return matrix(t, x, weight.rearranged(lambda places: places.reshape(weight.shape[-2:]).t()), None)


def _parameter_times(t: Translation, weight: Weight, x: Laid) -> Laid:
    """A parameter (outputs, inputs) times x (…, inputs, columns)."""
    plain = len(weight.shape) >= 2 and set(weight.shape[:-2]) <= {1} and len(weight.shape) <= len(x.shape)
    t.require(plain, "a parameter (outputs, inputs)", f"one of shape {weight.shape}")
    swap = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
    own = weight.rearranged(lambda places: places.reshape(weight.shape[-2:]))
    return t.permuted(matrix(t, t.permuted(x, swap), own, None), swap)


def product(t: Translation, left: Laid, right: Laid) -> Laid:
    """(…, n, k) times (…, k, m) with equal leading axes."""
    lead = len(left.shape) - 2
    for side in (left, right):
        if any(BATCH in axis for axis in side.arrangement.axes[lead:]):
            t.refuse_mixing(f"{t.describe(left)} times {t.describe(right)}")
    common = _common(left.shape[:lead], right.shape[:lead])
    sides = [
        t.settled(replace(s, arrangement=s.arrangement.expanded([*common, *s.shape[lead:]]))) for s in (left, right)
    ]
    ones, twos = (side.arrangement.axes[:lead] for side in sides)
    if [batch_place(axis) for axis in ones] != [batch_place(axis) for axis in twos]:
        t.refuse_mixing(f"{t.describe(left)} times {t.describe(right)}")
    rows, columns = sides[0].arrangement.axes[-2], sides[1].arrangement.axes[-1]
    column = tuple(Factor(factor.size) for factor in columns)
    axes = (*ones, rows, column)
    sample = (*sides[0].arrangement.sample[:-2], rows, column)
    value = t.one("matmul", [sides[0].value, sides[1].value], sample_shape(sample))
    return Laid(value, Arrangement(axes, sample))


def addmm(t: Program, a: Arguments) -> Traced:
    """bias + x W, both parameters."""
    bias, weight = a["self"], a["mat2"]
    plain = isinstance(bias, Weight) and isinstance(weight, Weight) and len(bias.shape) == 1 and a["alpha"] == a["beta"] == 1
    t.require(plain, "a parameter (inputs, outputs) and one (outputs,)", "others")
    return matrix(t, a["mat1"], weight.rearranged(lambda places: places.t()), bias)


def baddbmm(t: Program, a: Arguments) -> Traced:
    """beta·self + alpha·(batch1 times batch2)."""
    made = matmul(t, {"self": a["batch1"], "other": a["batch2"]})
    if a["alpha"] != 1:
        made = elementwise(t, made, "scale", factor=float(a["alpha"]))
    if a["beta"] == 0:
        return made
    t.require(a["beta"] == 1, "a beta of 0 or 1", a["beta"])
    return t.operators["aten.add.Tensor"](t, {"self": a["self"], "other": made, "alpha": 1})  # type: ignore[no-any-return]


def over_axes(operation: str) -> Operator:
    """A mean or sum over axes of the sample."""

    def ported(t: Program, a: Arguments) -> Traced:
        laid = t.settled(t.laid(a["self"]))
        count = len(laid.shape)
        dims = a.get("dim")
        places = [dim % count for dim in dims] if dims else list(range(count))
        t.require(a["dtype"] is None, "the dtype of the input", a["dtype"])
        if any(BATCH in laid.arrangement.axes[place] for place in places):
            t.refuse_mixing(f"a {operation} over the axes {places} of {t.describe(laid)}, the batch among them")
        return reduced(t, operation, laid, places, bool(a.get("keepdim")))

    return ported


def reduced(t: Translation, operation: str, laid: Laid, places: Sequence[int], keep: bool) -> Laid:
    """A settled tensor's mean or sum over some axes."""
    axes = list(laid.arrangement.axes)
    numbers = {k: n for n, k in enumerate(k for k, axis in enumerate(axes) if axis != (BATCH,))}
    empty: Group = ()
    made = [empty if k in places else axis for k, axis in enumerate(axes) if keep or k not in places]
    sample = tuple(tuple(f for f in axis if f is not BATCH) for axis in made if axis != (BATCH,))
    attributes = {"axes": tuple(numbers[k] - len(numbers) for k in places), "keep": keep}
    value = t.one(operation, [laid.value], sample_shape(sample), **attributes)
    return Laid(value, Arrangement(tuple(made), sample))


OPERATORS: dict[str, Operator] = {
    "aten.add.Tensor": add,
    "aten.add.Scalar": add,
    "aten.sub.Tensor": subtract,
    "aten.sub.Scalar": subtract,
    "aten.rsub.Tensor": subtract_from,
    "aten.rsub.Scalar": subtract_from,
    "aten.mul.Tensor": multiply,
    "aten.mul.Scalar": multiply,
    "aten.div.Tensor": divide,
    "aten.div.Scalar": divide,
    **{
        f"aten.{name}.{overload}": made
        for name, made in (("subtract", subtract), ("multiply", multiply), ("divide", divide), ("true_divide", divide))
        for overload in ("Tensor", "Scalar")
    },
    "aten.matmul.default": matmul,
    "aten.bmm.default": matmul,
    "aten.mm.default": matmul,
    "aten.mv.default": matmul,
    "aten.addmm.default": addmm,
    "aten.baddbmm.default": baddbmm,
    "aten.mean.dim": over_axes("mean"),
    "aten.mean.default": over_axes("mean"),
    "aten.sum.dim_IntList": over_axes("sum"),
    "aten.sum.default": over_axes("sum"),
}

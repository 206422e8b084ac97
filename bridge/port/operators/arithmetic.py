"""Sums, products, matrix products, and means along axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bridge.diagram.names import is_name
from bridge.port.arrangement import BATCH, Arrangement, Factor, Group
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.elementary import elementwise, matrix
from bridge.port.sizes import ONE, Size
from bridge.port.sketch import Value
from bridge.port.traced import Filled, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation, batch_place, sample_shape
from bridge.port.weights import Weight

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
    for one, two in zip(sides[0].arrangement.axes, sides[1].arrangement.axes, strict=True):
        if (BATCH in one or BATCH in two) and batch_place(one) != batch_place(two):
            t.refuse_mixing(f"{t.describe(x)} beside {t.describe(y)}")
    first, second = (t.settled(side) for side in sides)
    axes = tuple(a or b for a, b in zip(first.arrangement.axes, second.arrangement.axes, strict=True))
    made = Arrangement(axes, ())
    return first.value, second.value, replace(made, sample=made.rest())


def _common(one: Sequence[Size], two: Sequence[Size]) -> list[Size]:
    return [b if a == ONE else a for a, b in zip(one, two, strict=True)]


def with_parameter(t: Translation, by: str, x: Traced, weight: Weight) -> Traced:
    """A sum or product of a tensor (batch, …) and a parameter whose axes are its last ones, or of size 1."""
    laid = t.settled(t.laid(x))
    value = t.batch_first(laid, len(laid.shape), "a tensor beside a parameter")
    own = weight.shape
    if len(own) > len(value.shape):
        t.require(own[0] == 1, "a parameter that is the same for each sample", f"one of shape {own}")
        own = own[1:]
    shape = (1,) * (len(value.shape) - len(own)) + own
    fits = len(shape) == len(value.shape) and all(a in (1, b) for a, b in zip(shape, value.shape, strict=True))
    t.require(fits, f"a parameter that fits {t.describe(laid)}", f"one of shape {weight.shape}")
    held = {"value": weight if weight.shape == shape else weight.rearranged(lambda places: places.reshape(shape))}
    last = weight.name.rpartition(".")[2]
    with t.labelled(last if is_name(last) else ""):
        return t.fresh(t.one("parameter", [value], value.shape, held, shape=shape, by=by))


def binary(t: Translation, operation: str, x: Traced, y: Traced) -> Traced:
    """Two tensors made into one, number by number."""
    x, y = (side.weight if isinstance(side, Spread) else side for side in (x, y))
    if isinstance(x, Weight) and not isinstance(y, Weight) and operation in ("add", "multiply"):
        return with_parameter(t, operation, y, x)
    if isinstance(y, Weight) and not isinstance(x, Weight) and operation in ("add", "multiply"):
        return with_parameter(t, operation, x, y)
    if isinstance(x, Stacked) and isinstance(y, Stacked) and x.axis == y.axis and len(x.parts) == len(y.parts):
        return Stacked(tuple(binary(t, operation, a, b) for a, b in zip(x.parts, y.parts, strict=True)), x.axis)
    left, right, arrangement = broadcast(t, t.laid(x, "each side"), t.laid(y, "each side"))
    return Laid(t.one(operation, [left, right], sample_shape(arrangement.sample)), arrangement)


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
    x, y = a["self"], a["other"] if "other" in a else a["mat2"]
    if isinstance(y, Weight):
        t.require(len(y.shape) == 2, "a parameter (inputs, outputs)", f"one of shape {y.shape}")
        return matrix(t, x, y.rearranged(lambda places: places.t()), None)
    left, right = t.laid(x), t.laid(y)
    counts = len(left.shape), len(right.shape)
    t.require(counts[0] == counts[1] >= 2, "two tensors with as many axes", f"{t.describe(left)} and {t.describe(right)}")
    return product(t, left, right)


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
    "aten.matmul.default": matmul,
    "aten.bmm.default": matmul,
    "aten.mm.default": matmul,
    "aten.addmm.default": addmm,
    "aten.mean.dim": over_axes("mean"),
    "aten.mean.default": over_axes("mean"),
    "aten.sum.dim_IntList": over_axes("sum"),
    "aten.sum.default": over_axes("sum"),
}

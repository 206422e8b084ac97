"""Places and parts along an axis: indices, slices, splits, and the other way round."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from bridge.port.arrangement import Kind
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.axes import length_of, part_of, parts_of, taken
from bridge.port.operators.shaping import moved, plain
from bridge.port.sizes import BATCH_SIZE
from bridge.port.traced import Filled, Flipped, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation
from bridge.port.weights import Weight

__all__ = ["OPERATORS", "flipped", "places", "select"]


def select(t: Translation, x: Traced, axis: int, index: int) -> Traced:
    """One place along an axis, which goes away."""
    if isinstance(x, Filled):
        return Filled((*x.shape[:axis], *x.shape[axis + 1 :]), x.number)
    if isinstance(x, Spread) and isinstance(x.weight, Weight) and x.shape[axis] != BATCH_SIZE:
        own = (1,) * (len(x.shape) - len(x.weight.shape)) + x.weight.shape
        chosen = x.weight.rearranged(lambda numbers: numbers.reshape(own).select(axis, min(index, own[axis] - 1)))
        return Spread(chosen, (*x.shape[:axis], *x.shape[axis + 1 :]))
    if isinstance(x, Stacked):
        if axis == x.axis:
            return x.parts[index]
        inner = axis - (axis > x.axis)
        return Stacked(tuple(select(t, part, inner, index) for part in x.parts), x.axis - (axis < x.axis))
    laid = t.laid(x)
    group = laid.arrangement.axes[axis]
    if all(factor.kind is Kind.COPIES for factor in group):
        return t.eager(replace(laid, arrangement=laid.arrangement.removed(axis)))
    cut = part_of(t, laid, axis, index, index + 1, 1)
    return t.eager(replace(cut, arrangement=cut.arrangement.removed(axis)))


def select_int(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[…, index, …]`."""
    axis = a["dim"] % (len(t.shape) + 1)
    size = length_of(t, x, axis)
    return select(t, x, axis, int(plain(a["index"])) % size)


def slice_tensor(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[…, start:end:step, …]`."""
    laid = t.laid(x)
    axis = a["dim"] % len(laid.shape)
    start, end = (None if a[name] is None else int(plain(a[name])) for name in ("start", "end"))
    if start in (None, 0) and t.shape == laid.shape:
        return laid
    chosen = range(*slice(start, end, a["step"]).indices(length_of(t, laid, axis)))
    return t.eager(part_of(t, laid, axis, chosen.start, chosen.stop, chosen.step))


def index_select(t: Program, a: Arguments, x: Traced) -> Traced:
    """The places along an axis that a constant says."""
    t.require(isinstance(a["index"], Known), "constant places", "others")
    return taken(t, t.laid(x), a["dim"], a["index"].tensor.flatten().tolist())


def index(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[:, places]` with constant places along one axis."""
    given = [(axis, which) for axis, which in enumerate(a["indices"]) if which is not None]
    plain = len(given) == 1 and isinstance(given[0][1], Known) and given[0][1].tensor.dim() == 1
    t.require(plain and not given[0][1].tensor.dtype.is_floating_point, "constant places along one axis", "others")
    axis, which = given[0]
    listed = which.tensor.nonzero().flatten() if which.tensor.dtype is torch.bool else which.tensor
    return taken(t, t.laid(x), axis, listed.tolist())


def flip(t: Program, a: Arguments, x: Traced) -> Traced:
    """The other way round along some axes; twice along one is what it was."""
    dims = frozenset(dim % len(t.shape) for dim in a["dims"])
    if isinstance(x, Flipped) and x.axes == dims:
        return x.laid
    return flipped(t, t.laid(x), dims)


def flipped(t: Translation, laid: Laid, axes: frozenset[int]) -> Flipped:
    """A tensor the other way round along some axes: where it is needed, its places one by one."""

    def made() -> Laid:
        turned = laid
        for axis in sorted(axes):
            turned = taken(t, turned, axis, range(length_of(t, turned, axis))[::-1])
        return turned

    return Flipped(laid, axes, made)


def roll(t: Program, a: Arguments, x: Traced) -> Traced:
    """The last places along an axis first."""
    laid = t.laid(x)
    t.require(len(a["dims"]) == len(a["shifts"]) > 0, "an axis for each shift", a["dims"])
    for shift, dim in zip(a["shifts"], a["dims"], strict=True):
        length = length_of(t, laid, dim % len(laid.shape))
        laid = taken(t, laid, dim, [(place - int(plain(shift))) % length for place in range(length)])
    return laid


def unbind(t: Program, a: Arguments, x: Traced) -> Any:
    """Every place along an axis."""
    return places(t, x, a["dim"] % (len(t.shape) + 1))


def places(t: Translation, x: Traced, axis: int) -> list[Traced]:
    """Every place along an axis, which goes away."""
    if isinstance(x, (Filled, Spread)) or (isinstance(x, Stacked) and axis == x.axis):
        count = len(x.parts) if isinstance(x, Stacked) else x.shape[axis].number
        return [select(t, x, axis, index) for index in range(count)]
    laid = t.laid(x)
    length = length_of(t, laid, axis)
    group = laid.arrangement.axes[axis]
    if length == 1 or all(factor.kind is Kind.COPIES for factor in group):
        return [select(t, laid, axis, index) for index in range(length)]
    parts = parts_of(t, laid, axis, [1] * length)
    return [t.eager(replace(part, arrangement=part.arrangement.removed(axis))) for part in parts]


def split(t: Program, a: Arguments, x: Traced) -> Any:
    """Parts of given sizes along an axis."""
    laid = t.laid(x)
    axis = a["dim"] % len(laid.shape)
    length_of(t, laid, axis)
    return parts_of(t, laid, axis, [shape[axis].number for shape in t.shapes])


OPERATORS: dict[str, Operator] = {
    "aten.index_select.default": moved(index_select),
    "aten.index.Tensor": moved(index),
    "aten.flip.default": moved(flip),
    "aten.roll.default": moved(roll),
    "aten.select.int": moved(select_int),
    "aten.slice.Tensor": moved(slice_tensor),
    "aten.narrow.default": moved(
        lambda t, a, x: slice_tensor(t, {**a, "end": a["start"] + a["length"], "step": 1}, x)
    ),
    "aten.unbind.int": moved(unbind),
    **{name: moved(split) for name in ("aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default")},
    "aten.split.sizes": moved(split),
}

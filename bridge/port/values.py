"""Parameters and constants beside tensors, as layers of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bridge.diagram.names import is_name
from bridge.port.arrangement import BATCH, Arrangement, group
from bridge.port.sizes import BATCH_SIZE, ONE, Size
from bridge.port.sketch import Value
from bridge.port.traced import Known, Laid, Masked, Spread, Traced
from bridge.port.translation import Translation
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["MASKED", "by_itself", "times_constant", "with_mask", "with_value"]

MASKED = -9000.0
"""Scores from here down have no share in a softmax: e to this power is 0 in float64."""


def with_value(t: Translation, by: str, x: Traced, value: Weight | Known) -> Traced:
    """A sum or product of a tensor and a parameter, or a constant, whose axes are its last ones, or of size 1."""
    laid, what = t.laid(x), "parameter" if isinstance(value, Weight) else "constant"
    weight = value if isinstance(value, Weight) else _weight(t, value)
    count = max(len(laid.shape), len(weight.shape))
    own = (1,) * (count - len(weight.shape)) + weight.shape
    had = (ONE,) * (count - len(laid.shape)) + laid.shape
    wanted = [Size(size) if axis == ONE else axis for size, axis in zip(own, had, strict=True)]
    if tuple(wanted) != laid.shape:
        laid = replace(laid, arrangement=laid.arrangement.expanded(wanted))
    laid = t.settled(laid)
    axes = laid.arrangement.axes
    for size, axis in zip(own, axes, strict=True):
        same = size == 1 or BATCH not in axis
        t.require(same, f"a {what} that is the same for each sample", f"one of shape {weight.shape}")
    shape = tuple(size for size, axis in zip(own, axes, strict=True) if axis != (BATCH,))
    fits = all(a in (1, b) for a, b in zip(shape, laid.value.shape, strict=True))
    t.require(fits, f"a {what} that fits {t.describe(laid)}", f"one of shape {weight.shape}")
    held = {"value": weight if weight.shape == shape else weight.rearranged(lambda places: places.reshape(shape))}
    with t.labelled(_label(t, weight.name) or (value.label if isinstance(value, Known) else "")):
        operation = "parameter" if isinstance(value, Weight) else "constant"
        return t.eager(replace(laid, value=t.one(operation, [laid.value], laid.value.shape, held, shape=shape, by=by)))


def _label(t: Translation, name: str) -> str:
    """What to call a value: the last part of its name, but the module's where all modules have such a one."""
    module, _, last = name.rpartition(".")
    if last in ("weight", "bias") and module != t.origin.module:
        last = module.rpartition(".")[2]
    return last if is_name(last) else ""


def by_itself(t: Translation, x: Weight | Known | Spread) -> Laid:
    """A parameter or constant as a tensor of its own: zeros, made of another tensor, and the value added to them.

    One that does not stand in every sample has no batch among its axes.
    """
    value = x.weight if isinstance(x, Spread) else x
    own = tuple(value.tensor.shape) if isinstance(value, Known) else value.shape
    place = x.shape.index(BATCH_SIZE) if isinstance(x, Spread) else 0
    shape = own if not isinstance(x, Spread) else tuple(size.axis for k, size in enumerate(x.shape) if k != place)
    t.require(all(isinstance(size, int) for size in shape), "a parameter or constant of fixed sizes", shape)
    order = [*range(1, place + 1), 0, *range(place + 1, len(shape) + 1)]
    zeros = t.permuted(t.fresh(_zeros(t, [int(size) for size in shape])), order)
    made = t.laid(with_value(t, "add", zeros, value))
    return made if isinstance(x, Spread) else replace(made, arrangement=made.arrangement.removed_batch())


def times_constant(t: Translation, x: Laid, axis: int, matrix: Tensor) -> Laid:
    """Along an axis of fixed size n, what a constant matrix (n, m) makes of it."""
    count = len(x.shape)
    order = [*(k for k in range(count) if k != axis), axis]
    laid = t.settled(t.permuted(x, order))
    if BATCH in laid.arrangement.axes[-1]:
        t.refuse_mixing(f"a product over axis {axis} of {t.describe(x)}")
    shape = laid.value.shape
    t.require(all(isinstance(size, int) for size in shape), "fixed sizes beside a constant matrix", t.describe(x))
    (n, m), rows = matrix.shape, math.prod(int(size) for size in shape[:-1])
    known = t.settled(by_itself(t, Known(matrix, label="matrix")))
    made = t.one("matmul", [t.reshape(laid.value, (rows, n)), known.value], (rows, m))
    last, arrangement = group(Size(m)), laid.arrangement
    value = t.reshape(made, (*shape[:-1], m))
    made_of = Arrangement((*arrangement.axes[:-1], last), (*arrangement.sample[:-1], last))
    return t.permuted(Laid(value, made_of), [order.index(k) for k in range(count)])


def _zeros(t: Translation, shape: Sequence[int]) -> Value:
    given = (*t.sketch.inputs, *(value for step in t.sketch.steps for value in step.outputs))
    some = next((value for value in given if value.data_type.is_float and 0 not in value.shape), None)
    if some is None:
        t.refuse("a parameter beside a tensor that is computed from the inputs", "one before all of those")
    if some.shape:
        axes = tuple(range(-len(some.shape), 0))
        some = t.one("mean", [some], (), axes=axes, keep=False)
    zero = t.reshape(t.one("scale", [some], (), factor=0.0), (1,) * len(shape))
    if all(size == 1 for size in shape):
        return zero
    after = tuple(size - 1 for size in shape)
    return t.one("pad", [zero], tuple(shape), before=(0,) * len(shape), after=after, value=0.0)


def _weight(t: Translation, value: Known) -> Weight:
    """The numbers of a constant; the same where the same constant is used again."""
    if value not in t.constants:
        made = value.tensor.to(DTYPES[t.float_type]).contiguous()
        made = made if value.name else made.clone()  # the program may write to what has no name
        t.require(bool(made.isfinite().all()), "a constant of finite numbers", "others")
        t.constants[value] = Weight(value.name, made)
    return t.constants[value]


def with_mask(t: Translation, x: Masked) -> Laid:
    """The scores, or their softmax, with a constant added that leaves out what the mask does."""
    before, t.origin = t.origin, x.origin
    try:
        return _with_mask(t, x)
    finally:
        t.origin = before


def _with_mask(t: Translation, x: Masked) -> Laid:
    t.require(bool(x.kept.any(-1).all()), "a mask that keeps a place in each row", "one that keeps none")
    if x.kept not in t.masks:
        t.masks[x.kept] = Known(torch.zeros(x.kept.shape).masked_fill(~x.kept, -1e9), label="mask")
    made = t.laid(with_value(t, "add", x.laid, t.masks[x.kept]))
    if not x.normalised:
        return made
    made = t.settled(made)
    return replace(made, value=t.one("softmax", [made.value], made.value.shape, axis=-1))

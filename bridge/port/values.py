"""Parameters and constants beside tensors, as layers of their own."""

from __future__ import annotations

from dataclasses import replace

import torch

from bridge.diagram.names import is_name
from bridge.port.arrangement import BATCH
from bridge.port.sizes import ONE, Size
from bridge.port.traced import Known, Laid, Masked, Traced
from bridge.port.translation import Translation
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["MASKED", "with_mask", "with_value"]

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
    last = weight.name.rpartition(".")[2] or (value.label if isinstance(value, Known) else "")
    with t.labelled(last if is_name(last) else ""):
        operation = "parameter" if isinstance(value, Weight) else "constant"
        return t.eager(replace(laid, value=t.one(operation, [laid.value], laid.value.shape, held, shape=shape, by=by)))


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

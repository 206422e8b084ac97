"""Scaled dot-product attention: the operator itself, and what is written out with a causal mask."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bridge.port.arrangement import BATCH, Arrangement, Factor
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import add, matmul, number_of, product
from bridge.port.operators.elementary import along, elementwise
from bridge.port.operators.normalization import dropout, dropped
from bridge.port.sketch import Value
from bridge.port.traced import Known, Laid, Traced
from bridge.port.translation import batch_place, sample_shape

__all__ = ["OPERATORS"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Products of queries and keys that a causal mask has been laid over, and softmax after it if `normalised`."""

    laid: Laid
    normalised: bool = False


def attention(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    t.require(not a["enable_gqa"], "as many heads of keys as of queries", "enable_gqa")
    q, k, v = (t.laid(a[name]) for name in ("query", "key", "value"))
    causal, mask = bool(a["is_causal"]), None
    width = q.shape[-1].number
    scale = 1 / math.sqrt(width) if a["scale"] is None else float(a["scale"])
    if a["attn_mask"] is not None:
        causal, mask = _mask(t, a["attn_mask"], causal)
    modes = t.flag("dropout_p", a["dropout_p"])
    if modes[0] != 0:
        t.require(modes[1] == 0, "a dropout in train mode only", f"dropout_p={modes[1]} in test mode")
        t.require(not causal and mask is None, "dropout of attention without a mask", "one with a mask")
        keys = Laid(k.value, k.arrangement.permuted([*range(len(k.shape) - 2), len(k.shape) - 1, len(k.shape) - 2]))
        scores = elementwise(t, product(t, q, t.eager(keys)), "scale", factor=scale)
        weights = along("softmax")(t, {"self": scores, "dim": -1, "dtype": None})
        return product(t, t.laid(dropped(t, weights, float(str(modes[0])), (True, False))), v)
    return attended(t, q, k, v, causal, mask, 0.0 if a["scale"] is None else scale)


def attended(t: Program, q: Laid, k: Laid, v: Laid, causal: bool, mask: Value | None, scale: float) -> Laid:
    """An attention of (…, T, D), (…, S, D) and (…, S, E) with equal leading axes. A scale of 0 is 1/√D."""
    lead = len(q.shape) - 2
    t.require(len(q.shape) == len(k.shape) == len(v.shape) >= 2, "as many axes of queries, keys and values", t.describe(q))
    for side in (q, k, v):
        if any(BATCH in axis for axis in side.arrangement.axes[lead:]):
            t.refuse_mixing(f"attention over the batch axis of {t.describe(side)}")
    q, k, v = (t.settled(side) for side in (q, k, v))
    for side in (k, v):
        alike = side.shape[:lead] == q.shape[:lead] and [batch_place(axis) for axis in side.arrangement.axes[:lead]] == [
            batch_place(axis) for axis in q.arrangement.axes[:lead]
        ]
        t.require(alike, f"leading axes as in {t.describe(q)}", t.describe(side))
    last = tuple(Factor(factor.size) for factor in v.arrangement.axes[-1])
    sample = (*q.arrangement.sample[:-1], last)
    inputs = [side.value for side in (q, k, v)] + ([] if mask is None else [mask])
    attributes = {"causal": causal, "mask": "none" if mask is None else "boolean", "scale": scale}
    value = t.one("attention", inputs, sample_shape(sample), **attributes)
    return Laid(value, Arrangement((*q.arrangement.axes[:-1], last), sample))


def _mask(t: Program, mask: Any, causal: bool) -> tuple[bool, Value | None]:
    """Whether a mask is the causal one, else the input that it is."""
    if isinstance(mask, Known):
        kept = mask.tensor if mask.tensor.dtype is torch.bool else _finite(t, mask.tensor)
        if _is_causal(kept):
            return True, None
        t.require(bool(kept.all()), "a causal mask, or one that is an input", "another constant")
        return causal, None
    laid = t.laid(mask, "a mask")
    t.require(laid.value.data_type.value == "bool", "a mask of truth values", laid.value.data_type.value)
    rest = tuple(group for group in laid.arrangement.rest() if group)
    plain = rest == laid.arrangement.sample and laid.arrangement.is_batch_first
    t.require(plain, "a mask (batch, …, T, S)", t.describe(laid))
    return causal, laid.value


def _finite(t: Program, mask: Tensor) -> Tensor:
    plain = bool(((mask == 0) | (mask == -math.inf)).all())
    t.require(plain, "a mask of zeros and -inf", "another constant")
    return mask == 0


def _is_causal(kept: Tensor) -> bool:
    rows, columns = kept.shape[-2:] if kept.dim() >= 2 else (0, 0)
    flat = kept.reshape(-1, rows, columns) if rows else kept
    return bool(rows) and len(flat) == 1 and torch.equal(flat[0], torch.ones(rows, columns).tril().bool())


def masked_fill(t: Program, a: Arguments) -> Any:
    """-inf above the diagonal: the first half of a causal attention that is written out."""
    number = number_of(a["value"])
    t.require(number == -math.inf, "masked places at -inf", number)
    mask = a["mask"]
    if not isinstance(mask, Known) or not _is_causal(~mask.tensor.bool()):
        t.refuse("a causal mask that is constant", "another")
    return Scores(t.laid(a["self"]))


def softmax(t: Program, a: Arguments) -> Any:
    """softmax, of masked scores too."""
    x = a["self"]
    if not isinstance(x, Scores):
        return along("softmax")(t, a)
    t.require(a["dim"] in (-1, len(x.laid.shape) - 1) and not x.normalised, "softmax over the keys", a["dim"])
    return replace(x, normalised=True)


def masked_dropout(t: Program, a: Arguments) -> Any:
    """dropout, which masked scores can't have."""
    if isinstance(a["input"], Scores):
        if a["p"] == 0:
            return a["input"]
        t.refuse("dropout of attention without a mask", "one with a mask")
    return dropout(t, a)


def weighted(t: Program, a: Arguments) -> Traced:
    """A product of matrices, of masked scores too."""
    x = a["self"]
    if not isinstance(x, Scores):
        return matmul(t, a)
    values = t.laid(a["other"] if "other" in a else a["mat2"])
    q, k, scale = _queries(t, x.laid)
    t.require(x.normalised, "softmax before the product with the values", "none")
    made = attended(t, q, k, values, True, None, scale)
    return made


def _queries(t: Program, scores: Laid) -> tuple[Laid, Laid, float]:
    """The queries and keys whose products scores are, and the scale."""
    scale, value = 1.0, scores.value
    step = t.maker(value)
    while step is not None and step.layer.operation == "scale" and step.layer["shift"] == 0:
        scale *= float(step.layer["factor"])  # type: ignore[arg-type]
        value = step.inputs[0]
        step = t.maker(value)
    if step is None or step.layer.operation != "matmul":
        t.refuse("a causal mask over products of queries and keys", "something else")
    queries, keys = step.inputs
    count = len(queries.shape)
    axes = scores.arrangement.axes
    lead = axes[: len(axes) - 2]
    back = t.maker(keys)
    swap = (*range(count - 2), count - 1, count - 2)
    if back is not None and back.layer.operation == "permute" and back.layer["axes"] == swap:
        keys = back.inputs[0]
    else:
        keys = t.permute(keys, swap)
    sides = []
    for own in (queries, keys):
        groups = t.fresh(own).arrangement.sample
        rest = [tuple(f for f in axis if f is not BATCH) for axis in lead if axis != (BATCH,)]
        sample = (*rest, *groups[-2:])
        sides.append(Laid(own, Arrangement((*lead, *groups[-2:]), sample)))
    return sides[0], sides[1], scale


def masked_add(t: Program, a: Arguments) -> Any:
    """A sum; with a constant of zeros and -inf it is a mask."""
    x, mask = a["self"], a["other"]
    if isinstance(x, Laid) and isinstance(mask, Known) and number_of(mask) is None:
        kept = _finite(t, mask.tensor)
        t.require(_is_causal(kept), "a causal mask", "another constant")
        return Scores(x)
    return add(t, a)


OPERATORS: dict[str, Operator] = {
    "aten.add.Tensor": masked_add,
    "aten.scaled_dot_product_attention.default": attention,
    "aten.masked_fill.Scalar": masked_fill,
    "aten.masked_fill.Tensor": masked_fill,
    "aten.softmax.int": softmax,
    "aten.dropout.default": masked_dropout,
    "aten.matmul.default": weighted,
    "aten.bmm.default": weighted,
}

"""Scaled dot-product attention: the operator itself, and what is written out with a constant mask."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bridge.port.arrangement import BATCH, Arrangement, Factor
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import add, matmul, multiply, number_of, product
from bridge.port.operators.elementary import along, elementwise
from bridge.port.operators.normalization import dropout, dropped
from bridge.port.sketch import Value
from bridge.port.traced import Filled, Known, Laid, Masked, Traced
from bridge.port.translation import batch_place, sample_shape
from bridge.port.values import MASKED, with_value
from bridge.port.weights import Weight
from bridge.torch.batch import DTYPES

__all__ = ["OPERATORS"]


def attention(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.scaled_dot_product_attention`."""
    t.require(not a["enable_gqa"], "as many heads of keys as of queries", "enable_gqa")
    q, k, v = (t.laid(a[name]) for name in ("query", "key", "value"))
    causal, mask, kept, added = bool(a["is_causal"]), None, None, None
    width = q.shape[-1].number
    scale = 1 / math.sqrt(width) if a["scale"] is None else float(a["scale"])
    if isinstance(a["attn_mask"], Weight) or (isinstance(a["attn_mask"], Known) and not _is_mask(a["attn_mask"].tensor)):
        added = a["attn_mask"]
    elif isinstance(a["attn_mask"], Known):
        kept = _kept(t, a["attn_mask"].tensor)
        if _is_causal(kept):
            causal, kept = True, None
        elif bool(kept.all()):
            kept = None
    elif a["attn_mask"] is not None:
        mask = _mask(t, a["attn_mask"])
    modes = t.flag("dropout_p", a["dropout_p"])
    t.require(modes[0] == 0 or modes[1] == 0, "a dropout in train mode only", f"dropout_p={modes[1]} in test mode")
    if modes[0] == 0 and kept is None and added is None:
        return attended(t, q, k, v, causal, mask, 0.0 if a["scale"] is None else scale)
    t.require(mask is None, "dropout of attention without a mask, or with a constant one", "one that is an input")
    scores = elementwise(t, product(t, q, _turned(t, k)), "scale", factor=scale)
    if causal:
        rows, columns = q.shape[-2].number, k.shape[-2].number
        kept = torch.ones(rows, columns).tril().bool()
    weights = t.laid(scores if added is None else with_value(t, "add", scores, _finite(added)))
    if kept is not None:
        weights = t.laid(Masked(weights, kept, t.origin, normalised=True))
    else:
        weights = t.laid(along("softmax")(t, {"self": weights, "dim": -1, "dtype": None}))
    if modes[0] != 0:
        weights = t.laid(dropped(t, weights, float(str(modes[0])), (True, False)))
    return product(t, weights, v)


def _turned(t: Program, k: Laid) -> Laid:
    count = len(k.shape)
    return t.eager(Laid(k.value, k.arrangement.permuted([*range(count - 2), count - 1, count - 2])))


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


def _mask(t: Program, mask: Any) -> Value:
    """The input that a mask is."""
    laid = t.laid(mask, "a mask")
    t.require(laid.value.data_type.value == "bool", "a mask of truth values", laid.value.data_type.value)
    rest = tuple(group for group in laid.arrangement.rest() if group)
    plain = rest == laid.arrangement.sample and laid.arrangement.is_batch_first
    t.require(plain, "a mask (batch, …, T, S)", t.describe(laid))
    return laid.value


def _kept(t: Program, mask: Tensor) -> Tensor:
    """What a constant mask keeps, of truth values or of numbers that are added."""
    if mask.dtype is torch.bool:
        return mask
    t.require(_is_mask(mask), "a mask of zeros and -inf", "another constant")
    return mask == 0


def _is_mask(mask: Tensor) -> bool:
    return mask.dtype is torch.bool or bool(((mask == 0) | (mask <= MASKED)).all())


def _finite(added: Weight | Known) -> Weight | Known:
    """What is added to scores, with a number that softmax makes 0 of too in the place of -inf."""
    return added if isinstance(added, Weight) else Known(added.tensor.clamp(min=-1e9), added.name)


def _is_causal(kept: Tensor) -> bool:
    rows, columns = kept.shape[-2:] if kept.dim() >= 2 else (0, 0)
    flat = kept.reshape(-1, rows, columns) if rows else kept
    return bool(rows) and len(flat) == 1 and torch.equal(flat[0], torch.ones(rows, columns).tril().bool())


def masked_fill(t: Program, a: Arguments) -> Any:
    """Another number in some places; -inf is a mask of attention."""
    return _chosen(t, a["mask"], a["value"], a["self"])


def where(t: Program, a: Arguments) -> Any:
    """One of two in each place, where a constant says which."""
    return _chosen(t, a["condition"], a["self"], a["other"])


def _chosen(t: Program, condition: Any, one: Any, two: Any) -> Any:
    if not isinstance(condition, Known):
        t.refuse("a condition that is constant", "one that is computed from the inputs")
    places = condition.tensor.bool()
    for number, other, kept in ((number_of(one), two, ~places), (number_of(two), one, places)):
        if number is not None and number <= MASKED and not isinstance(other, (Known, Filled)):
            return Masked(t.laid(other), kept, t.origin)
    both = ((one, places), (two, ~places))
    sides = [_at(t, side, chosen.to(DTYPES[t.float_type])) for side, chosen in both if number_of(side) != 0]
    return sides[0] if len(sides) == 1 else add(t, {"self": sides[0], "other": sides[1]})


def _at(t: Program, x: Traced, places: Tensor) -> Traced:
    """x where there is 1, else 0."""
    number = number_of(x)
    return multiply(t, {"self": x, "other": Known(places)}) if number is None else Known(places * number)


def softmax(t: Program, a: Arguments) -> Any:
    """softmax, of masked scores too."""
    x = a["self"]
    last = isinstance(x, Masked) and not x.normalised and a["dim"] in (-1, len(x.laid.shape) - 1)
    if last and a["dtype"] in (None, DTYPES[t.float_type]):
        return replace(x, normalised=True)
    return along("softmax")(t, a)


def kept_whole(t: Program, a: Arguments) -> Any:
    """dropout, without which masked scores stay what they are."""
    return a["input"] if isinstance(a["input"], Masked) and a["p"] == 0 else dropout(t, a)


def weighted(t: Program, a: Arguments) -> Traced:
    """A product of matrices; with causal scores on the left it is an attention."""
    x = a["self"]
    if isinstance(x, Masked) and x.normalised and _is_causal(x.kept):
        found = _queries(t, x.laid)
        if found is not None:
            return attended(t, *found[:2], t.laid(a["other"] if "other" in a else a["mat2"]), True, None, found[2])
    return matmul(t, a)


def _queries(t: Program, scores: Laid) -> tuple[Laid, Laid, float] | None:
    """The queries and keys whose products scores are, and the scale; None where they are something else."""
    scale, value = 1.0, scores.value
    step = t.maker(value)
    while step is not None and step.layer.operation == "scale" and step.layer["shift"] == 0:
        scale *= float(step.layer["factor"])  # type: ignore[arg-type]
        value = step.inputs[0]
        step = t.maker(value)
    if step is None or step.layer.operation != "matmul":
        return None
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
    for x, mask in ((a["self"], a["other"]), (a["other"], a["self"])):
        if isinstance(x, Laid) and isinstance(mask, Known) and bool((mask.tensor == -math.inf).any()):
            if not _is_mask(mask.tensor):
                return with_value(t, "add", x, _finite(mask))
            return Masked(x, _kept(t, mask.tensor), t.origin)
    return add(t, a)


OPERATORS: dict[str, Operator] = {
    "aten.add.Tensor": masked_add,
    "aten.scaled_dot_product_attention.default": attention,
    "aten.masked_fill.Scalar": masked_fill,
    "aten.masked_fill.Tensor": masked_fill,
    "aten.softmax.int": softmax,
    "aten.dropout.default": kept_whole,
    **dict.fromkeys(("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther"), where),
    "aten.matmul.default": weighted,
    "aten.bmm.default": weighted,
}

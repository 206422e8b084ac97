"""The divergences in torch: each row of the table in docs/semantics.md as one function of two batches.

A row gives two things: `mean`, the unmasked value as torch's fused functions compute it, and `elements`, the
divergence of every element without the class axis, which masked agreements weigh. `left` is the left side (the
prediction) and `right` the right; both have a batch axis first. Gradients flow into both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.divergences import class_axis
from bridge.diagram.ir import Divergence, Space
from bridge.errors import BatchError, UnsupportedError

__all__ = ["ROWS", "Measure", "Row", "measure"]

Pair = Callable[[Tensor, Tensor], Tensor]
Measure = Callable[..., Tensor]

EPSILON = 1e-8  # the least norm by which cosine and info_nce divide
NEVER = -(2**63)  # an index that no batch has: torch would leave −100 out of the mean


@dataclass(frozen=True, slots=True)
class Row:
    """How one divergence is computed for a pair of spaces."""

    mean: Pair
    elements: Pair


def _plain(fused: Callable[..., Tensor]) -> Row:
    return Row(mean=fused, elements=lambda left, right: fused(left, right, reduction="none"))


def _huber(delta: float) -> Row:
    return Row(
        mean=lambda left, right: F.huber_loss(left, right, delta=delta),
        elements=lambda left, right: F.huber_loss(left, right, delta=delta, reduction="none"),
    )


def _cross_entropy(axis: int, index: bool, smoothing: float) -> Row:
    def value(reduction: str) -> Pair:
        def cross_entropy(left: Tensor, right: Tensor) -> Tensor:
            if axis != 1:
                left, right = left.movedim(axis, 1), right if index else right.movedim(axis, 1)
            if index and right.dtype is not torch.int64:
                right = right.long()
            return F.cross_entropy(left, right, ignore_index=NEVER, label_smoothing=smoothing, reduction=reduction)

        return cross_entropy

    return Row(mean=value("mean"), elements=value("none"))


def _kl(axis: int, temperature: float) -> Row:
    scale = temperature * temperature

    def summands(left: Tensor, right: Tensor) -> Tensor:
        if temperature != 1.0:
            left, right = left / temperature, right / temperature
        log_p, log_q = F.log_softmax(right, axis), F.log_softmax(left, axis)
        p = log_p.exp()
        return p * (log_p - log_q).masked_fill(p == 0, 0.0)  # 0·log 0 = 0, also in the gradient

    def mean(left: Tensor, right: Tensor) -> Tensor:
        factor = scale * left.shape[axis] / left.numel()
        if right.requires_grad:
            return summands(left, right).sum() * factor
        # PyTorch's own has the same value, and NaN for gradients only on the right, where p is 0.
        log_q, p = F.log_softmax(left / temperature, axis), F.softmax(right / temperature, axis)
        return F.kl_div(log_q, p, reduction="sum") * factor

    return Row(
        mean=mean,
        elements=lambda left, right: summands(left, right).sum(axis) * scale,
    )


def _norm(x: Tensor, axis: int) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=axis, keepdim=True)
    return length.clamp_min(EPSILON)


def _cosine(axis: int) -> Row:
    def elements(left: Tensor, right: Tensor) -> Tensor:
        return 1 - (left / _norm(left, axis) * (right / _norm(right, axis))).sum(axis)

    return Row(mean=lambda left, right: elements(left, right).mean(), elements=elements)


def _info_nce(axis: int, temperature: float, symmetric: bool) -> Row:
    def elements(left: Tensor, right: Tensor) -> Tensor:
        # (N, *others, K) → similarities (*others, N, N) of each sample's left with every sample's right
        left, right = ((x / _norm(x, axis)).movedim(axis, -1).movedim(0, -2) for x in (left, right))
        similarity = left @ right.transpose(-1, -2) / temperature
        own = similarity.diagonal(dim1=-2, dim2=-1)
        value = similarity.logsumexp(-1) - own
        if symmetric:
            value = (value + similarity.logsumexp(-2) - own) / 2
        return value.movedim(-1, 0)

    return Row(mean=lambda left, right: elements(left, right).mean(), elements=elements)


# By name: the row for a divergence, the place of the class axis in a batch (0 if there is none), and whether the
# right side holds class indices.
ROWS: dict[str, Callable[[Divergence, int, bool], Row]] = {
    "mse": lambda d, axis, index: _plain(F.mse_loss),
    "mae": lambda d, axis, index: _plain(F.l1_loss),
    "huber": lambda d, axis, index: _huber(_real(d, "delta")),
    "cross_entropy": lambda d, axis, index: _cross_entropy(axis, index, _real(d, "label_smoothing")),
    "binary_cross_entropy": lambda d, axis, index: _plain(F.binary_cross_entropy_with_logits),
    "kl": lambda d, axis, index: _kl(axis, _real(d, "temperature")),
    "cosine": lambda d, axis, index: _cosine(axis),
    "info_nce": lambda d, axis, index: _info_nce(axis, _real(d, "temperature"), bool(d["symmetric"])),
}


def measure(divergence: Divergence, left: Space, right: Space, mask: Space | None = None, element: str = "") -> Measure:
    """The function of (left, right), or of (left, right, mask), that one agreement measures; a scalar.

    An empty batch gives exactly 0 with zero gradients, as does a mask that is zero everywhere. A mask is one number
    per sample, or per element of the sample without the class axis. `element` names the agreement in refusals.
    """
    if divergence.name not in ROWS:
        raise UnsupportedError(element, f"a divergence of {sorted(ROWS)}", repr(divergence.name))
    klass = class_axis(divergence, left, element)
    axis = 0 if klass is None else 1 + left.axes.index(klass)
    row = ROWS[divergence.name](divergence, axis, right.is_index)
    return _unmasked(row.mean) if mask is None else _masked(row.elements, not mask.axes, element)


def _unmasked(mean: Pair) -> Measure:
    def value(left: Tensor, right: Tensor) -> Tensor:
        return mean(left, right) if left.shape[0] else _zero(left, right)

    return value


def _masked(elements: Pair, per_sample: bool, element: str) -> Measure:
    def value(left: Tensor, right: Tensor, mask: Tensor) -> Tensor:
        if not left.shape[0]:
            return _zero(left, right) + _zero(left, mask)
        each = elements(left, right)
        if per_sample and each.dim() > 1:
            each = each.flatten(1).mean(1)
        mask = mask.to(torch.promote_types(mask.dtype, each.dtype))
        least = mask.detach().min().item()
        if least < 0:
            raise BatchError(f"{element}, mask", "numbers that are not negative", f"{least}")
        weight = mask.sum()
        some = weight > 0
        return torch.where(some, (mask * each).sum(), 0.0) / torch.where(some, weight, 1.0)

    return value


def _zero(left: Tensor, right: Tensor) -> Tensor:
    """0 as a function of empty tensors, so that their gradients are zeros and not missing."""
    total = left.sum()
    return total + right.sum() if right.is_floating_point() else total


def _real(divergence: Divergence, name: str) -> float:
    value = divergence[name]
    assert isinstance(value, float)
    return value

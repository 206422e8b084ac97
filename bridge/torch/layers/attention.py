"""Attention in torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import integer, real
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float | None) -> Tensor:
    """torch's, but that a query which sees no key has zeros and zero gradients: some of torch's kernels give it NaN."""
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    if causal:
        mask = mask & torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    seen = mask.any(-1, keepdim=True)
    made = F.scaled_dot_product_attention(q, k, v, attn_mask=mask | ~seen, scale=scale)
    return made.where(seen, 0.0)


def _attention(layer: Layer) -> Function:
    causal, scale = bool(layer["causal"]), real(dict(layer.attributes), "scale") or None

    def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None and mask.dim() < q.dim():
            mask = mask.reshape(mask.shape[0], *[1] * (q.dim() - 3), *mask.shape[1:])
        return _attend(q, k, v, mask, causal, scale)

    return run


def _multi_head_attention(layer: Layer) -> Function:
    heads, causal = integer(dict(layer.attributes), "heads"), bool(layer["causal"])
    has_key_mask, has_mask, bias = (bool(layer[name]) for name in ("key_mask", "mask", "bias"))

    def run(query: Tensor, key: Tensor, value: Tensor, *rest: Tensor) -> Tensor:
        masks, parameters = rest[: has_key_mask + has_mask], rest[has_key_mask + has_mask :]
        mask = masks[-1].unsqueeze(1) if has_mask else None
        if has_key_mask:
            of_keys = masks[0].reshape(masks[0].shape[0], 1, 1, -1)
            mask = of_keys.expand(-1, 1, query.shape[1], -1) if mask is None else mask & of_keys
        biases = parameters[3:6] if bias else (None, None, None)
        q, k, v = (
            F.linear(x, weight, b).unflatten(-1, (heads, -1)).transpose(1, 2)
            for x, weight, b in zip((query, key, value), parameters[:3], biases, strict=True)
        )
        made = _attend(q, k, v, mask, causal, None).transpose(1, 2).flatten(2)
        return F.linear(made, *parameters[6 if bias else 3 :])

    return run


FUNCTIONS: dict[str, Maker] = {"attention": _attention, "multi_head_attention": _multi_head_attention}

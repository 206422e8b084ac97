"""Attention in torch's words. Where a query sees no key, some of torch's kernels make NaN: there it is left out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Call, Case, Cases, Input, shapes, sizes
from torch import Tensor

from bridge import layers


@st.composite
def attention(draw: st.DrawFn, samples: int) -> Case:
    front, queries, keys, width, value_width = draw(shapes(0, 2)), draw(sizes), draw(sizes), draw(sizes), draw(sizes)
    causal, scale = draw(st.booleans()), draw(st.sampled_from([0.0]) | st.floats(-1.0, 1.0).filter(bool))
    mask = draw(st.sampled_from([(), ((queries, keys),), ((*front, queries, keys),)]))

    def reference(call: Call) -> Tensor:
        q, k, v, *masks = call.inputs
        options = {"scale": scale or None}
        if not masks:
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal, **options)
        (keep,) = masks
        keep = keep.reshape(len(keep), *[1] * (q.dim() - keep.dim()), *keep.shape[1:]).expand(*q.shape[:-1], keys)
        keep = keep.tril() if causal else keep
        empty = ~keep.any(-1, keepdim=True)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=keep | empty, **options) * ~empty

    # Gradients that are 0 by symmetry are as far off as the others are large.
    inputs = [Input((*front, *last), scale=1.0) for last in ((queries, width), (keys, width), (keys, value_width))]
    layer = layers.attention(causal=causal, mask="boolean" if mask else "none", scale=scale)
    return Case(layer, (*inputs, *(Input(shape, "mask") for shape in mask)), reference)


@st.composite
def multi_head_attention(draw: st.DrawFn, samples: int) -> Case:
    heads, part, queries, keys = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(sizes), draw(sizes)
    width, key_width, value_width = heads * part, draw(sizes), draw(sizes)
    bias, causal, key_mask, has_mask = (draw(st.booleans()) for _ in range(4))
    widths = {} if draw(st.booleans()) else {"key_width": key_width, "value_width": value_width}
    layer = layers.multi_head_attention(
        width, heads, bias=bias, causal=causal, key_mask=key_mask, mask=has_mask, **widths
    )

    def reference(call: Call) -> Tensor:
        query, key, value, *masks = call.inputs
        p = call.parameters
        keep = torch.ones(len(query), queries, keys, dtype=torch.bool)
        if key_mask:
            keep = keep & masks[0][:, None, :]
        if has_mask:
            keep = keep & masks[-1]
        keep = keep.tril() if causal else keep
        empty = ~keep.any(-1, keepdim=True)
        made = F.multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (query, key, value)),
            width,
            heads,
            None,
            torch.cat([p["q_bias"], p["k_bias"], p["v_bias"]]) if bias else None,
            None,
            None,
            False,
            0.0,
            torch.eye(width, dtype=query.dtype),
            None,
            need_weights=False,
            attn_mask=~(keep | empty).repeat_interleave(heads, 0),  # torch's true leaves out
            use_separate_proj_weight=True,
            q_proj_weight=p["q_weight"],
            k_proj_weight=p["k_weight"],
            v_proj_weight=p["v_weight"],
        )[0].transpose(0, 1)
        return F.linear(made * ~empty, p["out_weight"], p.get("out_bias"))

    widths_of_inputs = ((queries, width), (keys, layer["key_width"]), (keys, layer["value_width"]))
    inputs = [Input(shape, scale=0.25) for shape in widths_of_inputs]
    masks = [Input((keys,), "mask")] * key_mask + [Input((queries, keys), "mask")] * has_mask
    return Case(layer, (*inputs, *masks), reference)


CASES: dict[str, Cases] = {"attention": attention, "multi_head_attention": multi_head_attention}

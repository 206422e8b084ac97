"""Interpolation and padding in torch's words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, one_input, shapes

from bridge import layers


@st.composite
def upsample2d(draw: st.DrawFn, samples: int) -> Case:
    factor = [draw(st.integers(1, 4)) for _ in range(2)]
    mode, shape = draw(st.sampled_from(["nearest", "bilinear"])), draw(shapes(3, 3))
    if mode == "nearest":
        return one_input(layers.upsample2d(factor), shape, torch.nn.Upsample(scale_factor=tuple(factor)))
    corners = draw(st.booleans())
    layer = layers.upsample2d(factor, "bilinear", align_corners=corners)
    module = torch.nn.Upsample(scale_factor=tuple(factor), mode="bilinear", align_corners=corners)
    return one_input(layer, shape, module)


@st.composite
def pad(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes(1, 4))
    axes = draw(st.integers(1, len(shape)))
    before, after = ([draw(st.integers(0, 2)) for _ in range(axes)] for _ in range(2))
    value = draw(st.sampled_from([0.0, -1.5]))
    # torch's list goes from the last axis to the first.
    widths = [width for pair in zip(reversed(before), reversed(after), strict=True) for width in pair]
    return one_input(layers.pad(before, after, value=value), shape, lambda x: F.pad(x, widths, value=value))


CASES: dict[str, Cases] = {"upsample2d": upsample2d, "pad": pad}

"""Normalisation in torch's words."""

from __future__ import annotations

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, one_input, shapes

from bridge import layers

epsilons = st.sampled_from([1e-5, 1e-3, 0.1])


@st.composite
def layer_norm(draw: st.DrawFn, samples: int) -> Case:
    # Over one or two numbers the variance may be near 0, where single precision loses the gradient.
    last = draw(shapes(1, 2).filter(lambda shape: max(shape) > 2))
    eps, affine = draw(epsilons), draw(st.booleans())
    layer = layers.layer_norm(last, eps=eps, affine=affine)
    return one_input(layer, draw(shapes(0, 1)) + last, lambda x, *affine: F.layer_norm(x, last, *affine, eps=eps))


CASES: dict[str, Cases] = {"layer_norm": layer_norm}

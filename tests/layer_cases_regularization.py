"""Regularisation by chance, with NumPy's generator."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import strategies as st
from layer_cases import Call, Case, Cases, Input, shapes
from torch import Tensor

from bridge import layers


@st.composite
def dropout(draw: st.DrawFn, samples: int) -> Case:
    p = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1))

    def reference(call: Call) -> Tensor:
        (x,) = call.inputs
        if not call.train:
            return x.clone()
        # u = (word >> 11)·2⁻⁵³, as in docs/semantics.md, is what NumPy makes of a word.
        bits = np.random.Philox(key=[call.seed, 0], counter=[0, 0, call.application, 0])
        drawn = torch.from_numpy(np.random.Generator(bits).random(x.numel())).reshape(x.shape)
        return torch.where(drawn >= p, x / (1 - p) if p < 1 else x, 0 * x)

    shape = draw(shapes())
    return Case(layers.dropout(p), (Input(shape if math.prod(shape) > 3 else (*shape, 7)),), reference)


CASES: dict[str, Cases] = {"dropout": dropout}

"""Changes of shape in torch's words."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from layer_cases import Case, Cases, one_input, shapes

from bridge import layers


@st.composite
def reshape(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes())
    target = draw(st.permutations((*shape, 1)) | st.just((math.prod(shape),)))
    return one_input(layers.reshape(*target), shape, lambda x: x.reshape(-1, *target))


CASES: dict[str, Cases] = {
    "flatten": lambda samples: shapes().map(
        lambda shape: one_input(layers.flatten(), shape, lambda x: x.reshape(len(x), -1))
    ),
    "reshape": reshape,
    "identity": lambda samples: shapes().map(lambda shape: one_input(layers.identity(), shape, lambda x: x.clone())),
}

"""Values looked up by index, in torch's words."""

from __future__ import annotations

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, Input, shapes, sizes

from bridge import layers


@st.composite
def embedding(draw: st.DrawFn, samples: int) -> Case:
    entries, width = draw(st.integers(1, 6)), draw(sizes)
    padding = draw(st.integers(-1, entries - 1))
    classes = draw(st.integers(1, entries))  # fewer indices than entries will do
    layer = layers.embedding(entries, width, padding=padding)
    skipped = None if padding < 0 else padding
    return Case(
        layer,
        (Input(draw(shapes(0, 2)), "index", classes),),
        lambda call: F.embedding(call.inputs[0], call.parameters["weight"], padding_idx=skipped),
    )


CASES: dict[str, Cases] = {"embedding": embedding}

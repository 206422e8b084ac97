"""Arithmetic of values in torch's words."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from layer_cases import Case, Cases, Input, shapes

from bridge import layers


@st.composite
def add(draw: st.DrawFn, samples: int) -> Case:
    shape, count = draw(shapes()), draw(st.integers(2, 4))
    return Case(layers.add(), (Input(shape),) * count, lambda call: sum(call.inputs))


@st.composite
def multiply(draw: st.DrawFn, samples: int) -> Case:
    return Case(layers.multiply(), (Input(draw(shapes())),) * 2, lambda call: math.prod(call.inputs))


CASES: dict[str, Cases] = {"add": add, "multiply": multiply}

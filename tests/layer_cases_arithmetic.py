"""Arithmetic of values in torch's words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from layer_cases import Call, Case, Cases, Input, shapes, sizes
from torch import Tensor

from bridge import layers
from bridge.diagram.ir import Layer


@st.composite
def repeated(draw: st.DrawFn, count: int) -> tuple[tuple[int, ...], ...]:
    """Shapes that fit each other when axes of size 1 are repeated."""
    shape = draw(shapes())
    return tuple(tuple(draw(st.sampled_from([size, size, 1])) for size in shape) for _ in range(count))


def together(layer: Layer, function: Callable[[Call], Any], least: float | None = None) -> Cases:
    """A layer of two inputs; those after the first are at least `least`."""

    @st.composite
    def cases(draw: st.DrawFn, samples: int) -> Case:
        first, second = draw(repeated(2))
        return Case(layer, (Input(first), Input(second, least=least)), function)

    return cases


@st.composite
def add(draw: st.DrawFn, samples: int) -> Case:
    inputs = tuple(Input(shape) for shape in draw(repeated(draw(st.integers(2, 4)))))
    return Case(layers.add(), inputs, lambda call: sum(call.inputs))


@st.composite
def matmul(draw: st.DrawFn, samples: int) -> Case:
    front, n, k, m = draw(shapes(0, 2)), draw(sizes), draw(sizes), draw(sizes)
    inputs = Input((*front, n, k)), Input((*front, k, m))
    return Case(layers.matmul(), inputs, lambda call: torch.einsum("...nk,...km->...nm", *call.inputs))


def elementwise(layer: Layer, function: Callable[[Tensor], Tensor], least: float | None = None) -> Cases:
    """A layer of one input, whose numbers are at least `least`."""
    return lambda samples: shapes().map(
        lambda shape: Case(layer, (Input(shape, least=least),), lambda call: function(call.inputs[0]))
    )


@st.composite
def scale(draw: st.DrawFn, samples: int) -> Case:
    factor, shift = draw(st.floats(-3, 3)), draw(st.floats(-3, 3))
    return draw(elementwise(layers.scale(factor, shift), lambda x: factor * x + shift)(samples))


@st.composite
def power(draw: st.DrawFn, samples: int) -> Case:
    exponent = draw(st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, -1.0, -2.0]) | st.floats(-2.5, 3.5))
    least = None if exponent.is_integer() and exponent >= 0 else 0.2
    return draw(elementwise(layers.power(exponent), lambda x: x**exponent, least)(samples))


@st.composite
def parameter(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes())
    own = tuple(draw(st.sampled_from([size, 1])) for size in shape)
    by, init = draw(st.sampled_from(["add", "multiply"])), draw(st.sampled_from(["zeros", "ones", "normal"]))

    def reference(call: Call) -> Tensor:
        value = call.parameters["value"]
        return call.inputs[0] + value if by == "add" else call.inputs[0] * value

    return Case(layers.parameter(*own, by=by, init=init), (Input(shape),), reference)


@st.composite
def constant(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes())
    own = tuple(draw(st.sampled_from([size, 1])) for size in shape)
    by = draw(st.sampled_from(["add", "multiply"]))

    def reference(call: Call) -> Tensor:
        value = call.buffers["value"]
        return call.inputs[0] + value if by == "add" else call.inputs[0] * value

    return Case(layers.constant(*own, by=by), (Input(shape),), reference)


CASES: dict[str, Cases] = {
    "add": add,
    "subtract": together(layers.subtract(), lambda call: call.inputs[0] - call.inputs[1]),
    "multiply": together(layers.multiply(), lambda call: math.prod(call.inputs)),
    "divide": together(layers.divide(), lambda call: call.inputs[0] / call.inputs[1], least=0.3),
    "parameter": parameter,
    "constant": constant,
    "scale": scale,
    "power": power,
    "exp": elementwise(layers.exp(), torch.exp),
    "log": elementwise(layers.log(), torch.log, least=0.2),
    "sqrt": elementwise(layers.sqrt(), torch.sqrt, least=0.2),
    "abs": elementwise(layers.abs(), torch.abs),
    "matmul": matmul,
}

"""Linear layers, activations and softmax in torch's words."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, one_input, shapes, sizes
from torch import Tensor

from bridge import layers
from bridge.diagram.ir import Layer


def keeps_shape(layer: st.SearchStrategy[tuple[Layer, Callable[[Tensor], Tensor]]]) -> Cases:
    """An activation: pairs of a layer and torch's function."""
    return lambda samples: st.tuples(layer, shapes()).map(lambda drawn: one_input(drawn[0][0], drawn[1], drawn[0][1]))


def plain(layer: Layer, function: Callable[[Tensor], Tensor]) -> Cases:
    """An activation without attributes."""
    return keeps_shape(st.just((layer, function)))


@st.composite
def linear(draw: st.DrawFn, samples: int) -> Case:
    front, inputs, outputs, bias = draw(shapes(0, 2)), draw(sizes), draw(sizes), draw(st.booleans())
    init = draw(st.sampled_from(["kaiming_uniform", "glorot_uniform", "zeros"]))
    return one_input(layers.linear(inputs, outputs, bias=bias, init=init), (*front, inputs), F.linear)


def along_axis(make: Callable[[int], Layer], function: Callable[[Tensor, int], Tensor]) -> Cases:
    @st.composite
    def cases(draw: st.DrawFn, samples: int) -> Case:
        shape = draw(shapes(1))
        axis = draw(st.integers(-len(shape), -1))
        return one_input(make(axis), shape, lambda x: function(x, axis))

    return cases


alphas = st.floats(0.05, 2.0)

CASES: dict[str, Cases] = {
    "linear": linear,
    "relu": plain(layers.relu(), F.relu),
    "sigmoid": plain(layers.sigmoid(), F.sigmoid),
    "tanh": plain(layers.tanh(), F.tanh),
    "leaky_relu": keeps_shape(
        st.floats(-1.0, 1.0).map(lambda slope: (layers.leaky_relu(slope), lambda x: F.leaky_relu(x, slope)))
    ),
    "elu": keeps_shape(alphas.map(lambda alpha: (layers.elu(alpha), lambda x: F.elu(x, alpha)))),
    "celu": keeps_shape(alphas.map(lambda alpha: (layers.celu(alpha), lambda x: F.celu(x, alpha)))),
    "relu6": plain(layers.relu6(), F.relu6),
    "silu": plain(layers.silu(), F.silu),
    "hardsigmoid": plain(layers.hardsigmoid(), F.hardsigmoid),
    "mish": plain(layers.mish(), F.mish),
    "softplus": plain(layers.softplus(), F.softplus),
    "gelu": keeps_shape(
        st.sampled_from(["none", "tanh"]).map(lambda kind: (layers.gelu(kind), lambda x: F.gelu(x, approximate=kind)))
    ),
    "softmax": along_axis(layers.softmax, F.softmax),
    "log_softmax": along_axis(layers.log_softmax, F.log_softmax),
}

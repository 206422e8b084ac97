"""Convolutions in torch's words."""

from __future__ import annotations

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, one_input

from bridge import layers

FUNCTIONS = {1: (F.conv1d, F.conv_transpose1d), 2: (F.conv2d, F.conv_transpose2d)}


def lists(axes: int, least: int, most: int) -> st.SearchStrategy[list[int]]:
    """A number for each spatial axis."""
    return st.lists(st.integers(least, most), min_size=axes, max_size=axes)


def plain_or_any(axes: int, plain: int, most: int) -> st.SearchStrategy[list[int]]:
    """As often as not the usual number: engines have faster ways there."""
    return st.one_of(st.just([plain] * axes), lists(axes, plain, most))


def convolution(axes: int) -> Cases:
    @st.composite
    def made(draw: st.DrawFn, samples: int) -> Case:
        kernel, stride, dilation = draw(lists(axes, 1, 3)), draw(plain_or_any(axes, 1, 3)), draw(plain_or_any(axes, 1, 2))
        padding = draw(st.one_of(st.just([k // 2 for k in kernel]), lists(axes, 0, 3)))
        groups = draw(st.sampled_from([1, 1, 2, 3]))
        inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
        bias, init = draw(st.booleans()), draw(st.sampled_from(["kaiming_uniform", "glorot_uniform", "zeros"]))
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
        sizes = [n + draw(st.integers(0, 7)) for n in least]
        sizes[-1] += draw(st.sampled_from([0, 0, 200]))  # more than is multiplied at a time
        make = layers.conv1d if axes == 1 else layers.conv2d
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        layer = make(inputs, outputs, kernel, **options, bias=bias, init=init)
        function = FUNCTIONS[axes][0]
        return one_input(layer, (inputs, *sizes), lambda x, *weights: function(x, *weights, **options))

    return made


def transposed(axes: int) -> Cases:
    @st.composite
    def made(draw: st.DrawFn, samples: int) -> Case:
        kernel, stride, dilation = draw(lists(axes, 1, 3)), draw(plain_or_any(axes, 1, 3)), draw(plain_or_any(axes, 1, 2))
        padding, groups = draw(lists(axes, 0, 2)), draw(st.sampled_from([1, 1, 2, 3]))
        more = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
        inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
        bias = draw(st.booleans())
        # The least size of which the padding leaves something.
        by_axis = zip(kernel, stride, padding, dilation, more, strict=True)
        least = [max(0, -((d * (k - 1) + m - 2 * p) // s)) + 1 for k, s, p, d, m in by_axis]
        sizes = [n + draw(st.integers(0, 5)) for n in least]
        make = layers.conv_transpose1d if axes == 1 else layers.conv_transpose2d
        options = {"stride": stride, "padding": padding, "output_padding": more, "groups": groups, "dilation": dilation}
        layer = make(inputs, outputs, kernel, **options, bias=bias)
        function = FUNCTIONS[axes][1]
        return one_input(layer, (inputs, *sizes), lambda x, *weights: function(x, *weights, **options))

    return made


CASES: dict[str, Cases] = {
    "conv1d": convolution(1),
    "conv2d": convolution(2),
    "conv_transpose1d": transposed(1),
    "conv_transpose2d": transposed(2),
}

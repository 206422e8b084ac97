"""Pooling in torch's words. The numbers are whole where the maximum is asked for, so that there are several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Case, Cases, Input

from bridge import layers
from bridge.diagram.ir import Layer


def case(layer: Layer, shape: tuple[int, ...], function: Callable[..., Any]) -> Case:
    given = Input(shape, whole="max" in layer.operation)
    return Case(layer, (given,), lambda call: function(call.inputs[0]))


def sliding(kind: str, axes: int, function: Callable[..., Any]) -> Cases:
    @st.composite
    def made(draw: st.DrawFn, samples: int) -> Case:
        kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
        stride = draw(st.one_of(st.just(kernel), st.lists(st.integers(1, 3), min_size=axes, max_size=axes)))
        padding = [draw(st.integers(0, k // 2)) for k in kernel]
        counted = draw(st.booleans())
        options, more = ({"count_padding": counted}, (False, counted)) if kind == "mean" else ({}, ())
        layer = getattr(layers, f"{kind}_pool{axes}d")(kernel, stride=stride, padding=padding, **options)
        sizes = [max(1, k - 2 * p) + draw(st.integers(0, 9)) for k, p in zip(kernel, padding, strict=True)]
        shape = (draw(st.integers(1, 3)), *sizes)
        return case(layer, shape, lambda x: function(x, kernel, stride, padding, *more))

    return made


def adaptive(kind: str, axes: int, function: Callable[..., Any]) -> Cases:
    @st.composite
    def made(draw: st.DrawFn, samples: int) -> Case:
        size = [draw(st.integers(1, 5)) for _ in range(axes)]
        shape = tuple(draw(st.integers(1, 9)) for _ in range(axes))
        layer = getattr(layers, f"adaptive_{kind}_pool{axes}d")(size)
        return case(layer, (draw(st.integers(1, 3)), *shape), lambda x: function(x, size))

    return made


CASES: dict[str, Cases] = {
    "max_pool1d": sliding("max", 1, F.max_pool1d),
    "max_pool2d": sliding("max", 2, F.max_pool2d),
    "mean_pool1d": sliding("mean", 1, F.avg_pool1d),
    "mean_pool2d": sliding("mean", 2, F.avg_pool2d),
    "adaptive_max_pool1d": adaptive("max", 1, F.adaptive_max_pool1d),
    "adaptive_max_pool2d": adaptive("max", 2, F.adaptive_max_pool2d),
    "adaptive_mean_pool1d": adaptive("mean", 1, F.adaptive_avg_pool1d),
    "adaptive_mean_pool2d": adaptive("mean", 2, F.adaptive_avg_pool2d),
}

"""Other shapes, parts and sums in torch's words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from layer_cases import Case, Cases, Input, one_input, shapes, sizes

from bridge import layers
from bridge.diagram.ir import Layer


@st.composite
def reshape(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes())
    target = draw(st.permutations((*shape, 1)) | st.just((math.prod(shape),)))
    return one_input(layers.reshape(*target), shape, lambda x: x.reshape(-1, *target))


@st.composite
def axes(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    """A shape and one of its axes."""
    shape = draw(shapes(1))
    return shape, draw(st.integers(-len(shape), -1))


def resized(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return tuple(size if place == len(shape) + axis else n for place, n in enumerate(shape))


@st.composite
def concat(draw: st.DrawFn, samples: int) -> Case:
    (shape, axis), lengths = draw(axes()), draw(st.lists(sizes, min_size=2, max_size=4))
    inputs = tuple(Input(resized(shape, axis, size)) for size in lengths)
    return Case(layers.concat(axis), inputs, lambda call: torch.cat(list(call.inputs), axis))


@st.composite
def split(draw: st.DrawFn, samples: int) -> Case:
    (shape, axis), lengths = draw(axes()), draw(st.lists(sizes, min_size=1, max_size=4))
    whole = resized(shape, axis, sum(lengths))
    return one_input(layers.split(*lengths, axis=axis), whole, lambda x: torch.split(x, lengths, axis))


@st.composite
def permute(draw: st.DrawFn, samples: int) -> Case:
    shape = draw(shapes(0, 4))
    order = draw(st.permutations(range(len(shape))))
    return one_input(layers.permute(*order), shape, lambda x: x.permute(0, *(axis + 1 for axis in order)))


@st.composite
def slice_(draw: st.DrawFn, samples: int) -> Case:
    shape, axis = draw(axes())
    start = draw(st.integers(0, shape[axis] - 1))
    stop, step = draw(st.integers(start + 1, shape[axis])), draw(st.integers(1, 3))
    kept = torch.arange(start, stop, step)
    return one_input(layers.slice(axis, start, stop, step), shape, lambda x: x.index_select(axis, kept))


def reduction(make: Callable[..., Layer], function: Callable[..., Any]) -> Cases:
    @st.composite
    def cases(draw: st.DrawFn, samples: int) -> Case:
        shape, keep = draw(shapes(1)), draw(st.booleans())
        over = tuple(draw(st.sets(st.integers(-len(shape), -1), min_size=1)))
        return one_input(make(*over, keep=keep), shape, lambda x: function(x, over, keepdim=keep))

    return cases


CASES: dict[str, Cases] = {
    "flatten": lambda samples: shapes().map(
        lambda shape: one_input(layers.flatten(), shape, lambda x: x.reshape(len(x), -1))
    ),
    "reshape": reshape,
    "identity": lambda samples: shapes().map(lambda shape: one_input(layers.identity(), shape, lambda x: x.clone())),
    "concat": concat,
    "split": split,
    "permute": permute,
    "slice": slice_,
    "mean": reduction(layers.mean, torch.mean),
    "sum": reduction(layers.sum, torch.sum),
}

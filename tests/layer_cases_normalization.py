"""Normalisation in torch's words."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from hypothesis import strategies as st
from layer_cases import Call, Case, Cases, Input, one_input, shapes, sizes

from bridge import layers

epsilons = st.sampled_from([1e-5, 1e-3, 0.1])


@st.composite
def layer_norm(draw: st.DrawFn, samples: int) -> Case:
    # Over one or two numbers the variance may be near 0, where single precision loses the gradient.
    last = (*draw(shapes(0, 1)), draw(st.integers(3, 5)))
    eps, affine = draw(epsilons), draw(st.booleans())
    layer = layers.layer_norm(last, eps=eps, affine=affine)
    return one_input(layer, draw(shapes(0, 1)) + last, lambda x, *affine: F.layer_norm(x, last, *affine, eps=eps))


def of_features(function: Any) -> Any:
    """A reference that gives a norm of torch's the parameters and buffers by its own names."""

    def reference(call: Call) -> Any:
        named = {"weight": call.parameters.get("weight"), "bias": call.parameters.get("bias")}
        running = {name: call.buffers.get(name) for name in ("running_mean", "running_var")}
        return function(call.inputs[0], call.train or not call.buffers, **named, **running)

    return reference


momenta = st.sampled_from([0.0, 0.1, 0.7, 1.0])


@st.composite
def batch_norm(draw: st.DrawFn, samples: int) -> Case:
    features, axes, eps, momentum = draw(sizes), draw(shapes()), draw(epsilons), draw(momenta)
    if samples == 1 and set(axes) <= {1}:
        axes = (3,)  # torch refuses a single value
    layer = layers.batch_norm(features, eps=eps, momentum=momentum, affine=draw(st.booleans()), track=draw(st.booleans()))

    def function(x, batch, *, running_mean, running_var, **affine):
        return F.batch_norm(x, running_mean, running_var, training=batch, momentum=momentum, eps=eps, **affine)

    return Case(layer, (Input((features, *axes)),), of_features(function))


@st.composite
def instance_norm(draw: st.DrawFn, samples: int) -> Case:
    # Of two values the variance may be near 0, where single precision loses the gradient.
    axes = (*draw(shapes(0, 1)), draw(st.integers(3, 5)))
    features, eps, momentum = draw(sizes), draw(epsilons), draw(momenta)
    affine, track = draw(st.booleans()), draw(st.booleans())
    layer = layers.instance_norm(features, eps=eps, momentum=momentum, affine=affine, track=track)

    def function(x, own, *, running_mean, running_var, **affine):
        return F.instance_norm(x, running_mean, running_var, use_input_stats=own, momentum=momentum, eps=eps, **affine)

    return Case(layer, (Input((features, *axes)),), of_features(function))


@st.composite
def group_norm(draw: st.DrawFn, samples: int) -> Case:
    groups, each, axes = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(shapes())
    if each * math.prod(axes) < 3:
        axes = (*axes, 4)
    eps, affine = draw(epsilons), draw(st.booleans())
    layer = layers.group_norm(groups, groups * each, eps=eps, affine=affine)
    return one_input(layer, (groups * each, *axes), lambda x, *affine: F.group_norm(x, groups, *affine, eps=eps))


CASES: dict[str, Cases] = {
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "group_norm": group_norm,
}

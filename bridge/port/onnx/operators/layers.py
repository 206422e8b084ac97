"""Convolutions, pooling, norms, dropout and interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from bridge.port.onnx.operators.applied import Applied, integers

__all__ = ["OPERATORS"]


def axes_of(a: Applied, x: Any) -> int:
    """How many axes there are after batch and channels: 1 or 2."""
    count = a.variable(x).dim() - 2
    a.require(count in (1, 2), "an input (batch, channels, …) with one or two axes more", f"{tuple(x.shape)}")
    return count


def sides(a: Applied, count: int) -> tuple[list[int], list[int]]:
    """The padding before and after each axis."""
    a.require(a.get("auto_pad", "NOTSET") in ("NOTSET", "VALID"), "padding as numbers", f"auto_pad {a.get('auto_pad')}")
    pads = a.get("pads", [0] * (2 * count))
    return pads[:count], pads[count:]


def padded(a: Applied, x: Tensor, count: int) -> tuple[Tensor, list[int]]:
    """The input, and the padding that is the same on both sides; what is not is made around the input."""
    before, after = sides(a, count)
    if before == after:
        return x, before
    pairs = [amount for pair in reversed(list(zip(before, after, strict=True))) for amount in pair]
    return F.pad(x, pairs), [0] * count


def convolution(a: Applied, x: Any, weight: Any, bias: Any = None) -> Tensor:
    """`Conv`."""
    count = axes_of(a, x)
    x, padding = padded(a, x, count)
    given = [a.get(name, [1] * count) for name in ("strides", "dilations")]
    function = F.conv1d if count == 1 else F.conv2d
    made: Tensor = function(x, weight, bias, given[0], padding, given[1], a.get("group", 1))
    return made


def transposed(a: Applied, x: Any, weight: Any, bias: Any = None) -> Tensor:
    """`ConvTranspose`."""
    count = axes_of(a, x)
    before, after = sides(a, count)
    more = list(a.get("output_padding", [0] * count))
    a.require("output_shape" not in a.call.attributes, "padding as numbers", "output_shape")
    strides, dilations = (a.get(name, [1] * count) for name in ("strides", "dilations"))
    cut = all(b >= c for b, c in zip(before, after, strict=True))
    a.require(cut, "no more padding after than before", f"{before} and {after}")
    more = [m + b - c for m, b, c in zip(more, before, after, strict=True)]  # what is not cut off after
    function: Callable[..., Tensor] = F.conv_transpose1d if count == 1 else F.conv_transpose2d
    return function(x, weight, bias, strides, before, more, a.get("group", 1), dilations)


def max_pool(a: Applied, x: Any) -> Tensor:
    """`MaxPool`, without places."""
    count = axes_of(a, x)
    a.require(len([name for name in a.call.outputs if name]) == 1, "the values alone", "their places too")
    padding, after = sides(a, count)
    a.require(padding == after, "as much padding before as after", a.get("pads"))
    given = [a.get(name, [1] * count) for name in ("kernel_shape", "strides", "dilations")]
    function: Callable[..., Tensor] = F.max_pool1d if count == 1 else F.max_pool2d
    return function(x, given[0], given[1], padding, given[2], ceil_mode=bool(a.get("ceil_mode", 0)))


def mean_pool(a: Applied, x: Any) -> Tensor:
    """`AveragePool`."""
    count = axes_of(a, x)
    before, after = sides(a, count)
    a.require(before == after, "as much padding before as after", a.get("pads"))
    a.require(set(a.get("dilations", [1])) == {1}, "a dilation of 1", a.get("dilations"))
    kernel, strides = (a.get(name, [1] * count) for name in ("kernel_shape", "strides"))
    function: Callable[..., Tensor] = F.avg_pool1d if count == 1 else F.avg_pool2d
    counts = bool(a.get("count_include_pad", 0))
    return function(x, kernel, strides, before, ceil_mode=bool(a.get("ceil_mode", 0)), count_include_pad=counts)


def whole_mean(a: Applied, x: Any) -> Tensor:
    """`GlobalAveragePool`."""
    made: Tensor = (F.adaptive_avg_pool1d if axes_of(a, x) == 1 else F.adaptive_avg_pool2d)(x, 1)
    return made


def whole_max(a: Applied, x: Any) -> Tensor:
    """`GlobalMaxPool`."""
    made: Tensor = (F.adaptive_max_pool1d if axes_of(a, x) == 1 else F.adaptive_max_pool2d)(x, 1)
    return made


def batch_norm(a: Applied, x: Any, weight: Any, bias: Any, mean: Any, variance: Any) -> Tensor:
    """`BatchNormalization`: in train mode over the batch, with ONNX's momentum, which is the share that stays."""
    a.require(not a.get("training_mode", 0), "a norm in test mode", "training_mode")
    momentum = round(1 - a.get("momentum", 0.9), 9)
    return F.batch_norm(a.variable(x), mean, variance, weight, bias, a.training, momentum, a.get("epsilon", 1e-5))


def instance_norm(a: Applied, x: Any, weight: Any, bias: Any) -> Tensor:
    """`InstanceNormalization`."""
    return F.instance_norm(a.variable(x), None, None, weight, bias, True, 0.1, a.get("epsilon", 1e-5))


def group_norm(a: Applied, x: Any, weight: Any, bias: Any) -> Tensor:
    """`GroupNormalization`, whose weights are of channels from version 21 on."""
    a.require(a.opset >= 21, "weights by channel (version 21 of ONNX's operators)", f"version {a.opset}")
    return F.group_norm(a.variable(x), a.get("num_groups"), weight, bias, a.get("epsilon", 1e-5))


def layer_norm(a: Applied, x: Any, weight: Any, bias: Any = None) -> Tensor:
    """`LayerNormalization`, without mean and deviation."""
    a.require(len([name for name in a.call.outputs if name]) == 1, "the values alone", "the mean too")
    a.require(bias is not None, "a weight and a bias", "a weight alone")
    first = a.get("axis", -1) % a.variable(x).dim()
    return F.layer_norm(x, list(x.shape[first:]), weight, bias, a.get("epsilon", 1e-5))


def dropout(a: Applied, x: Any, ratio: Any = None, training: Any = None) -> Tensor:
    """`Dropout`, in train mode."""
    p = 0.5 if ratio is None else float(a.constant(ratio, "a ratio").reshape(()))
    a.require(len([name for name in a.call.outputs if name]) == 1, "the values alone", "the mask too")
    return F.dropout(a.variable(x), p, a.training)


def resize(a: Applied, x: Any, region: Any = None, scales: Any = None, sizes: Any = None) -> Tensor:
    """`Resize` by whole factors, to the nearest element or linearly along two axes."""
    count, mode = axes_of(a, x), a.get("mode", "nearest")
    usual = {"antialias": 0, "exclude_outside": 0, "keep_aspect_ratio_policy": "stretch"}
    odd = [name for name, value in usual.items() if a.get(name, value) != value]
    a.require(not odd and "axes" not in a.call.attributes, "no other settings", ", ".join(odd) or "axes")
    if sizes is not None:
        target = integers(a.constant(sizes, "sizes"))[2:]
        factors = [new / old for new, old in zip(target, x.shape[2:], strict=True)]
    else:
        factors = [float(number) for number in a.constant(scales, "scales").reshape(-1)][2:]
    whole = [round(factor) for factor in factors]
    a.require(all(f == w >= 1 for f, w in zip(factors, whole, strict=True)), "whole factors", factors)
    places = a.get("coordinate_transformation_mode", "half_pixel")
    size = [n * factor for n, factor in zip(x.shape[2:], whole, strict=True)]
    if mode == "nearest":
        rounding = a.get("nearest_mode", "round_prefer_floor")
        right = places in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")
        a.require(right or (places, rounding) == ("asymmetric", "floor"), "torch's places", f"{places} and {rounding}")
        return F.interpolate(x, size, mode="nearest")
    a.require(mode == "linear" and count == 2, "nearest, or linear along two axes", f"{mode} along {count}")
    a.require(places in ("half_pixel", "pytorch_half_pixel", "align_corners"), "torch's places", places)
    return F.interpolate(x, size, mode="bilinear", align_corners=places == "align_corners")


OPERATORS: dict[str, Callable[..., Any]] = {
    "Conv": convolution,
    "ConvTranspose": transposed,
    "MaxPool": max_pool,
    "AveragePool": mean_pool,
    "GlobalAveragePool": whole_mean,
    "GlobalMaxPool": whole_max,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "Dropout": dropout,
    "Resize": resize,
}

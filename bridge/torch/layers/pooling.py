"""Pooling in torch."""

from __future__ import annotations

import torch.nn.functional as F

from bridge.torch.layers.maker import Maker, with_attributes

__all__ = ["FUNCTIONS"]

WINDOWS = {"kernel_size": "kernel", "stride": "stride", "padding": "padding"}

FUNCTIONS: dict[str, Maker] = {
    "max_pool1d": with_attributes(F.max_pool1d, **WINDOWS),
    "max_pool2d": with_attributes(F.max_pool2d, **WINDOWS),
    "mean_pool1d": with_attributes(F.avg_pool1d, **WINDOWS, count_include_pad="count_padding"),
    "mean_pool2d": with_attributes(F.avg_pool2d, **WINDOWS, count_include_pad="count_padding"),
    "adaptive_max_pool1d": with_attributes(F.adaptive_max_pool1d, output_size="size"),
    "adaptive_max_pool2d": with_attributes(F.adaptive_max_pool2d, output_size="size"),
    "adaptive_mean_pool1d": with_attributes(F.adaptive_avg_pool1d, output_size="size"),
    "adaptive_mean_pool2d": with_attributes(F.adaptive_avg_pool2d, output_size="size"),
}

"""Regularisation by chance in torch."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.layers.definition import real
from bridge.torch.layers.maker import Function, LayerMode, Maker

__all__ = ["FUNCTIONS", "kept"]

CHUNK = 2**14
"""Words at a time: those stay in the cache."""


def kept(mode: LayerMode, count: int, p: float) -> Tensor:
    """Which of `count` numbers dropout keeps: bool (count,).

    Number i has word i of a Philox4x64-10 stream, element i mod 4 of the block whose counter is (1 + i div 4, layer,
    application, 0) and whose key is (seed, 0); it is kept where (word >> 11)·2⁻⁵³ ≥ p.
    """
    threshold = ceil(p * 2**53) << 11  # p·2⁵³ is exact, so this compares words as the uniform numbers would be
    if threshold >= 2**64:
        return torch.zeros(count, dtype=torch.bool)
    counter = np.array([0, mode.layer, mode.application, 0], dtype=np.uint64)  # NumPy counts up before it makes a block
    stream = np.random.Philox(key=np.array([mode.seed, 0], dtype=np.uint64), counter=counter)
    mask = np.empty(count, dtype=np.bool_)
    for start in range(0, count, CHUNK):
        part = mask[start : start + CHUNK]
        np.greater_equal(stream.random_raw(len(part)), np.uint64(threshold), out=part)
    return torch.from_numpy(mask)


def _dropout(layer: Layer) -> Function:
    p = real(dict(layer.attributes), "p")

    def run(mode: LayerMode, x: Tensor) -> Tensor:
        if not mode.train or p == 0:
            return x
        mask = kept(mode, x.numel(), p).reshape(x.shape).to(x.device, x.dtype)
        return x * (mask if p == 1 else mask.mul_(1 / (1 - p)))

    return run


FUNCTIONS: dict[str, Maker] = {"dropout": _dropout}

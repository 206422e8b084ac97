"""Normalisation in torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.diagram.ir import Layer
from bridge.errors import BatchError
from bridge.layers.definition import integer, integers, real
from bridge.torch.layers.maker import Function, LayerMode, Maker

__all__ = ["FUNCTIONS"]


def _layer_norm(layer: Layer) -> Function:
    values = dict(layer.attributes)
    shape, eps = integers(values, "shape"), real(values, "eps")
    return lambda x, weight=None, bias=None: F.layer_norm(x, shape, weight, bias, eps)


def _batch_norm(layer: Layer) -> Function:
    affine, track, momentum, eps = _options(layer)

    def run(mode: LayerMode, x: Tensor, *variables: Tensor) -> Tensor:
        weight, bias = variables[:2] if affine else (None, None)
        mean, variance = variables[-2:] if track else (None, None)
        if x.numel() == 0:  # no statistics, and none change
            return F.batch_norm(x, *_standard(x, mean, variance), weight, bias, False, 0.0, eps)
        of_batch = mode.train or not track
        if of_batch:
            _refuse_single(layer, x.numel() // x.shape[1])
        return F.batch_norm(x, mean, variance, weight, bias, of_batch, momentum, eps)

    return run


def _instance_norm(layer: Layer) -> Function:
    affine, track, momentum, eps = _options(layer)

    def run(mode: LayerMode, x: Tensor, *variables: Tensor) -> Tensor:
        weight, bias = variables[:2] if affine else (None, None)
        mean, variance = variables[-2:] if track else (None, None)
        if x.numel() == 0:
            return F.batch_norm(x, *_standard(x, mean, variance), weight, bias, False, 0.0, eps)
        of_sample = mode.train or not track
        if of_sample:
            _refuse_single(layer, x[0, 0].numel())
        return F.instance_norm(x, mean, variance, weight, bias, of_sample, momentum, eps)

    return run


def _group_norm(layer: Layer) -> Function:
    values = dict(layer.attributes)
    groups, eps = integer(values, "groups"), real(values, "eps")
    # Not F.group_norm, which refuses groups of one number: they are 0 here.
    return lambda x, weight=None, bias=None: torch.group_norm(x, groups, weight, bias, eps)


def _options(layer: Layer) -> tuple[bool, bool, float, float]:
    values = dict(layer.attributes)
    return bool(values["affine"]), bool(values["track"]), real(values, "momentum"), real(values, "eps")


def _standard(x: Tensor, mean: Tensor | None, variance: Tensor | None) -> tuple[Tensor, Tensor]:
    """Statistics that do for an empty batch."""
    features = x.new_zeros(x.shape[1])
    return features if mean is None else mean, features if variance is None else variance


def _refuse_single(layer: Layer, count: int) -> None:
    if count == 1:
        expected = "two or more values of a feature, to take their variance"
        raise BatchError(f"layer '{layer.operation}'", expected, "1")


FUNCTIONS: dict[str, Maker] = {
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "group_norm": _group_norm,
}

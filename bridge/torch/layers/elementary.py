"""Linear layers, activations and softmax in torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from bridge.torch.layers.maker import Maker, always, with_attributes

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[str, Maker] = {
    "linear": always(F.linear),
    "relu": always(torch.relu),
    "sigmoid": always(torch.sigmoid),
    "tanh": always(torch.tanh),
    "leaky_relu": with_attributes(F.leaky_relu, negative_slope="slope"),
    "elu": with_attributes(F.elu, alpha="alpha"),
    "celu": with_attributes(F.celu, alpha="alpha"),
    "relu6": always(F.relu6),
    "silu": always(F.silu),
    "hardsigmoid": always(F.hardsigmoid),
    "mish": always(F.mish),
    "softplus": always(F.softplus),
    "gelu": with_attributes(F.gelu, approximate="approximate"),
    "softmax": with_attributes(torch.softmax, dim="axis"),
    "log_softmax": with_attributes(torch.log_softmax, dim="axis"),
}

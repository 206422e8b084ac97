"""The portable layer set: the same function, parameters and gradients in every engine."""

from bridge.layers.arithmetic import add, multiply
from bridge.layers.build import GraphBuilder, Value, chain
from bridge.layers.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from bridge.layers.elementary import (
    celu,
    elu,
    gelu,
    hardsigmoid,
    leaky_relu,
    linear,
    log_softmax,
    mish,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from bridge.layers.normalization import layer_norm
from bridge.layers.pooling import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_mean_pool1d,
    adaptive_mean_pool2d,
    max_pool1d,
    max_pool2d,
    mean_pool1d,
    mean_pool2d,
)
from bridge.layers.resampling import pad, upsample2d
from bridge.layers.shaping import flatten, identity, reshape

__all__ = [
    "GraphBuilder",
    "Value",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_mean_pool1d",
    "adaptive_mean_pool2d",
    "add",
    "celu",
    "chain",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "elu",
    "flatten",
    "gelu",
    "hardsigmoid",
    "identity",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "mean_pool1d",
    "mean_pool2d",
    "mish",
    "multiply",
    "pad",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "upsample2d",
]

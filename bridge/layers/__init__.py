"""The portable layer set: the same function, parameters and gradients in every engine."""

from bridge.layers.arithmetic import add, multiply
from bridge.layers.build import GraphBuilder, Value, chain
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
from bridge.layers.indexing import embedding
from bridge.layers.normalization import batch_norm, group_norm, instance_norm, layer_norm
from bridge.layers.regularization import dropout
from bridge.layers.shaping import flatten, identity, reshape

__all__ = [
    "GraphBuilder",
    "Value",
    "add",
    "batch_norm",
    "celu",
    "chain",
    "dropout",
    "elu",
    "embedding",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "identity",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "multiply",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

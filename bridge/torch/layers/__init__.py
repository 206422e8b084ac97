"""The portable layers in torch: each operation as one function of its inputs, then its parameters, then its buffers.

Where the mode or chance matters (`modal` or `random` in the layer's row), a `LayerMode` comes before them. A layer with
several outputs returns a tuple. Attributes, shapes and parameters are in `bridge.layers`; here stands only what torch
computes.
"""

from __future__ import annotations

from bridge.diagram.ir import Layer
from bridge.errors import UnsupportedError
from bridge.torch.layers.arithmetic import FUNCTIONS as ARITHMETIC
from bridge.torch.layers.attention import FUNCTIONS as ATTENTION
from bridge.torch.layers.convolution import FUNCTIONS as CONVOLUTION
from bridge.torch.layers.elementary import FUNCTIONS as ELEMENTARY
from bridge.torch.layers.indexing import FUNCTIONS as INDEXING
from bridge.torch.layers.maker import Function, LayerMode, Maker
from bridge.torch.layers.normalization import FUNCTIONS as NORMALIZATION
from bridge.torch.layers.pooling import FUNCTIONS as POOLING
from bridge.torch.layers.recurrent import FUNCTIONS as RECURRENT
from bridge.torch.layers.regularization import FUNCTIONS as REGULARIZATION
from bridge.torch.layers.resampling import FUNCTIONS as RESAMPLING
from bridge.torch.layers.shaping import FUNCTIONS as SHAPING

__all__ = ["FUNCTIONS", "Function", "LayerMode", "function"]

FUNCTIONS: dict[str, Maker] = {
    **ELEMENTARY,
    **CONVOLUTION,
    **POOLING,
    **RESAMPLING,
    **NORMALIZATION,
    **REGULARIZATION,
    **INDEXING,
    **ARITHMETIC,
    **SHAPING,
    **RECURRENT,
    **ATTENTION,
}


def function(layer: Layer) -> Function:
    """What a layer computes. `UnsupportedError` if unknown.

    >>> import torch
    >>> from bridge.layers import leaky_relu
    >>> function(leaky_relu(0.5))(torch.tensor([-2.0, 3.0]))
    tensor([-1.,  3.])
    """
    if layer.operation not in FUNCTIONS or layer.version != 1:
        expected = f"version 1 of one of {sorted(FUNCTIONS)}"
        raise UnsupportedError(f"layer {layer.operation!r}", expected, f"version {layer.version}")
    return FUNCTIONS[layer.operation](layer)

"""The portable layers: which there are. A row has the attributes, kinds, shape rule, parameters and buffers of a layer.

Conventions are torch's, batch first. `axis` attributes are negative: they count from the last axis of the sample. Formulas
(all torch's):

| operation | formula |
| --- | --- |
| `linear` | x Wᵀ + b over the last axis |
| `relu`, `relu6`, `leaky_relu` | max(x, 0); min(max(x, 0), 6); x where x > 0, else slope·x |
| `sigmoid`, `tanh`, `silu` | σ(x) = 1/(1 + e⁻ˣ); tanh x; x σ(x) |
| `hardsigmoid` | min(max(x + 3, 0), 6)/6 |
| `elu`, `celu` | x where x > 0, else α(eˣ − 1); max(x, 0) + min(α(e^(x/α) − 1), 0) |
| `softplus` | log(1 + eˣ), and x above 20 |
| `mish` | x tanh(softplus(x)) |
| `gelu` | x Φ(x); with `tanh`: x/2 (1 + tanh(√(2/π)(x + 0.044715 x³))) |
| `softmax`, `log_softmax` | along `axis` |
| `conv1d`, `conv2d` | Σ weight · (the elements of the window on the input's channels of the group), + bias; `padding` is 0 |
| `conv_transpose1d`, `conv_transpose2d` | the transpose of that as a matrix, whose input is this output, + bias |
| `max_pool1d`, `max_pool2d` | the maximum of each window; the gradient goes to the first one, row by row |
| `mean_pool1d`, `mean_pool2d` | the sum of each window / its size, or with `count_padding` off its size without padding |
| `adaptive_max_pool1d`, … | the same of `size` windows, number i from floor(i·n/size) to ceil((i + 1)·n/size) |
| `upsample2d` | x[i div factor]; `bilinear`: x at max(0, (i + ½)/factor − ½), or aligned i·(n − 1)/(factor·n − 1) |
| `pad` | `before` and `after` times `value` around each of the last axes |
| `layer_norm` | (x − mean)/√(variance + eps) · weight + bias over the last axes, with the biased variance |
| `batch_norm` | the same of each feature (axis 0) over batch and other axes; with running statistics r in test mode |
| | in train mode r ← (1 − momentum) r + momentum · (mean or unbiased variance of the batch) |
| `instance_norm`, `group_norm` | the same over the other axes of a sample; over a group of features and the other axes |
| `dropout` | in train mode x/(1 − p) where a number drawn from [0, 1) is at least p, else 0; in test mode x |
| `embedding` | the rows of a table |
| `flatten`, `reshape`, `identity` | the same numbers, row-major, in another shape |
| `add`, `subtract`, `multiply`, `divide` | of two inputs (`add`: or more), whose axes of size 1 are repeated |
| `parameter` | x + value, or x · value, of a learned value; its axes of size 1 are repeated |
| `scale`, `power` | factor·x + shift; x^exponent, NaN below 0 unless the exponent is an integer |
| `exp`, `log`, `sqrt`, `abs` | eˣ; log x; √x; the absolute value |
| `matmul` | the product of the matrices in the last two axes |
| `concat`, `split`, `slice` | inputs in a row; the pieces of `sizes`; start, start + step, … before stop: along `axis` |
| `permute` | axis k of the value is axis `axes[k]` of the input |
| `mean`, `sum` | over `axes`, which stay with size 1 if `keep` |
| `rnn`, `gru`, `lstm` | torch's equations (`bridge.layers.recurrent`), over the first axis of (T, in) |
| `attention` | softmax(scale · q kᵀ) v |
| `multi_head_attention` | the same for `heads` parts of projected query, key and value, and a projection |
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.diagram.ir import Layer
from bridge.diagram.messages import listing, quote
from bridge.errors import DiagramError
from bridge.layers.arithmetic import ROWS as ARITHMETIC
from bridge.layers.attention import ROWS as ATTENTION
from bridge.layers.convolution import ROWS as CONVOLUTION
from bridge.layers.definition import LayerDefinition
from bridge.layers.elementary import ROWS as ELEMENTARY
from bridge.layers.indexing import ROWS as INDEXING
from bridge.layers.normalization import ROWS as NORMALIZATION
from bridge.layers.pooling import ROWS as POOLING
from bridge.layers.recurrent import ROWS as RECURRENT
from bridge.layers.regularization import ROWS as REGULARIZATION
from bridge.layers.resampling import ROWS as RESAMPLING
from bridge.layers.shaping import ROWS as SHAPING

__all__ = ["FAMILIES", "LAYERS", "definition"]

FAMILIES: Mapping[str, tuple[LayerDefinition, ...]] = {
    "elementary": ELEMENTARY,
    "convolution": CONVOLUTION,
    "pooling": POOLING,
    "resampling": RESAMPLING,
    "normalization": NORMALIZATION,
    "regularization": REGULARIZATION,
    "indexing": INDEXING,
    "arithmetic": ARITHMETIC,
    "shaping": SHAPING,
    "recurrent": RECURRENT,
    "attention": ATTENTION,
}

LAYERS: Mapping[tuple[str, int], LayerDefinition] = {
    (row.operation, row.version): row for rows in FAMILIES.values() for row in rows
}


def definition(layer: Layer, where: str = "layer") -> LayerDefinition:
    """The row of a layer; an unknown operation or version is refused, about `where`.

    >>> definition(Layer("add")).arity({})
    '2 or more inputs'
    """
    row = LAYERS.get((layer.operation, layer.version))
    if row is not None:
        return row
    versions = [version for operation, version in LAYERS if operation == layer.operation]
    if versions:
        expected = f"version {listing(map(str, versions))} of layer '{layer.operation}'"
        raise DiagramError(where, expected, f"version {layer.version}", "layer")
    expected = "a portable layer (" + ", ".join(sorted({operation for operation, _ in LAYERS})) + ")"
    raise DiagramError(where, expected, quote(layer.operation), "layer")

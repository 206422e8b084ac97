"""The rows of `benchmarks.layers`: layers with the sizes that they are measured at, and what is promised of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bridge import layers
from bridge.diagram.ir import Layer, LayerGraph

__all__ = ["ROWS", "VIEWS", "Given", "Row"]


@dataclass(frozen=True)
class Given:
    """An input: a sample's shape, and its dtype; integers lie below `classes`, or below `most` where they are no indices.

    Floats are normal numbers, or with `positive` uniform ones from a half to three halves.
    """

    shape: tuple[int, ...]
    data_type: str = "float32"
    classes: int = 0
    most: int = 0
    positive: bool = False

    def draw(self, samples: int) -> Tensor:
        """A batch of so many samples; floats want a gradient."""
        shape = (samples, *self.shape)
        if self.data_type == "float32" and not self.classes:
            made = torch.rand(shape) + 0.5 if self.positive else torch.randn(shape)
            return made.requires_grad_()
        if self.data_type == "bool":
            return torch.rand(shape) < 0.7
        return torch.randint(self.classes or self.most, shape)


@dataclass(frozen=True)
class Row:
    """A layer on a batch. `bound` is the most that its ratio is to be.

    `reference(inputs, parameters)` is what torch's users would call where the portable layer's own torch function, which
    is the default, is not that; parameters are by path, such as "0.weight".

    With `dense` what torch gives as a view of other numbers, the value or a gradient, is copied in torch's step: the
    island's lie in a row, as the layers on either side want them for matrix products and convolutions. (Element-wise
    ones of torch's would take the view as it is.)
    """

    name: str
    layer: Layer | LayerGraph
    samples: int
    inputs: tuple[Given, ...]
    bound: float
    reference: Callable[[Sequence[Tensor], dict[str, Tensor]], Any] | None = None
    dense: bool = False

    @property
    def operation(self) -> str:
        """The layer's operation, or the first one of a graph."""
        layer = self.layer if isinstance(self.layer, Layer) else self.layer.nodes[0].layer
        return layer.operation


def row(name: str, layer: Layer, samples: int, *shapes: tuple[int, ...], bound: float) -> Row:
    """A row whose inputs are float32."""
    return Row(name, layer, samples, tuple(Given(shape) for shape in shapes), bound)


LINEAR, ELEMENTWISE, CONVOLUTION = 1.3, 1.5, 2.0

PLANES = (64, 28, 28)
COLUMNS = (256, 64)
SAMPLES = 192
"""Of columns: enough for a step of torch's to take over a millisecond, whatever the layer."""

ELEMENTARY = (
    row("linear", layers.linear(512, 512), 256, (512,), bound=LINEAR),
    *(
        row(layer.operation, layer, SAMPLES, COLUMNS, bound=ELEMENTWISE)
        for layer in (
            layers.relu(),
            layers.relu6(),
            layers.leaky_relu(),
            layers.sigmoid(),
            layers.tanh(),
            layers.elu(),
            layers.celu(),
            layers.silu(),
            layers.hardsigmoid(),
            layers.mish(),
            layers.softplus(),
            layers.gelu(),
            layers.softmax(),
            layers.log_softmax(),
            layers.layer_norm(64),
        )
    ),
    # The portable layer's own torch function draws numbers that every engine can draw.
    Row("dropout", layers.dropout(0.5), SAMPLES, (Given(COLUMNS),), ELEMENTWISE, lambda x, _: functional.dropout(x[0])),
    Row("embedding", layers.embedding(1000, 64), 64, (Given((256,), "int64", classes=1000),), ELEMENTWISE),
    row("add", layers.add(), SAMPLES, COLUMNS, COLUMNS, bound=ELEMENTWISE),
    row("multiply", layers.multiply(), SAMPLES, COLUMNS, COLUMNS, bound=ELEMENTWISE),
)

CONVOLUTIONS = (
    row("conv1d", layers.conv1d(64, 64, 5, padding=2), 16, (64, 512), bound=CONVOLUTION),
    row("conv2d", layers.conv2d(16, 32, 3, padding=1), 32, (16, 28, 28), bound=CONVOLUTION),
    row("conv2d_wide", layers.conv2d(64, 64, 3, padding=1), 16, (64, 16, 16), bound=CONVOLUTION),
    row("conv2d_deep", layers.conv2d(256, 256, 3, padding=1), 16, (256, 7, 7), bound=CONVOLUTION),
    row("conv2d_large", layers.conv2d(16, 32, 3, padding=1), 4, (16, 112, 112), bound=CONVOLUTION),
    row("conv2d_image", layers.conv2d(3, 32, 5, padding=2), 16, (3, 64, 64), bound=CONVOLUTION),
    row("conv2d_pointwise", layers.conv2d(64, 256, 1), 32, (64, 14, 14), bound=CONVOLUTION),
    row("conv2d_strided", layers.conv2d(32, 64, 3, stride=2, padding=1), 32, (32, 28, 28), bound=CONVOLUTION),
    row("conv2d_dilated", layers.conv2d(32, 32, 3, dilation=2, padding=2), 16, (32, 28, 28), bound=CONVOLUTION),
    row("conv2d_grouped", layers.conv2d(64, 64, 3, padding=1, groups=4), 32, PLANES, bound=CONVOLUTION),
    row("conv2d_depthwise", layers.conv2d(64, 64, 3, padding=1, groups=64), 32, PLANES, bound=CONVOLUTION),
    row("conv2d_depthwise_strided", layers.conv2d(64, 64, 3, stride=2, padding=1, groups=64), 32, PLANES, bound=CONVOLUTION),
    row("conv_transpose1d", layers.conv_transpose1d(64, 32, 4, stride=2, padding=1), 16, (64, 512), bound=CONVOLUTION),
    row("conv_transpose2d", layers.conv_transpose2d(64, 32, 4, stride=2, padding=1), 16, (64, 14, 14), bound=CONVOLUTION),
)

POOLING = (
    row("max_pool1d", layers.max_pool1d(2), 32, (64, 784), bound=ELEMENTWISE),
    row("max_pool2d", layers.max_pool2d(2), 32, PLANES, bound=ELEMENTWISE),
    row("max_pool2d_overlapping", layers.max_pool2d(3, stride=2, padding=1), 32, PLANES, bound=ELEMENTWISE),
    row("mean_pool1d", layers.mean_pool1d(2), 32, (64, 784), bound=ELEMENTWISE),
    row("mean_pool2d", layers.mean_pool2d(2), 32, PLANES, bound=ELEMENTWISE),
    row("mean_pool2d_overlapping", layers.mean_pool2d(3, stride=1, padding=1), 32, PLANES, bound=ELEMENTWISE),
    row("adaptive_max_pool1d", layers.adaptive_max_pool1d(49), 32, (64, 784), bound=ELEMENTWISE),
    row("adaptive_max_pool2d", layers.adaptive_max_pool2d(7), 32, PLANES, bound=ELEMENTWISE),
    row("adaptive_mean_pool1d", layers.adaptive_mean_pool1d(49), 32, (64, 784), bound=ELEMENTWISE),
    row("adaptive_mean_pool2d", layers.adaptive_mean_pool2d(7), 32, PLANES, bound=ELEMENTWISE),
    row("adaptive_mean_pool2d_global", layers.adaptive_mean_pool2d(1), 32, PLANES, bound=ELEMENTWISE),
)

RESAMPLING = (
    row("upsample2d", layers.upsample2d(2), 16, PLANES, bound=ELEMENTWISE),
    row("upsample2d_bilinear", layers.upsample2d(2, "bilinear"), 16, PLANES, bound=ELEMENTWISE),
    row("pad", layers.pad((2, 2), (2, 2)), 32, PLANES, bound=ELEMENTWISE),
)

MATRIX = (256, 256)

ARITHMETIC = (
    row("subtract", layers.subtract(), SAMPLES, COLUMNS, COLUMNS, bound=ELEMENTWISE),
    row("divide", layers.divide(), SAMPLES, COLUMNS, COLUMNS, bound=ELEMENTWISE),
    row("add_repeated", layers.add(), SAMPLES, COLUMNS, (256, 1), bound=ELEMENTWISE),
    # (Of a sum with a constant the gradient is no step of torch's at all, but the very tensor that it was given.)
    row("constant", layers.constant(*COLUMNS, by="multiply"), SAMPLES, COLUMNS, bound=ELEMENTWISE),
    *(
        row(layer.operation, layer, SAMPLES, COLUMNS, bound=ELEMENTWISE)
        for layer in (layers.scale(0.5, 1.0), layers.power(3), layers.exp(), layers.abs(), layers.parameter(256, 64))
    ),
    *(
        Row(layer.operation, layer, SAMPLES, (Given(COLUMNS, positive=True),), ELEMENTWISE)
        for layer in (layers.log(), layers.sqrt())
    ),
    row("matmul", layers.matmul(), 16, MATRIX, MATRIX, bound=LINEAR),
)


SHAPING = tuple(
    Row(layer.operation, layer, SAMPLES, tuple(inputs), ELEMENTWISE, dense=True)
    for layer, *inputs in (
        (layers.concat(), Given(COLUMNS), Given(COLUMNS)),
        (layers.split(32, 32), Given(COLUMNS)),
        (layers.permute(1, 0), Given(COLUMNS)),
        (layers.slice(-1, 0, 32), Given(COLUMNS)),
        (layers.sum(-2), Given(COLUMNS)),
        (layers.mean(-1), Given(COLUMNS)),
    )
)

NORMS = (
    row("batch_norm", layers.batch_norm(64), 32, PLANES, bound=ELEMENTWISE),
    row("batch_norm_columns", layers.batch_norm(512), 1024, (512,), bound=ELEMENTWISE),
    row("group_norm", layers.group_norm(8, 64), 32, PLANES, bound=ELEMENTWISE),
    row("instance_norm", layers.instance_norm(64), 32, PLANES, bound=ELEMENTWISE),
)

SEQUENCES = (
    row("rnn", layers.rnn(128, 256), 32, (32, 128), bound=LINEAR),
    row("gru", layers.gru(128, 256), 32, (32, 128), bound=LINEAR),
    row("lstm", layers.lstm(128, 256), 32, (32, 128), bound=LINEAR),
    Row("lstm_lengths", layers.lstm(128, 256, lengths=True), 32, (Given((32, 128)), Given((), "int64", most=33)), LINEAR),
    row("attention", layers.attention(), 16, *[(4, 128, 64)] * 3, bound=LINEAR),
    row("attention_causal", layers.attention(causal=True), 16, *[(4, 128, 64)] * 3, bound=LINEAR),
    row("multi_head_attention", layers.multi_head_attention(256, 4), 16, *[(128, 256)] * 3, bound=LINEAR),
)

ROWS: tuple[Row, ...] = (*ELEMENTARY, *CONVOLUTIONS, *POOLING, *RESAMPLING, *ARITHMETIC, *SHAPING, *NORMS, *SEQUENCES)

VIEWS = frozenset({"flatten", "reshape", "identity"})
"""Operations that only give the same numbers another shape: a step of them is a crossing, whatever the size."""

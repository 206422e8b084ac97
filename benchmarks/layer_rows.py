"""The rows of `benchmarks.layers`: layers with the sizes that they are measured at, and what is promised of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge import layers
from bridge.diagram.ir import Layer, LayerGraph

__all__ = ["ROWS", "VIEWS", "Given", "Row"]


@dataclass(frozen=True)
class Given:
    """An input: a sample's shape, and its dtype; integers lie below `classes`, or below `most` where they are no indices."""

    shape: tuple[int, ...]
    data_type: str = "float32"
    classes: int = 0
    most: int = 0

    def draw(self, samples: int) -> Tensor:
        """A batch of so many samples; floats want a gradient."""
        shape = (samples, *self.shape)
        if self.data_type == "float32" and not self.classes:
            return torch.randn(shape, requires_grad=True)
        if self.data_type == "bool":
            return torch.rand(shape) < 0.7
        return torch.randint(self.classes or self.most, shape)


@dataclass(frozen=True)
class Row:
    """A layer on a batch. `bound` is the most that its ratio is to be.

    `reference(inputs, parameters)` is what torch's users would call where the portable layer's own torch function, which
    is the default, is not that; parameters are by path, such as "0.weight".
    """

    name: str
    layer: Layer | LayerGraph
    samples: int
    inputs: tuple[Given, ...]
    bound: float
    reference: Callable[[Sequence[Tensor], dict[str, Tensor]], Any] | None = None

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

ELEMENTARY = (
    row("linear", layers.linear(512, 512), 256, (512,), bound=LINEAR),
    *(
        row(layer.operation, layer, 64, COLUMNS, bound=ELEMENTWISE)
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
    row("add", layers.add(), 64, COLUMNS, COLUMNS, bound=ELEMENTWISE),
    row("multiply", layers.multiply(), 64, COLUMNS, COLUMNS, bound=ELEMENTWISE),
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

ROWS: tuple[Row, ...] = (*ELEMENTARY, *CONVOLUTIONS, *POOLING, *RESAMPLING)

VIEWS = frozenset({"flatten", "reshape", "identity"})
"""Operations that only give the same numbers another shape: a step of them is a crossing, whatever the size."""

"""Pooling over windows of the planes of each channel: rows, and the functions that write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.diagram.attributes import AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError
from bridge.layers.definition import LayerDefinition, Shape, Values, integers
from bridge.layers.make import make
from bridge.layers.spatial import axis_attribute, check_spatial, for_each_axis, windows

__all__ = [
    "ROWS",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_mean_pool1d",
    "adaptive_mean_pool2d",
    "max_pool1d",
    "max_pool2d",
    "mean_pool1d",
    "mean_pool2d",
]

Sizes = int | Sequence[int]


def max_pool1d(kernel: Sizes, *, stride: Sizes | None = None, padding: Sizes = 0) -> Layer:
    """The maximum of each window of (channels, length); the stride is the kernel's size unless it is given.

    torch.nn.MaxPool1d: padding is never the maximum, and of equal maxima the gradient goes to the first.
    """
    return make("max_pool1d", **_windows(1, kernel, stride, padding))


def max_pool2d(kernel: Sizes, *, stride: Sizes | None = None, padding: Sizes = 0) -> Layer:
    """The maximum of each window of (channels, height, width), row by row the first one (torch.nn.MaxPool2d)."""
    return make("max_pool2d", **_windows(2, kernel, stride, padding))


def mean_pool1d(kernel: Sizes, *, stride: Sizes | None = None, padding: Sizes = 0, count_padding: bool = True) -> Layer:
    """The mean of each window of (channels, length), with zeros for padding; without `count_padding` they don't count.

    torch.nn.AvgPool1d. The stride is the kernel's size unless it is given.
    """
    return make("mean_pool1d", **_windows(1, kernel, stride, padding), count_padding=count_padding)


def mean_pool2d(kernel: Sizes, *, stride: Sizes | None = None, padding: Sizes = 0, count_padding: bool = True) -> Layer:
    """The mean of each window of (channels, height, width), likewise (torch.nn.AvgPool2d)."""
    return make("mean_pool2d", **_windows(2, kernel, stride, padding), count_padding=count_padding)


def adaptive_max_pool1d(size: Sizes) -> Layer:
    """The maximum of `size` windows, the i-th from floor(i·n/size) to ceil((i+1)·n/size) (torch.nn.AdaptiveMaxPool1d)."""
    return make("adaptive_max_pool1d", size=for_each_axis(size, 1))


def adaptive_max_pool2d(size: Sizes) -> Layer:
    """The same for (channels, height, width), along both axes (torch.nn.AdaptiveMaxPool2d)."""
    return make("adaptive_max_pool2d", size=for_each_axis(size, 2))


def adaptive_mean_pool1d(size: Sizes) -> Layer:
    """The mean of `size` windows, the i-th from floor(i·n/size) to ceil((i+1)·n/size) (torch.nn.AdaptiveAvgPool1d)."""
    return make("adaptive_mean_pool1d", size=for_each_axis(size, 1))


def adaptive_mean_pool2d(size: Sizes) -> Layer:
    """The same for (channels, height, width), along both axes (torch.nn.AdaptiveAvgPool2d)."""
    return make("adaptive_mean_pool2d", size=for_each_axis(size, 2))


def _windows(axes: int, kernel: Sizes, stride: Sizes | None, padding: Sizes) -> dict[str, Sequence[int]]:
    sizes = {"kernel": kernel, "stride": kernel if stride is None else stride, "padding": padding}
    return {name: for_each_axis(value, axes) for name, value in sizes.items()}


def pool_shapes(axes: int) -> Callable[[str, Values, tuple[Shape, ...]], tuple[Shape]]:
    """(channels, …) to (channels, …): an element for each window."""

    def shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
        (shape,) = inputs
        check_spatial(where, shape, axes)
        return ((shape[0], *windows(where, values, shape, axes)),)

    return shapes


def adaptive_shapes(axes: int) -> Callable[[str, Values, tuple[Shape, ...]], tuple[Shape]]:
    """(channels, …) to (channels, *size), whatever the spatial sizes, variable or not."""

    def shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
        (shape,) = inputs
        check_spatial(where, shape, axes)
        return ((shape[0], *integers(values, "size")),)

    return shapes


def check_padding(where: str, values: Values) -> None:
    """No window lies in the padding altogether."""
    kernel, padding = integers(values, "kernel"), integers(values, "padding")
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        found = f"the padding {shape_text(padding)} of the kernel {shape_text(kernel)}"
        raise DiagramError(where, "a padding of at most half the kernel", found, "layer")


def sliding(operation: str, axes: int, *more: AttributeDefinition) -> LayerDefinition:
    """A row of a pooling over sliding windows."""
    sizes = (axis_attribute("kernel", axes), axis_attribute("stride", axes), axis_attribute("padding", axes, 0, least=0))
    return LayerDefinition(f"{operation}{axes}d", pool_shapes(axes), (*sizes, *more), check=check_padding)


ROWS = (
    *(sliding("max_pool", axes) for axes in (1, 2)),
    *(sliding("mean_pool", axes, AttributeDefinition("count_padding", AttributeKind.BOOLEAN, True)) for axes in (1, 2)),
    *(
        LayerDefinition(f"adaptive_{kind}_pool{axes}d", adaptive_shapes(axes), (axis_attribute("size", axes),))
        for kind in ("max", "mean")
        for axes in (1, 2)
    ),
)

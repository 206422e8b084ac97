"""Convolutions: rows, and the functions that write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, one_of
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError
from bridge.layers.definition import (
    SIZE,
    Constant,
    Initial,
    LayerDefinition,
    Parameter,
    Shape,
    Uniform,
    Values,
    integer,
    integers,
    mismatch,
)
from bridge.layers.make import make
from bridge.layers.spatial import axis_attribute, check_spatial, check_variables, for_each_axis, windows

__all__ = ["ROWS", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]

Sizes = int | Sequence[int]


def conv1d(
    inputs: int,
    outputs: int,
    kernel: Sizes,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    bias: bool = True,
    init: str = "kaiming_uniform",
) -> Layer:
    """(inputs, length) to (outputs, length): the correlation with a weight (outputs, inputs/groups, kernel), plus a bias.

    torch.nn.Conv1d. `init` is "kaiming_uniform" (torch's default), "glorot_uniform" (Flux's, with zero bias) or "zeros".
    """
    sizes = _sizes(1, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return make("conv1d", **{"in": inputs, "out": outputs}, **sizes, groups=groups, bias=bias, init=init)


def conv2d(
    inputs: int,
    outputs: int,
    kernel: Sizes,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    bias: bool = True,
    init: str = "kaiming_uniform",
) -> Layer:
    """(inputs, height, width) to (outputs, height, width), with a weight (outputs, inputs/groups, kernel…).

    torch.nn.Conv2d; sizes are given as one number or as (down, across).

    >>> conv2d(3, 16, 3, padding=1)["padding"]
    (1, 1)
    """
    sizes = _sizes(2, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return make("conv2d", **{"in": inputs, "out": outputs}, **sizes, groups=groups, bias=bias, init=init)


def conv_transpose1d(
    inputs: int,
    outputs: int,
    kernel: Sizes,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    bias: bool = True,
    init: str = "kaiming_uniform",
) -> Layer:
    """What the gradient of a convolution does, as a layer, with a weight (inputs, outputs/groups, kernel).

    torch.nn.ConvTranspose1d.
    """
    sizes = _sizes(1, kernel=kernel, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation)
    return make("conv_transpose1d", **{"in": inputs, "out": outputs}, **sizes, groups=groups, bias=bias, init=init)


def conv_transpose2d(
    inputs: int,
    outputs: int,
    kernel: Sizes,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    bias: bool = True,
    init: str = "kaiming_uniform",
) -> Layer:
    """What the gradient of a convolution does, as a layer, with a weight (inputs, outputs/groups, kernel…).

    torch.nn.ConvTranspose2d; sizes are given as one number or as (down, across).
    """
    sizes = _sizes(2, kernel=kernel, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation)
    return make("conv_transpose2d", **{"in": inputs, "out": outputs}, **sizes, groups=groups, bias=bias, init=init)


def _sizes(axes: int, **sizes: Sizes) -> dict[str, Sequence[int]]:
    return {name: for_each_axis(value, axes) for name, value in sizes.items()}


def convolution_shapes(axes: int) -> Callable[[str, Values, tuple[Shape, ...]], tuple[Shape]]:
    """(in, …) to (out, …): a window for each element."""

    def shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
        (shape,) = inputs
        check_spatial(where, shape, axes, integer(values, "in"))
        return ((integer(values, "out"), *windows(where, values, shape, axes)),)

    return shapes


def transposed_shapes(axes: int) -> Callable[[str, Values, tuple[Shape, ...]], tuple[Shape]]:
    """(in, …) to (out, …): sizes from which the convolution would come back, `output_padding` larger than the least."""

    def shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
        (shape,) = inputs
        sizes = check_spatial(where, shape, axes, integer(values, "in"))
        names = ("kernel", "stride", "padding", "dilation", "output_padding")
        by_axis = zip(*(integers(values, name) for name in names), strict=True)
        # A stride, and what is added to (size − 1) · stride, along each axis.
        steps = [(s, d * (k - 1) + more + 1 - 2 * p) for k, s, p, d, more in by_axis]
        check_variables(where, shape, [step == (1, 1) for step in steps])
        made = tuple(n if isinstance(n, str) else (n - 1) * s + more for n, (s, more) in zip(sizes, steps, strict=True))
        if any(isinstance(n, int) and n < 1 for n in made):
            raise mismatch(where, "spatial sizes that the padding leaves something of", shape)
        return ((integer(values, "out"), *made),)

    return shapes


def check_groups(where: str, values: Values) -> None:
    """The groups divide the channels on both sides."""
    inputs, outputs, groups = (integer(values, name) for name in ("in", "out", "groups"))
    if inputs % groups or outputs % groups:
        raise DiagramError(where, f"channels that {groups} groups divide", f"{inputs} to {outputs} channels", "layer")


def check_transposed(where: str, values: Values) -> None:
    """As `check_groups`; `output_padding` does not reach the next stride or dilation."""
    check_groups(where, values)
    more, stride, dilation = (integers(values, name) for name in ("output_padding", "stride", "dilation"))
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        found = f"{shape_text(more)} with stride {shape_text(stride)} and dilation {shape_text(dilation)}"
        raise DiagramError(where, "an output_padding below the stride or the dilation", found, "layer")


def convolution_parameters(values: Values) -> tuple[Parameter, ...]:
    """Weight (out, in/groups, kernel…), bias (out,)."""
    return weight_and_bias(values, integer(values, "out"), integer(values, "in") // integer(values, "groups"))


def transposed_parameters(values: Values) -> tuple[Parameter, ...]:
    """Weight (in, out/groups, kernel…), bias (out,)."""
    return weight_and_bias(values, integer(values, "in"), integer(values, "out") // integer(values, "groups"))


def weight_and_bias(values: Values, first: int, second: int) -> tuple[Parameter, ...]:
    """`kaiming_uniform` is the default of torch's convolutions, `glorot_uniform` that of Flux's."""
    kernel = integers(values, "kernel")
    weight: Initial = Constant(0.0)
    bias: Initial = Constant(0.0)
    if values["init"] == "kaiming_uniform":
        weight = bias = Uniform(1 / math.sqrt(second * math.prod(kernel)))
    elif values["init"] == "glorot_uniform":
        weight = Uniform(math.sqrt(6 / ((first + second) * math.prod(kernel))))
    parameters = (Parameter("weight", (first, second, *kernel), weight), Parameter("bias", (integer(values, "out"),), bias))
    return parameters if values["bias"] else parameters[:1]


def attributes(axes: int, transposed: bool) -> tuple[AttributeDefinition, ...]:
    """Those of a convolution with so many spatial axes."""
    sizes = [
        axis_attribute("kernel", axes),
        axis_attribute("stride", axes, 1),
        axis_attribute("padding", axes, 0, least=0),
        axis_attribute("dilation", axes, 1),
    ]
    if transposed:
        sizes.append(axis_attribute("output_padding", axes, 0, least=0))
    return (
        AttributeDefinition("in", AttributeKind.INTEGER, None, SIZE),
        AttributeDefinition("out", AttributeKind.INTEGER, None, SIZE),
        *sizes,
        AttributeDefinition("groups", AttributeKind.INTEGER, 1, SIZE),
        AttributeDefinition("bias", AttributeKind.BOOLEAN, True),
        AttributeDefinition(
            "init", AttributeKind.TEXT, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros")
        ),
    )


ROWS = tuple(
    LayerDefinition(
        f"conv{'_transpose' * transposed}{axes}d",
        transposed_shapes(axes) if transposed else convolution_shapes(axes),
        attributes(axes, transposed),
        transposed_parameters if transposed else convolution_parameters,
        check=check_transposed if transposed else check_groups,
    )
    for transposed in (False, True)
    for axes in (1, 2)
)

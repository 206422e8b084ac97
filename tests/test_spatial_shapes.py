"""Shapes and refusals of layers with spatial axes: sizes as torch makes them, and the same in Julia, word for word."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from julia_structure import read
from layer_cases import Case
from layer_cases_convolution import CASES as CONVOLUTION
from layer_cases_pooling import CASES as POOLING
from layer_cases_resampling import CASES as RESAMPLING

import bridge
from bridge import layers
from bridge.diagram.ir import Axis, Diagram, Layer
from bridge.errors import DiagramError
from bridge.layers.build import as_graph, make
from bridge.layers.definition import Shape
from bridge.layers.graph import check_graph, infer_shapes
from bridge.layers.pooling import ROWS as POOLING_ROWS
from bridge.layers.table import definition
from bridge.schema import encode
from bridge.torch.layers import function

CASES = {**CONVOLUTION, **POOLING, **RESAMPLING}


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Layer, Shape]:
    """A layer that fits a sample, then each with up to two numbers changed, or a size that becomes variable."""
    case: Case = draw(CASES[draw(st.sampled_from(sorted(CASES)))](1))
    values, shape = dict(case.layer.attributes), list(case.inputs[0].shape)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(["shape", *values]))
        if name == "shape":
            place = draw(st.integers(0, len(shape) - 1))
            shape[place] = draw(st.sampled_from([1, 2, 9, 2**31 - 1, "n", "m"]))
        elif isinstance(values[name], tuple):
            numbers = [*values[name], 1]
            numbers[draw(st.integers(0, len(numbers) - 1))] = draw(st.sampled_from([-1, 0, 1, 2, 5, 2**31 - 1, 2**31]))
            values[name] = tuple(numbers[: draw(st.sampled_from([-2, -1, -1, -1, len(numbers)]))])
        elif isinstance(values[name], bool):
            values[name] = not values[name]
        elif isinstance(values[name], int):
            values[name] = draw(st.sampled_from([1, 2, 3, 7]))
    return replace(case.layer, attributes=tuple(sorted(values.items()))), tuple(shape)


@cache
def template() -> Diagram:
    """An arrow from x to y, to be filled with a layer."""
    d = bridge.Builder("one layer")
    x, y, z = (d.space(name, k=1) for name in "xyz")
    data = d.source("data", x=x, y=y, z=z)
    d.agree(d.arrow("f", x, y, layers.relu())(data.x), data.y, by=bridge.mse())
    d.agree(d.arrow("last", z, z, layers.linear(1, 1))(data.z), data.z, by=bridge.mse())
    return d.build()


def diagram_of(layer: Layer, shape: Shape, made: Shape) -> Diagram:
    """The diagram of one layer between spaces of these shapes, unchecked."""
    diagram = template()
    axes = {"x": shape, "y": made}
    learns = layer.operation.startswith("conv")
    graph = replace(diagram.component("f").body, nodes=(replace(diagram.component("f").body.nodes[0], layer=layer),))
    return replace(
        diagram,
        spaces=tuple(
            replace(space, axes=tuple(Axis(f"a{k}", size) for k, size in enumerate(axes.get(space.name, (1,)))))
            for space in diagram.spaces
        ),
        components=tuple(
            replace(c, body=graph, has_parameters=learns) if c.name == "f" else c for c in diagram.components
        ),
    )


def made_by(layer: Layer, shape: Shape) -> Shape:
    """The shape of the layer's output by its rule, or another one where it is refused."""
    try:
        check_graph(as_graph(layer), "a layer")
        return infer_shapes(as_graph(layer), (shape,), "a layer")[0]
    except DiagramError:
        return shape


@settings(max_examples=150, deadline=None)
@given(spoiled())
def test_julia_says_the_same(case: tuple[Layer, Shape]) -> None:
    layer, shape = case
    unchecked = diagram_of(layer, shape, made_by(layer, shape))
    theirs, ours = read(encode.diagram(unchecked).SerializeToString(deterministic=True))
    event(" ".join(ours[:2]) if ours[0] == "refused" else "read")
    assert theirs == ours


@settings(max_examples=200, deadline=None)
@given(spoiled(), st.integers(1, 12), st.integers(1, 12))
def test_torch_makes_the_sizes_of_the_rule(case: tuple[Layer, Shape], n: int, m: int) -> None:
    layer, shape = case
    small = {name: value for name, value in layer.attributes if not isinstance(value, tuple) or max(value, default=0) < 100}
    if len(small) < len(layer.attributes) or any(isinstance(size, int) and size > 1000 for size in shape):
        return
    try:
        check_graph(as_graph(layer), "a layer")
        (made,) = infer_shapes(as_graph(layer), (shape,), "a layer")
    except DiagramError:
        return
    sizes = {"n": n, "m": m}
    values = dict(layer.attributes)
    parameters = [torch.zeros(p.shape) for p in definition(layer).parameters(values)]
    result = function(layer)(torch.zeros(2, *(sizes.get(size, size) for size in shape)), *parameters)
    assert result.shape[1:] == tuple(sizes.get(size, size) for size in made)


def test_names_of_refusals() -> None:
    """What a user reads, for each thing that can be wrong."""
    image = (3, 5, 5)

    def refused(layer: Layer, shape: Shape = image) -> tuple[str, str]:
        try:
            graph = as_graph(layer)
            infer_shapes(graph, (shape,), "f")
        except DiagramError as error:
            return error.expected, error.found
        raise AssertionError(f"{layer} takes {shape}")

    assert refused(layers.conv2d(2, 3, 3)) == ("an input of 2 channels and 2 spatial axes", "one of shape (3, 5, 5)")
    assert refused(layers.conv1d(3, 3, 3)) == ("an input of 3 channels and 1 spatial axis", "one of shape (3, 5, 5)")
    expected = "spatial sizes of at least (7, 9) with the padding (0, 1)"
    assert refused(layers.conv2d(3, 3, (4, 5), dilation=2, padding=(0, 1))) == (expected, "one of shape (3, 5, 5)")
    expected = "an input without variable sizes along axes that the layer resizes"
    assert refused(layers.conv2d(3, 3, 3), (3, "n", 5)) == (expected, "one of shape (3, n, 5)")
    assert refused(layers.conv2d(3, 4, 3, groups=2)) == ("channels that 2 groups divide", "3 to 4 channels")
    expected = "spatial sizes that the padding leaves something of"
    assert refused(layers.conv_transpose2d(3, 3, 1, padding=3)) == (expected, "one of shape (3, 5, 5)")
    found = "(1, 0) with stride (1, 1) and dilation (1, 1)"
    refusal = refused(layers.conv_transpose2d(3, 3, 2, output_padding=(1, 0)))
    assert refusal == ("an output_padding below the stride or the dilation", found)
    found = "the padding (2, 0) of the kernel (3, 3)"
    assert refused(layers.max_pool2d(3, padding=(2, 0))) == ("a padding of at most half the kernel", found)
    assert refused(layers.mean_pool1d(2)) == ("an input of channels and 1 spatial axis", "one of shape (3, 5, 5)")
    expected = "the mode 'bilinear' with align_corners"
    assert refused(layers.upsample2d(2, align_corners=True)) == (expected, "the mode 'nearest'")
    assert refused(layers.pad((1,), (1, 2))) == ("1 sizes after, as before", "2")
    assert refused(layers.pad((1,) * 4, (1,) * 4)) == ("an input of 4 or more axes", "one of shape (3, 5, 5)")


def test_sizes_of_the_wrong_kind() -> None:
    for row in POOLING_ROWS:
        axes = int(row.operation[-2])
        values = {"kernel": (2,) * axes, "stride": (1,) * axes, "size": (1,) * axes}
        wanted = {definition.name for definition in row.attributes}
        values = {name: value for name, value in values.items() if name in wanted}
        make(row.operation, **values)
        for name in values:
            for wrong in ((1,) * (axes + 1), (), (0,) * axes, (2**31,) * axes):
                try:
                    make(row.operation, **{**values, name: wrong})
                except DiagramError as error:
                    assert error.expected == f"{axes} size{'s' * (axes > 1)} from 1 to {2**31 - 1}"
                else:
                    raise AssertionError(f"{row.operation} takes {name}={wrong}")

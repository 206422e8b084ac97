"""Other shapes: the same numbers in another one, parts put together and taken apart, sums over axes. Rows, and the functions
that write them.
"""

from __future__ import annotations

import builtins
import math

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError
from bridge.layers.definition import (
    ANY_SIZES,
    AXIS,
    FLOAT,
    SIZE,
    SIZES,
    LayerDefinition,
    Shape,
    Values,
    integer,
    integers,
    mismatch,
    number_of_values,
    same_shape,
)
from bridge.layers.make import make

__all__ = ["ROWS", "concat", "flatten", "identity", "mean", "permute", "reshape", "slice", "split", "sum"]


def flatten() -> Layer:
    """All axes of a sample to one."""
    return make("flatten")


def reshape(*shape: int) -> Layer:
    """The same numbers, row-major, as a sample of this shape."""
    return make("reshape", shape=shape)


def identity() -> Layer:
    """The input."""
    return make("identity")


def concat(axis: int = -1) -> Layer:
    """Two or more inputs one after the other along an axis, counted from the last (−1); the other axes are equal."""
    return make("concat", axis=axis)


def split(*sizes: int, axis: int = -1) -> Layer:
    """The pieces of these sizes along an axis, each an output.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(split(2, 3)), ((4, 5),), "component 'halves'")
    ((4, 2), (4, 3))
    """
    return make("split", axis=axis, sizes=sizes)


def permute(*axes: int) -> Layer:
    """The axes of a sample in another order: axis k of the value is axis `axes[k]` of the input, both from 0."""
    return make("permute", axes=axes)


def slice(axis: int, start: int, stop: int, step: int = 1) -> Layer:
    """The elements from `start` to before `stop`, both from 0, in steps of `step` along an axis of fixed size."""
    return make("slice", axis=axis, start=start, stop=stop, step=step)


def mean(*axes: int, keep: bool = False) -> Layer:
    """The mean over some axes, counted from the last (−1), which stay with size 1 if `keep`."""
    return make("mean", axes=axes, keep=keep)


def sum(*axes: int, keep: bool = False) -> Layer:
    """The sum over some axes, counted from the last (−1), which stay with size 1 if `keep`."""
    return make("sum", axes=axes, keep=keep)


def has_axis(where: str, axis: int, shape: Shape) -> None:
    """Refuse an input without an axis, counted from the last."""
    if -axis > len(shape):
        raise mismatch(where, f"an input with an axis {axis}", shape)


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """The shape with another size along an axis, counted from the last."""
    place = len(shape) + axis
    return (*shape[:place], size, *shape[place + 1 :])


def concat_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The sizes along the axis are added; the other ones are equal."""
    axis, total = integer(values, "axis"), 0
    has_axis(where, axis, inputs[0])
    for shape in inputs:
        if len(shape) != len(inputs[0]) or resized(shape, axis, 1) != resized(inputs[0], axis, 1):
            raise mismatch(where, f"inputs of equal shape {shape_text(inputs[0])}, but for axis {axis}", shape)
        size = shape[axis]
        if isinstance(size, str):
            raise mismatch(where, f"a fixed size of axis {axis}", shape)
        total += size
    return (resized(inputs[0], axis, total),)


def split_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """One shape a piece."""
    (shape,), axis, sizes = inputs, integer(values, "axis"), integers(values, "sizes")
    has_axis(where, axis, shape)
    total = builtins.sum(sizes)
    if shape[axis] != total:
        raise mismatch(where, f"an input whose axis {axis} has size {total}", shape)
    return tuple(resized(shape, axis, size) for size in sizes)


def permute_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """As many axes as there are, in their new order."""
    (shape,), axes = inputs, integers(values, "axes")
    if len(shape) != len(axes):
        raise mismatch(where, f"an input with {len(axes)} axes", shape)
    return (tuple(shape[axis] for axis in axes),)


def slice_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """As many along the axis as there are from start to stop."""
    (shape,), axis, stop = inputs, integer(values, "axis"), integer(values, "stop")
    has_axis(where, axis, shape)
    size = shape[axis]
    if isinstance(size, str) or size < stop:
        raise mismatch(where, f"an input whose axis {axis} has a fixed size of {stop} or more", shape)
    return (resized(shape, axis, len(range(integer(values, "start"), stop, integer(values, "step")))),)


def check_slice(where: str, values: Values) -> None:
    """A slice has an element."""
    start, stop = integer(values, "start"), integer(values, "stop")
    if start >= stop:
        raise DiagramError(where, "a start before the stop", f"{start} and {stop}", "layer")


def reduced_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The axes are left out, or stay with size 1."""
    (shape,), axes = inputs, integers(values, "axes")
    for axis in axes:
        has_axis(where, axis, shape)
    places = [len(shape) + axis for axis in axes]
    if values["keep"]:
        return (tuple(1 if place in places else size for place, size in enumerate(shape)),)
    return (tuple(size for place, size in enumerate(shape) if place not in places),)


def flatten_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """All axes to one. An input that has one axis already may have a variable size."""
    (shape,) = inputs
    return (shape if len(shape) == 1 else (number_of_values(where, shape),),)


def reshape_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """As many numbers as `shape` has."""
    (shape,), target = inputs, integers(values, "shape")
    if number_of_values(where, shape) != math.prod(target):
        raise mismatch(where, f"an input of {math.prod(target)} numbers", shape)
    return (target,)


def is_order(axes: object) -> bool:
    """Whether they are the numbers from 0 on, in any order."""
    return isinstance(axes, tuple) and sorted(axes) == list(range(len(axes)))


def are_from_last(axes: object) -> bool:
    """Whether they are different axes counted from the last."""
    return isinstance(axes, tuple) and 0 < len(axes) == len(set(axes)) and all(axis < 0 for axis in axes)


ORDER = Constraint("the axes 0, 1, … in any order", is_order)
AXES = Constraint("different axes counted from the last: -1, -2, …", are_from_last)
NOT_NEGATIVE = Constraint("0 or more", lambda value: isinstance(value, int) and value >= 0)

REDUCED = (
    AttributeDefinition("axes", AttributeKind.INTEGERS, None, AXES),
    AttributeDefinition("keep", AttributeKind.BOOLEAN, False),
)

ROWS = (
    LayerDefinition("flatten", flatten_shapes),
    LayerDefinition("reshape", reshape_shapes, (AttributeDefinition("shape", AttributeKind.INTEGERS, None, ANY_SIZES),)),
    LayerDefinition("identity", same_shape),
    LayerDefinition("concat", concat_shapes, (AXIS,), kinds=lambda values: (FLOAT, FLOAT), more=True),
    LayerDefinition(
        "split",
        split_shapes,
        (AXIS, AttributeDefinition("sizes", AttributeKind.INTEGERS, None, SIZES)),
        outputs=lambda values: len(integers(values, "sizes")),
    ),
    LayerDefinition("permute", permute_shapes, (AttributeDefinition("axes", AttributeKind.INTEGERS, None, ORDER),)),
    LayerDefinition(
        "slice",
        slice_shapes,
        (
            AXIS,
            AttributeDefinition("start", AttributeKind.INTEGER, None, NOT_NEGATIVE),
            AttributeDefinition("stop", AttributeKind.INTEGER, None, NOT_NEGATIVE),
            AttributeDefinition("step", AttributeKind.INTEGER, 1, SIZE),
        ),
        check=check_slice,
    ),
    LayerDefinition("mean", reduced_shapes, REDUCED),
    LayerDefinition("sum", reduced_shapes, REDUCED),
)

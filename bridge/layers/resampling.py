"""Axes made longer, by interpolation or by padding: rows, and the functions that write them."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint, one_of
from bridge.diagram.ir import Layer
from bridge.diagram.limits import MAX_SIZE
from bridge.errors import DiagramError
from bridge.layers.definition import LayerDefinition, Shape, Values, integers, mismatch
from bridge.layers.make import make
from bridge.layers.spatial import axis_attribute, check_spatial, check_variables, for_each_axis

__all__ = ["ROWS", "pad", "upsample2d"]


def upsample2d(factor: int | Sequence[int], mode: str = "nearest", *, align_corners: bool = False) -> Layer:
    """(channels, height, width) with both sizes times `factor`, one number or (down, across).

    torch.nn.Upsample: "nearest" repeats each element, "bilinear" interpolates linearly between their middles, or with
    `align_corners` between the corners' middles.
    """
    return make("upsample2d", factor=for_each_axis(factor, 2), mode=mode, align_corners=align_corners)


def pad(before: Sequence[int], after: Sequence[int], *, value: float = 0.0) -> Layer:
    """`value` before and behind the elements of the last axes, so many as there are numbers, of any sample.

    torch.nn.functional.pad, but for the order: `before` and `after` go from the first of these axes to the last.
    """
    return make("pad", before=before, after=after, value=value)


def upsample_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(channels, height, width), both sizes times the factor."""
    (shape,), factor = inputs, integers(values, "factor")
    sizes = check_spatial(where, shape, 2)
    check_variables(where, shape, [f == 1 for f in factor])
    return ((shape[0], *(n if isinstance(n, str) else n * f for n, f in zip(sizes, factor, strict=True))),)


def check_upsample(where: str, values: Values) -> None:
    """Only interpolation has corners to align."""
    if values["align_corners"] and values["mode"] == "nearest":
        raise DiagramError(where, "the mode 'bilinear' with align_corners", "the mode 'nearest'", "layer")


def pad_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The last sizes grow by `before` and `after`."""
    (shape,), before, after = inputs, integers(values, "before"), integers(values, "after")
    if len(shape) < len(before):
        raise mismatch(where, f"an input of {len(before)} or more axes", shape)
    more = [b + a for b, a in zip(before, after, strict=True)]
    check_variables(where, shape, [m == 0 for m in more])
    kept = len(shape) - len(more)
    grown = (n if isinstance(n, str) else n + m for n, m in zip(shape[kept:], more, strict=True))
    return ((*shape[:kept], *grown),)


def check_pad(where: str, values: Values) -> None:
    """As many axes before as behind."""
    before, after = integers(values, "before"), integers(values, "after")
    if len(before) != len(after):
        raise DiagramError(where, f"{len(before)} sizes after, as before", f"{len(after)}", "layer")


PADDINGS = Constraint(
    f"one or more sizes from 0 to {MAX_SIZE}",
    lambda value: isinstance(value, tuple)
    and len(value) > 0
    and all(isinstance(size, int) and 0 <= size <= MAX_SIZE for size in value),
)

ROWS = (
    LayerDefinition(
        "upsample2d",
        upsample_shapes,
        (
            axis_attribute("factor", 2),
            AttributeDefinition("mode", AttributeKind.TEXT, "nearest", one_of("nearest", "bilinear")),
            AttributeDefinition("align_corners", AttributeKind.BOOLEAN, False),
        ),
        check=check_upsample,
    ),
    LayerDefinition(
        "pad",
        pad_shapes,
        (
            AttributeDefinition("before", AttributeKind.INTEGERS, None, PADDINGS),
            AttributeDefinition("after", AttributeKind.INTEGERS, None, PADDINGS),
            AttributeDefinition("value", AttributeKind.REAL, 0.0),
        ),
        check=check_pad,
    ),
)

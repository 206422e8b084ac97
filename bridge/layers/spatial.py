"""Samples with channels and one or two spatial axes: attributes and shape rules that several families share.

Windows slide along an axis of n elements that is padded before and behind. There are
floor((n + 2 padding − dilation (kernel − 1) − 1) / stride) + 1 of them (torch's formula).
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint
from bridge.diagram.limits import MAX_SIZE
from bridge.diagram.messages import shape_text
from bridge.layers.definition import Shape, Values, integers, mismatch

__all__ = ["axis_attribute", "check_spatial", "check_variables", "for_each_axis", "windows"]


def axis_sizes(axes: int, least: int = 1) -> Constraint:
    """One size for each spatial axis."""
    return Constraint(
        f"{axes} size{'s' * (axes > 1)} from {least} to {MAX_SIZE}",
        lambda value: isinstance(value, tuple)
        and len(value) == axes
        and all(isinstance(size, int) and least <= size <= MAX_SIZE for size in value),
    )


def axis_attribute(name: str, axes: int, default: int | None = None, least: int = 1) -> AttributeDefinition:
    """An attribute with one size for each spatial axis."""
    value = None if default is None else (default,) * axes
    return AttributeDefinition(name, AttributeKind.INTEGERS, value, axis_sizes(axes, least))


def for_each_axis(value: int | Sequence[int], axes: int) -> Sequence[int]:
    """A size for each spatial axis; one stands for all."""
    return value if isinstance(value, Sequence) else (value,) * axes


def check_spatial(where: str, shape: Shape, axes: int, channels: int | None = None) -> Shape:
    """The spatial sizes of a sample that has so many spatial axes behind its channels."""
    if len(shape) != axes + 1 or channels not in (None, shape[0]):
        count = "channels" if channels is None else f"{channels} channels"
        raise mismatch(where, f"an input of {count} and {axes} spatial ax{'e' if axes > 1 else 'i'}s", shape)
    return shape[1:]


def windows(where: str, values: Values, shape: Shape, axes: int) -> Shape:
    """How many windows there are along each spatial axis of a sample. A variable size is taken where it does not change."""
    sizes = shape[-axes:]
    kernel, stride, padding = (integers(values, name) for name in ("kernel", "stride", "padding"))
    dilation = integers(values, "dilation") if "dilation" in values else (1,) * axes
    spans = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    kept = [s == 1 and 2 * p == span - 1 for s, p, span in zip(stride, padding, spans, strict=True)]
    check_variables(where, shape, kept)
    if any(isinstance(n, int) and n + 2 * p < span for n, p, span in zip(sizes, padding, spans, strict=True)):
        raise mismatch(where, f"spatial sizes of at least {shape_text(spans)} with the padding {shape_text(padding)}", shape)
    return tuple(
        n if isinstance(n, str) else (n + 2 * p - span) // s + 1
        for n, p, span, s in zip(sizes, padding, spans, stride, strict=True)
    )


def check_variables(where: str, shape: Shape, kept: Sequence[bool]) -> None:
    """Refuse a variable size along the last axes unless the layer keeps it."""
    if any(isinstance(size, str) and not same for size, same in zip(shape[-len(kept) :], kept, strict=True)):
        raise mismatch(where, "an input without variable sizes along axes that the layer resizes", shape)

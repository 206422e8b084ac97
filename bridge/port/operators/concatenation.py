"""Several tensors side by side, and what is added at the ends of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import number_of
from bridge.port.operators.axes import joined, length_of, pad_axes, part_of, taken
from bridge.port.traced import Filled, Known, Spread, Stacked, Traced
from bridge.port.translation import Translation
from bridge.port.values import with_value

__all__ = ["OPERATORS"]


def cat(t: Program, a: Arguments) -> Traced:
    """Tensors side by side along an axis."""
    count = len(t.shape)
    axis = a["dim"] % count
    parts = _with_parameters(t, a["tensors"], axis)
    padded = _padded(t, parts, axis)
    if padded is not None:
        return padded
    return joined(t, [t.laid(part, "each part") for part in parts], axis, t.shape[axis].number)


def _with_parameters(t: Translation, parts: Sequence[Traced], axis: int) -> list[Traced]:
    """Parameters that stand beside tensors, such as class tokens, as sums with zeros that lie beside one of those."""
    beside = next((part for part in parts if not isinstance(part, (Spread, Filled, Known))), None)
    found: list[Traced] = []
    for part in parts:
        if isinstance(part, Spread) and beside is not None:
            count = part.shape[axis].number
            padded = t.settled(pad_axes(t, t.laid(beside), {axis: (count, 0)}, 0.0))
            value = t.batch_first(padded, len(part.shape), "a tensor beside a parameter")
            found.append(with_value(t, "add", t.fresh(t.slice(value, axis - 1, 0, count)), part.weight))
        else:
            found.append(part)
    return found


def _padded(t: Translation, parts: Sequence[Traced], axis: int) -> Traced | None:
    """One tensor with a constant number before or after it."""
    tensors = [k for k, part in enumerate(parts) if not isinstance(part, (Filled, Known))]
    numbers = {number_of(part) for k, part in enumerate(parts) if k not in tensors}
    if len(tensors) != 1 or len(numbers) != 1 or None in numbers:
        return None
    lengths = [
        (part.shape[axis].number if isinstance(part, Filled) else part.tensor.shape[axis] if isinstance(part, Known) else 0)
        for part in parts
    ]
    before, after = sum(lengths[: tensors[0]]), sum(lengths[tensors[0] + 1 :])
    (number,) = numbers
    assert number is not None
    return pad_axes(t, t.laid(parts[tensors[0]]), {axis: (before, after)}, number)


def pad(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.pad`; less than nothing is cut off."""
    x, mode = t.laid(a["self"]), a.get("mode", "constant")
    pairs = zip(a["pad"][::2], a["pad"][1::2], strict=True)
    amounts = {len(x.shape) - 1 - k: pair for k, pair in enumerate(pairs) if pair != (0, 0)}
    if mode != "constant":
        for axis, pair in amounts.items():
            places = torch.arange(length_of(t, x, axis), dtype=torch.float64)[None, None]
            x = taken(t, x, axis, F.pad(places, pair, mode=mode).flatten().long().tolist())
        return t.eager(x)
    for axis, (before, after) in amounts.items():
        length = length_of(t, x, axis) if min(before, after) < 0 else 0
        if length:
            x = part_of(t, x, axis, max(-before, 0), length - max(-after, 0), 1)
    amounts = {axis: (max(before, 0), max(after, 0)) for axis, (before, after) in amounts.items() if max(before, after) > 0}
    return pad_axes(t, x, amounts, float(a.get("value") or 0)) if amounts else t.eager(x)


def stack(t: Program, a: Arguments) -> Traced:
    """Tensors side by side along a new axis."""
    return Stacked(tuple(a["tensors"]), a["dim"] % len(t.shape))


OPERATORS: dict[str, Operator] = {
    "aten.cat.default": cat,
    "aten.concat.default": cat,
    "aten.stack.default": stack,
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": pad,
}

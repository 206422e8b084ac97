"""Windows side by side as axes of their own, and channels as pixels."""

from __future__ import annotations

from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.axes import length_of
from bridge.port.operators.shaping import moved
from bridge.port.sizes import Size
from bridge.port.traced import Traced

__all__ = ["OPERATORS"]


def unfold(t: Program, a: Arguments, x: Traced) -> Traced:
    """Windows along an axis that lie side by side, as a last axis."""
    laid = t.laid(x)
    axis, size = a["dimension"] % len(laid.shape), a["size"]
    length = length_of(t, laid, axis)
    t.require(a["step"] == size and length % size == 0, "windows side by side", f"size={size}, step={a['step']} of {length}")
    shape = [*laid.shape[:axis], Size(length // size), Size(size), *laid.shape[axis + 1 :]]
    return t.permuted(t.view(laid, shape), [*(k for k in range(len(shape)) if k != axis + 1), axis + 1])


def windows(t: Program, a: Arguments, x: Traced) -> Traced:
    """`torch.nn.functional.unfold` where windows lie side by side."""
    laid, kernel = t.laid(x), list(a["kernel_size"])
    batch, channels, *plane = laid.shape
    fits = all(not n.variables and n.number % k == 0 for n, k in zip(plane, kernel, strict=True))
    plain = list(a["stride"]) == kernel and not any(a["padding"]) and set(a["dilation"]) == {1}
    t.require(plain and fits, "windows side by side", f"kernel {kernel}, stride {a['stride']}, padding {a['padding']}")
    (one, two), (rows, columns) = kernel, (n.number // k for n, k in zip(plane, kernel, strict=True))
    apart = t.view(laid, [batch, channels, Size(rows), Size(one), Size(columns), Size(two)])
    return t.view(t.permuted(apart, (0, 1, 3, 5, 2, 4)), t.shape)


def pixel_shuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """Groups of channels as pixels beside each other."""
    laid, r = t.laid(x), Size(a["upscale_factor"])
    *lead, _, rows, columns = laid.shape
    k = len(lead)
    apart = t.view(laid, [*lead, t.shape[k], r, r, rows, columns])
    return t.view(t.permuted(apart, [*range(k + 1), k + 3, k + 1, k + 4, k + 2]), t.shape)


def pixel_unshuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """Pixels beside each other as groups of channels."""
    laid, r = t.laid(x), Size(a["downscale_factor"])
    *lead, channels, _, _ = laid.shape
    k, (rows, columns) = len(lead), t.shape[-2:]
    apart = t.view(laid, [*lead, channels, rows, r, columns, r])
    return t.view(t.permuted(apart, [*range(k + 1), k + 2, k + 4, k + 1, k + 3]), t.shape)


def channel_shuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """The channels of groups in turn."""
    laid, groups = t.laid(x), a["groups"]
    batch, channels, *rest = laid.shape
    apart = t.view(laid, [batch, Size(groups), Size(channels.number // groups), *rest])
    return t.view(t.permuted(apart, [0, 2, 1, *range(3, len(rest) + 3)]), t.shape)


OPERATORS: dict[str, Operator] = {
    "aten.unfold.default": moved(unfold),
    "aten.im2col.default": moved(windows),
    "aten.pixel_shuffle.default": moved(pixel_shuffle),
    "aten.pixel_unshuffle.default": moved(pixel_unshuffle),
    "aten.channel_shuffle.default": moved(channel_shuffle),
}

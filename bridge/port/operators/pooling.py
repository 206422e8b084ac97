"""Pooling over windows, adaptive pooling, and upsampling."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.convolution import numbers
from bridge.port.sizes import Size
from bridge.port.sketch import Value
from bridge.port.traced import Laid, Traced
from bridge.port.values import times_constant

__all__ = ["OPERATORS"]


def image(t: Program, x: Traced, axes: int) -> Value:
    """The value of a tensor (batch, channels, …)."""
    return t.batch_first(t.laid(x), axes + 2, "an input (batch, channels, …)")


def pool(t: Program, a: Arguments, operation: str, axes: int, **more: object) -> Laid:
    """A pooling over windows with a stride."""
    kernel = numbers(a["kernel_size"], axes)
    stride = numbers(a["stride"], axes) if a["stride"] not in ([], None) else kernel
    padding = numbers(a["padding"], axes)
    attributes = {"kernel": kernel, "stride": stride, "padding": padding, **more}
    value = image(t, a["self"], axes)
    if a["ceil_mode"]:
        rows = zip(value.shape[1:], t.shape[2:], kernel, stride, padding, strict=True)
        inside = all(isinstance(n, int) and m == Size((n + 2 * p - k) // s + 1) for n, m, k, s, p in rows)
        t.require(inside, "windows inside the input", "ceil_mode with windows beyond it")
    return t.fresh(t.one(f"{operation}{axes}d", [value], tuple(size.axis for size in t.shape[1:]), **attributes))


def max_pool(axes: int, with_indices: bool = False) -> Operator:
    """`torch.nn.functional.max_pool1d`, …."""

    def ported(t: Program, a: Arguments) -> Any:
        t.require(set(numbers(a["dilation"], axes)) == {1}, "a dilation of 1", a["dilation"])
        made = pool(t, a, "max_pool", axes)
        return [made] if with_indices else made

    return ported


def mean_pool(axes: int) -> Operator:
    """`torch.nn.functional.avg_pool1d`, …."""

    def ported(t: Program, a: Arguments) -> Traced:
        t.require(a.get("divisor_override") is None, "the window's size as divisor", a.get("divisor_override"))
        return pool(t, a, "mean_pool", axes, count_padding=bool(a["count_include_pad"]))

    return ported


def adaptive(operation: str, axes: int, with_indices: bool = False) -> Operator:
    """`torch.nn.functional.adaptive_avg_pool1d`, …."""

    def ported(t: Program, a: Arguments) -> Any:
        value = image(t, a["self"], axes)
        shape = tuple(size.axis for size in t.shape[1:])
        t.require(all(isinstance(size, int) for size in shape[1:]), "fixed sizes", shape)
        made = t.fresh(t.one(f"{operation}{axes}d", [value], shape, size=shape[1:]))
        return [made] if with_indices else made

    return ported


def upsample(mode: str, axes: int) -> Operator:
    """`torch.nn.functional.interpolate`: by whole factors a layer, else a constant matrix along each axis."""

    def ported(t: Program, a: Arguments) -> Traced:
        given = t.laid(a["input"] if "input" in a else a["self"])
        value = image(t, given, axes)
        shape = tuple(size.axis for size in t.shape[1:])
        pairs = list(zip(shape[1:], value.shape[1:], strict=True))
        whole = [new // old if isinstance(new, int) and isinstance(old, int) and new % old == 0 else 0 for new, old in pairs]
        found = " and ".join(f"{old} to {new}" for new, old in pairs)
        t.require(all(isinstance(n, int) for pair in pairs for n in pair), "fixed sizes", found)
        scales = a.get("scale_factors")
        settings = {"mode": mode, "align_corners": bool(a.get("align_corners"))}
        if mode not in LAYERED or 0 in whole or (scales and list(map(float, whole)) != list(scales)):
            for k, (new, old) in enumerate(pairs):
                scale = scales[k] if scales else None
                given = times_constant(t, given, k + 2, _matrix(int(old), int(new), scale, mode, a.get("align_corners")))
            return given
        if axes == 2:
            return t.fresh(t.one("upsample2d", [value], shape, factor=tuple(whole), **settings))
        channels, length = value.shape
        wide = t.reshape(value, (channels, 1, length))
        made = t.one("upsample2d", [wide], (channels, 1, shape[1]), factor=(1, *whole), **settings)
        return t.fresh(t.reshape(made, shape))

    return ported


LAYERED = ("nearest", "bilinear")


def _matrix(old: int, new: int, scale: float | None, mode: str, align_corners: bool | None) -> Tensor:
    """What interpolation along one axis makes of each place by itself: (old, new)."""
    places = torch.eye(old, dtype=torch.float64).reshape(1, old, 1, old)
    sizes: dict[str, Any] = {"size": (1, new)} if scale is None else {"scale_factor": (1.0, scale)}
    return F.interpolate(places, **sizes, mode=mode, align_corners=align_corners).reshape(old, new)


OPERATORS: dict[str, Operator] = {
    **{f"aten.max_pool{n}d.default": max_pool(n) for n in (1, 2)},
    **{f"aten.max_pool{n}d_with_indices.default": max_pool(n, with_indices=True) for n in (1, 2)},
    **{f"aten.avg_pool{n}d.default": mean_pool(n) for n in (1, 2)},
    **{f"aten.adaptive_avg_pool{n}d.default": adaptive("adaptive_mean_pool", n) for n in (1, 2)},
    **{f"aten.adaptive_max_pool{n}d.default": adaptive("adaptive_max_pool", n, with_indices=True) for n in (1, 2)},
    "aten.upsample_nearest1d.vec": upsample("nearest", 1),
    "aten.upsample_nearest2d.vec": upsample("nearest", 2),
    "aten.upsample_linear1d.vec": upsample("bilinear", 1),
    "aten.upsample_bilinear2d.vec": upsample("bilinear", 2),
    "aten.upsample_bicubic2d.vec": upsample("bicubic", 2),
    "aten._upsample_nearest_exact1d.vec": upsample("nearest-exact", 1),
    "aten._upsample_nearest_exact2d.vec": upsample("nearest-exact", 2),
}

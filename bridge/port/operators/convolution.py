"""Convolutions over one and two axes, plain and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.elementary import parameter
from bridge.port.traced import Traced

__all__ = ["OPERATORS", "numbers"]


def numbers(given: Any, count: int) -> tuple[int, ...]:
    """A setting for each axis: one number stands for all."""
    listed: Sequence[int] = [given] if isinstance(given, int) else given
    return tuple(listed) * count if len(listed) == 1 else tuple(listed)


def convolution(axes: int, transposed: bool = False) -> Operator:
    """`torch.nn.functional.conv1d`, … : the input is (batch, channels, …)."""

    def ported(t: Program, a: Arguments) -> Traced:
        value = t.batch_first(t.laid(a["input"]), axes + 2, "an input (batch, channels, …)")
        weight = parameter(t, a["weight"], "the weight")
        held = {"weight": weight} if a["bias"] is None else {"weight": weight, "bias": parameter(t, a["bias"], "the bias")}
        groups = int(a["groups"])
        inputs, outputs = weight.shape[0], weight.shape[1] * groups
        if not transposed:
            inputs, outputs = weight.shape[1] * groups, weight.shape[0]
        dilation, kernel = numbers(a["dilation"], axes), weight.shape[2:]
        attributes: dict[str, object] = {
            "in": inputs,
            "out": outputs,
            "kernel": kernel,
            "stride": numbers(a["stride"], axes),
            "padding": _padding(t, a["padding"], kernel, dilation),
            "dilation": dilation,
            "groups": groups,
            "bias": a["bias"] is not None,
        }
        if transposed:
            attributes["output_padding"] = numbers(a["output_padding"], axes)
        operation = f"conv_transpose{axes}d" if transposed else f"conv{axes}d"
        return t.fresh(t.one(operation, [value], tuple(size.axis for size in t.shape[1:]), held, **attributes))

    return ported


def _padding(t: Program, given: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    if given == "valid":
        return (0,) * len(kernel)
    if given == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        t.require(all(total % 2 == 0 for total in totals), "as much padding before as after", f"'same' with {kernel}")
        return tuple(total // 2 for total in totals)
    return numbers(given, len(kernel))


OPERATORS: dict[str, Operator] = {
    "aten.conv1d.default": convolution(1),
    "aten.conv1d.padding": convolution(1),
    "aten.conv2d.default": convolution(2),
    "aten.conv2d.padding": convolution(2),
    "aten.conv_transpose1d.default": convolution(1, transposed=True),
    "aten.conv_transpose2d.input": convolution(2, transposed=True),
}

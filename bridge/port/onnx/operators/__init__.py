"""ONNX's operators in terms of PyTorch's: one function each. What is not among them is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.port.onnx.operators import arithmetic, layers, recurrent, shaping
from bridge.port.onnx.operators.applied import Applied

__all__ = ["OPERATORS", "Applied"]

OPERATORS: Mapping[str, Callable[..., Any]] = {
    **arithmetic.OPERATORS,
    **layers.OPERATORS,
    **recurrent.OPERATORS,
    **shaping.OPERATORS,
}

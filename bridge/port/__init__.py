"""Modules and weights that move between PyTorch, portable layers and other formats."""

from __future__ import annotations

from bridge.port.export import export
from bridge.port.from_onnx import from_onnx
from bridge.port.from_torch import from_torch
from bridge.port.ported import Ported
from bridge.port.report import Report, report
from bridge.port.to import to
from bridge.port.to_torch import to_torch

__all__ = ["Ported", "Report", "export", "from_onnx", "from_torch", "report", "to", "to_torch"]

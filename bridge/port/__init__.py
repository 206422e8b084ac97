"""Modules and weights that move between PyTorch, portable layers and other formats."""

from __future__ import annotations

from bridge.port.from_torch import from_torch
from bridge.port.ported import Ported

__all__ = ["Ported", "from_torch"]

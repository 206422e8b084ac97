"""The PyTorch engine: portable layers and the caller's modules as components, and the compiled objective."""

from __future__ import annotations

from bridge.torch.batch import Batch
from bridge.torch.objective import Losses, Objective, compile
from bridge.torch.portable import PortableModule

__all__ = ["Batch", "Losses", "Objective", "PortableModule", "compile"]

"""What a Julia process that started first asks of bridge, through PythonCall (julia/ext/DiagramBridgePythonCallExt.jl)."""

from __future__ import annotations

from torch import nn

from bridge.julia.shared import shared_functions
from bridge.julia.vtable import vtable

__all__ = ["addresses", "offer"]


def addresses() -> dict[str, int]:
    """The addresses of the vtable of torch's islands and of what `shared_functions` shares, by name; errors are its."""
    return vtable().addresses | shared_functions()


def offer(module: nn.Module, name: str) -> str:
    """Let Julia instantiate a module, once, by the reference that this gives; errors call it `name`."""
    return vtable().offer(module, name)

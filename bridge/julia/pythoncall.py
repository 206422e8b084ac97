"""What a Julia process that started first asks of bridge, through PythonCall (julia/ext/DiagramBridgePythonCallExt.jl)."""

from __future__ import annotations

from torch import nn

from bridge.julia.exchange import blas_functions
from bridge.julia.vtable import vtable

__all__ = ["addresses", "offer"]


def addresses() -> dict[str, int]:
    """The addresses of the vtable of torch's islands and of torch's BLAS, by name.

    Raises BridgeError for a DIAGRAM_BRIDGE_BLAS that means nothing.
    """
    return vtable().addresses | blas_functions()


def offer(module: nn.Module, name: str) -> str:
    """Let Julia instantiate a module, once, by the reference that this gives; errors call it `name`."""
    return vtable().offer(module, name)

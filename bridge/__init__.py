"""diagram-bridge: training setups as data, in PyTorch and Julia together.

Everything public is here, and each name's module is imported when the name is first used: `import bridge` itself
imports neither torch nor Julia.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names, for type checkers
    from bridge.diagram.builder import Builder as Builder
    from bridge.diagram.builder import Term as Term
    from bridge.diagram.canonical import canonical as canonical
    from bridge.diagram.check import check as check
    from bridge.diagram.divergences import binary_cross_entropy as binary_cross_entropy
    from bridge.diagram.divergences import cosine as cosine
    from bridge.diagram.divergences import cross_entropy as cross_entropy
    from bridge.diagram.divergences import huber as huber
    from bridge.diagram.divergences import info_nce as info_nce
    from bridge.diagram.divergences import kl as kl
    from bridge.diagram.divergences import mae as mae
    from bridge.diagram.divergences import mse as mse
    from bridge.diagram.handles import detach as detach
    from bridge.diagram.ir import Diagram as Diagram
    from bridge.diagram.ir import JuliaReference as JuliaReference
    from bridge.diagram.ir import TorchReference as TorchReference
    from bridge.diagram.operations.glue import glue as glue
    from bridge.diagram.operations.morphisms import Morphism as Morphism
    from bridge.diagram.operations.morphisms import embeds as embeds
    from bridge.diagram.operations.morphisms import isomorphic as isomorphic
    from bridge.diagram.operations.morphisms import morphisms as morphisms
    from bridge.diagram.operations.rename import rename as rename
    from bridge.diagram.operations.restrict import restrict as restrict
    from bridge.diagram.operations.substitute import substitute as substitute
    from bridge.diagram.operations.tie import tie as tie
    from bridge.diagram.operations.tie import untie as untie
    from bridge.diagram.operations.training import freeze as freeze
    from bridge.diagram.operations.training import unfreeze as unfreeze
    from bridge.errors import BatchError as BatchError
    from bridge.errors import BindingError as BindingError
    from bridge.errors import BridgeError as BridgeError
    from bridge.errors import DiagramError as DiagramError
    from bridge.errors import FileError as FileError
    from bridge.errors import JuliaError as JuliaError
    from bridge.errors import JuliaUnavailable as JuliaUnavailable
    from bridge.errors import PortError as PortError
    from bridge.errors import UnsupportedError as UnsupportedError
    from bridge.julia.session import collect as collect
    from bridge.julia.session import stats as stats
    from bridge.port.to import to as to
    from bridge.schema.files import load as load
    from bridge.schema.files import save as save
    from bridge.torch import Losses as Losses
    from bridge.torch import Objective as Objective
    from bridge.torch import compile as compile
    from bridge.train import change as change
    from bridge.train import fit as fit
    from bridge.train import load_checkpoint as load_checkpoint
    from bridge.train import load_weights as load_weights
    from bridge.train import read_weights as read_weights
    from bridge.train import save_checkpoint as save_checkpoint
    from bridge.train import save_weights as save_weights

__version__ = "0.1.0"

#: Where each public name is.
EXPORTS = {
    "BatchError": "bridge.errors",
    "BindingError": "bridge.errors",
    "BridgeError": "bridge.errors",
    "Builder": "bridge.diagram.builder",
    "Diagram": "bridge.diagram.ir",
    "DiagramError": "bridge.errors",
    "FileError": "bridge.errors",
    "JuliaError": "bridge.errors",
    "JuliaReference": "bridge.diagram.ir",
    "JuliaUnavailable": "bridge.errors",
    "Losses": "bridge.torch",
    "Morphism": "bridge.diagram.operations.morphisms",
    "Objective": "bridge.torch",
    "PortError": "bridge.errors",
    "Term": "bridge.diagram.builder",
    "TorchReference": "bridge.diagram.ir",
    "UnsupportedError": "bridge.errors",
    "binary_cross_entropy": "bridge.diagram.divergences",
    "canonical": "bridge.diagram.canonical",
    "change": "bridge.train",
    "check": "bridge.diagram.check",
    "collect": "bridge.julia.session",
    "compile": "bridge.torch",
    "cosine": "bridge.diagram.divergences",
    "cross_entropy": "bridge.diagram.divergences",
    "detach": "bridge.diagram.handles",
    "embeds": "bridge.diagram.operations.morphisms",
    "fit": "bridge.train",
    "freeze": "bridge.diagram.operations.training",
    "glue": "bridge.diagram.operations.glue",
    "huber": "bridge.diagram.divergences",
    "info_nce": "bridge.diagram.divergences",
    "isomorphic": "bridge.diagram.operations.morphisms",
    "kl": "bridge.diagram.divergences",
    "load": "bridge.schema.files",
    "load_checkpoint": "bridge.train",
    "load_weights": "bridge.train",
    "mae": "bridge.diagram.divergences",
    "morphisms": "bridge.diagram.operations.morphisms",
    "mse": "bridge.diagram.divergences",
    "read_weights": "bridge.train",
    "rename": "bridge.diagram.operations.rename",
    "restrict": "bridge.diagram.operations.restrict",
    "save": "bridge.schema.files",
    "save_checkpoint": "bridge.train",
    "save_weights": "bridge.train",
    "stats": "bridge.julia.session",
    "substitute": "bridge.diagram.operations.substitute",
    "tie": "bridge.diagram.operations.tie",
    "to": "bridge.port.to",
    "unfreeze": "bridge.diagram.operations.training",
    "untie": "bridge.diagram.operations.tie",
}

#: Subpackages, found as attributes before anything imports them.
PACKAGES = ("diagram", "draw", "julia", "layers", "plan", "port", "schema", "torch", "train")

__all__ = [*EXPORTS, *PACKAGES]


def __getattr__(name: str) -> Any:
    if name in EXPORTS:
        value = getattr(import_module(EXPORTS[name]), name)
    elif name in PACKAGES:
        value = import_module(f"bridge.{name}")
    else:
        raise AttributeError(f"module 'bridge' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

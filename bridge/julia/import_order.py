"""juliacall, torch and bridge in one process: what must not follow what, said before a crash.

juliacall may be imported by the user, before or after bridge: bridge joins the Julia that runs. Two orders are not safe.
After bridge has started a Julia by its library, juliacall would start a second one, which no process survives: then its
import is refused. And PyPI's torch and the official Julia each bring an LLVM, whose symbols may mix where torch was
loaded first (pytorch issue 78829, PythonCall.jl issues 215 and 384): that is a warning, since it mostly goes well.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

__all__ = ["juliacall_refused", "torch_first_explained"]

_TORCH_FIRST = (
    "torch was imported before juliacall, which bridge now starts; on some platforms the process ends with a segmentation "
    "fault. Put `import juliacall` before `import torch`. (https://github.com/pytorch/pytorch/issues/78829)"
)


@contextmanager
def torch_first_explained() -> Iterator[None]:
    """Around the import of juliacall: one warning, with bridge's remedy in place of juliacall's own, if torch is loaded."""
    if "torch" not in sys.modules or "juliacall" in sys.modules:
        yield
        return
    warnings.warn(_TORCH_FIRST, RuntimeWarning, stacklevel=6)  # where `start` was called
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch was imported before juliacall", category=UserWarning)
        yield


def juliacall_refused(running: str) -> None:
    """From now on let importing juliacall raise ImportError, which says that `running` is this process's Julia.

    Looking for it (`importlib.util.find_spec`) still finds it; and PythonCall, loaded in the running Julia, may import it,
    which it does with `PYTHON_JULIACALL_INIT=no`.
    """
    sys.meta_path.insert(0, _Refusal(running))


class _Refusal(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, running: str) -> None:
        self.running = running

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "juliacall" or os.environ.get("PYTHON_JULIACALL_INIT") == "no":
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        return None if found is None else importlib.util.spec_from_loader(name, self, origin=found.origin)

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError(
            f"juliacall: expected to be the only one that starts Julia in this process, found {self.running}, started by "
            "bridge through its library. Import juliacall before bridge starts Julia: bridge then uses juliacall's.",
            name="juliacall",
        )

"""What torch's library has for both languages: one BLAS, and the threads of one OpenMP runtime.

Two pools of threads fight over the cores when the languages take turns: after its work each looks for more for some
milliseconds. On two cores, convolutions with a pool for each took up to nine times as long.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from bridge.errors import BridgeError

__all__ = ["shared_functions", "wanted_blas", "wanted_threads"]

_BLAS = ("sgemm_64_", "dgemm_64_")
_THREADS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "omp_get_max_threads")


def wanted_blas() -> str:
    """What DIAGRAM_BRIDGE_BLAS says: "torch" (the default) for one BLAS for both languages, "julia" for one each."""
    return _shared_or_own("DIAGRAM_BRIDGE_BLAS")


def wanted_threads() -> str:
    """What DIAGRAM_BRIDGE_THREADS says: "torch" (the default) for Julia's loops on torch's threads, "julia" for its own."""
    return _shared_or_own("DIAGRAM_BRIDGE_THREADS")


def _shared_or_own(variable: str) -> str:
    named = os.environ.get(variable) or "torch"
    if named not in ("torch", "julia"):
        raise BridgeError(variable, "'torch' or 'julia'", repr(named))
    return named


def shared_functions() -> dict[str, int]:
    """Addresses of what torch's library has for both languages, by name: its matrix products, which take 64-bit integers,
    and functions of its OpenMP runtime, on whose threads Julia's loops run; neither where the library lacks one of its own.

    Raises BridgeError for a DIAGRAM_BRIDGE_BLAS or DIAGRAM_BRIDGE_THREADS that means nothing.
    """
    blas, threads = wanted_blas(), wanted_threads()
    return {**(_addresses(_BLAS) if blas == "torch" else {}), **(_addresses(_THREADS) if threads == "torch" else {})}


def _addresses(names: Sequence[str]) -> dict[str, int]:
    library = _torch_library()
    if library is None or not all(hasattr(library, name) for name in names):
        return {}
    return {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names}


@cache
def _torch_library() -> ctypes.CDLL | None:
    """Its names are looked up in the libraries that it needs as well, such as its OpenMP runtime."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        return ctypes.CDLL(str(path))
    return None

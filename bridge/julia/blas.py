"""The kernels of an old Julia's OpenBLAS, and a check of what they compute.

The OpenBLAS 0.3.9 of Julia 1.5 does not know processors newer than itself and falls back to SSE kernels, at half the
speed. Its Haswell kernels run wherever AVX2 and FMA are; its AVX-512 kernels are faster still but have been wrong on
some machines, so they are left to those who set `OPENBLAS_CORETYPE` themselves.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import JuliaUnavailable
from bridge.julia.find import Layout
from bridge.julia.version import numbers

__all__ = ["core_type", "verify"]

_FIRST_WITH_NEW_KERNELS = (1, 7)
"""From this Julia on its OpenBLAS (0.3.13 and newer) chooses well by itself."""


@contextmanager
def core_type(version: str) -> Iterator[str]:
    """Have an OpenBLAS that is loaded inside use Haswell kernels where it would not find them.

    Gives the name of the kernels that were chosen here or by the user, "" where OpenBLAS is left to choose.
    The variable is taken back at the end: NumPy's OpenBLAS reads it too, and does know the processor.
    """
    named = os.environ.get("OPENBLAS_CORETYPE")
    if named is not None:
        yield f"{named} (OPENBLAS_CORETYPE)"
        return
    if numbers(version) >= _FIRST_WITH_NEW_KERNELS or not _has_avx2():
        yield ""
        return
    os.environ["OPENBLAS_CORETYPE"] = "Haswell"
    try:
        yield "Haswell"
    finally:
        del os.environ["OPENBLAS_CORETYPE"]


def _has_avx2() -> bool:
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return False
    flags = next((line.split() for line in information.read_text().splitlines() if line.startswith("flags")), [])
    return "avx2" in flags and "fma" in flags


def verify(found: Layout, kernels: str) -> None:
    """Compare products of small integers, which are exact in any order, with Python's own.

    Raises JuliaUnavailable where Julia's OpenBLAS gets one wrong. Nothing is checked without a `libopenblas64_`.
    """
    library = found.sysimage.parent / "libopenblas64_.so"
    if not library.exists():
        return
    openblas = ctypes.PyDLL(str(library))
    for function, number in ((openblas.sgemm_64_, ctypes.c_float), (openblas.dgemm_64_, ctypes.c_double)):
        if not _product_is_exact(function, number):
            raise JuliaUnavailable(
                "Julia's OpenBLAS",
                "the exact product of two matrices of small integers",
                f"another one, with the kernels {kernels}; set OPENBLAS_CORETYPE=Barcelona and report this",
            )


def _product_is_exact(gemm: ctypes._NamedFuncPointer, number: type[ctypes.c_float] | type[ctypes.c_double]) -> bool:
    m, n, k = 37, 29, 41  # none a multiple of a kernel's tile, so that its edges are used as well
    left = [(7 * i) % 17 - 8 for i in range(m * k)]
    right = [(5 * i) % 13 - 6 for i in range(k * n)]
    product = (number * (m * n))()
    size = ctypes.c_int64
    one, zero, rows, columns, inner = number(1), number(0), size(m), size(n), size(k)
    gemm(
        b"N",
        b"N",
        *map(ctypes.byref, (rows, columns, inner, one)),
        (number * len(left))(*left),
        ctypes.byref(rows),
        (number * len(right))(*right),
        ctypes.byref(inner),
        ctypes.byref(zero),
        product,
        ctypes.byref(rows),
    )
    return all(
        product[i + m * j] == sum(map(int.__mul__, left[i::m], right[k * j : k * (j + 1)]))
        for i in range(m)
        for j in range(n)
    )

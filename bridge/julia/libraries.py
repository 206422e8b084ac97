"""What a shared library needs, and loading an unpacked Julia's own libraries before it.

Debian's Julia keeps its libraries (LLVM, GMP, MPFR, libunwind, …) in a multiarch folder that only the dynamic linker's
configuration names. In a private prefix nothing names it, and a running process can't change its own search path. But
the linker takes a library that is already loaded, under the same soname, wherever it came from: so every library that
Julia needs and the prefix has is loaded first, each after the ones it needs itself.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import JuliaUnavailable

__all__ = ["Needs", "load_order", "loaded_libraries", "needs", "preload"]

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME = 0, 1, 5, 14

UNSUITABLE_ELSEWHERE = frozenset({"libunwind.so.8", "libmpfr.so.6"})
"""Sonames whose newer releases break Julia 1.5: libunwind 1.6 crashes on an exception, MPFR 4.2 misprints BigFloats."""


@dataclass(frozen=True)
class Needs:
    """An ELF library's soname ("" if it has none) and the sonames it needs (DT_NEEDED), in order."""

    soname: str
    needed: tuple[str, ...]


def needs(path: Path) -> Needs:
    """Read the dynamic section of a 64-bit little-endian ELF file (System V gABI, "Dynamic Section").

    Raises JuliaUnavailable for anything else.
    """
    with path.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
            raise JuliaUnavailable(str(path), "a 64-bit little-endian ELF library", f"bytes that begin {head[:6]!r}")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _dynamic(data)
            except (struct.error, IndexError, ValueError, StopIteration) as error:
                raise JuliaUnavailable(str(path), "a complete ELF library", f"a damaged one ({error})") from None


def _dynamic(data: mmap.mmap) -> Needs:
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    segments, dynamic = [], (0, 0)
    for k in range(count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, table + k * entry_size)
        if kind == _PT_LOAD:
            segments.append((address, offset, size))
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, size)
    strings, soname, needed = 0, None, []
    for at in range(dynamic[0], sum(dynamic), 16):
        tag, value = struct.unpack_from("<QQ", data, at)
        if tag == _DT_NULL:
            break
        if tag == _DT_STRTAB:
            strings = next(
                offset + value - address for address, offset, size in segments if address <= value < address + size
            )
        elif tag == _DT_SONAME:
            soname = value
        elif tag == _DT_NEEDED:
            needed.append(value)

    def string(offset: int) -> str:
        start = strings + offset
        return data[start : data.find(b"\0", start)].decode()

    return Needs("" if soname is None else string(soname), tuple(string(offset) for offset in needed))


def load_order(roots: Iterable[Path], folders: Sequence[Path]) -> tuple[Path, ...]:
    """The libraries in `folders` that `roots` need, directly or not, each after those it needs; without the roots."""
    order: dict[Path, None] = {}

    def visit(path: Path, above: frozenset[Path]) -> None:
        for soname in needs(path).needed:
            found = next((folder / soname for folder in folders if (folder / soname).exists()), None)
            if found is not None and found not in order and found not in above:
                visit(found, above | {found})
                order[found] = None

    for root in roots:
        visit(root, frozenset({root}))
    return tuple(order)


def loaded_libraries() -> dict[str, Path]:
    """The libraries this process has mapped, by file name (Linux; empty elsewhere)."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return {}
    found: dict[str, Path] = {}
    for line in maps.read_text(errors="replace").splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and ".so" in fields[5]:
            path = Path(fields[5])
            found.setdefault(path.name, path)
    return found


def preload(libraries: Sequence[Path], *, optional: bool = False) -> None:
    """Load libraries in the order given, privately: their symbols are not offered to others.

    A library that the process already holds from elsewhere is left, since the linker would take that one anyway. Raises
    JuliaUnavailable where it is a release that is known to break this Julia, and where a library that is not `optional`
    does not load.
    """
    held = loaded_libraries()
    for path in libraries:
        elsewhere = _held_elsewhere(path, held)
        if elsewhere is None:
            try:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
            except OSError as error:
                if optional:
                    continue
                raise JuliaUnavailable(f"library {path}", "to be loadable here", str(error)) from None
        elif path.name in UNSUITABLE_ELSEWHERE:
            raise JuliaUnavailable(
                f"library {path.name}",
                f"{path}, which this Julia was built for",
                f"{elsewhere}, already loaded in this process (by LD_PRELOAD or by a module imported earlier)",
            )


def _held_elsewhere(path: Path, held: dict[str, Path]) -> Path | None:
    real = path.resolve()
    for name, place in held.items():
        if (name == path.name or name.startswith(path.name + ".")) and place.resolve() != real:
            return place
    return None

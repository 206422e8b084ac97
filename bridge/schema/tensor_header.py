"""Headers of safetensors files, checked before anything is made of them.

A file is the length of its header as 8 bytes, little-endian; the header, JSON; and the tensors' bytes without gaps. What
a header may say is checked here, as it is in Julia (`julia/src/train/tensor_file.jl`), so that both refuse the same files
and name the same element: the package safetensors takes a header with a key twice, for instance.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from bridge.errors import FileError

__all__ = ["DIAGRAM_KEY", "MAX_HEADER", "Layout", "parse_json", "read_header"]

MAX_HEADER = 100_000_000  # the format's own limit
MAX_AXES = 32
DIAGRAM_KEY = "diagram_bridge.diagram"
"""The entry of the metadata that has a diagram's bytes, in hexadecimal."""

WIDTHS = {
    "U64": 8,
    "I64": 8,
    "F64": 8,
    "F32": 4,
    "U32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "U16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""The bytes of an element of each dtype. (Julia has no BF16.)"""


def read_header(path: str | PathLike[str]) -> tuple[list[Layout], dict[str, str]]:
    """Where the tensors of a safetensors file are, and its metadata.

    Raises FileError about the file, or about one of its tensors, for one that is truncated or damaged otherwise.
    """
    where = f"file '{path}'"
    try:
        with Path(path).open("rb") as file:
            size = Path(path).stat().st_size
            if size < 8:
                raise FileError(where, "at least 8 bytes", f"{size}")
            stated = int.from_bytes(file.read(8), "little")
            if stated > MAX_HEADER:
                raise FileError(f"{where}, header", f"at most {MAX_HEADER} bytes", f"{stated}")
            if 8 + stated > size:
                raise FileError(f"{where}, header", f"{stated} bytes", f"{size - 8}")
            text = file.read(stated)
    except OSError as error:
        raise FileError(where, "a file that can be read", error.strerror or str(error)) from None
    if not text.startswith(b"{"):
        raise FileError(f"{where}, header", "a JSON object", "something else")
    header = parse_json(text, f"{where}, header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FileError(f"{where}, metadata", "texts by name", "something else")
    layouts = [_layout(name, info, where) for name, info in header.items()]
    _check_layouts(layouts, size - 8 - stated, where)
    return layouts, metadata


def parse_json(text: bytes, where: str) -> Any:
    """What a JSON text says; FileError about `where` for anything else, and for a key that an object has twice."""
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=_not_json,
            parse_float=_finite,
            parse_int=_sixty_four_bits,
        )
    except (ValueError, RecursionError) as error:
        raise FileError(where, "JSON", str(error) or type(error).__name__) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice in one object")
    for key, value in pairs:
        for text in (key, value):
            if isinstance(text, str):
                text.encode()  # raises for a lone surrogate
    return found


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word!r}, which is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value


def _sixty_four_bits(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError("an integer of more than 64 bits")
    return int(text)


@dataclass(frozen=True)
class Layout:
    """Where a tensor's bytes are, counted from the end of the header."""

    name: str
    element: str
    start: int
    stop: int
    size: int


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _layout(name: str, info: Any, where: str) -> Layout:
    element = f"{where}, tensor '{name}'"
    if not isinstance(info, dict) or set(info) != {"dtype", "shape", "data_offsets"}:
        raise FileError(element, "dtype, shape and data_offsets", "something else")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise FileError(element, f"a dtype of {', '.join(WIDTHS)}", f"{dtype!r:.80}")
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(map(_is_size, shape)):
        raise FileError(element, f"a shape of at most {MAX_AXES} sizes", f"{shape!r:.80}")
    ascend = isinstance(offsets, list) and len(offsets) == 2 and all(map(_is_size, offsets)) and offsets[0] <= offsets[1]
    if not ascend:
        raise FileError(element, "data_offsets that ascend", f"{offsets!r:.80}")
    return Layout(name, element, offsets[0], offsets[1], WIDTHS[dtype] * math.prod(shape))


def _check_layouts(layouts: Sequence[Layout], available: int, where: str) -> None:
    at = 0
    for layout in sorted(layouts, key=lambda layout: (layout.start, layout.stop, layout.element)):
        if layout.start != at:
            raise FileError(layout.element, f"bytes from {at}", f"bytes from {layout.start}")
        if layout.stop - layout.start != layout.size:
            raise FileError(layout.element, f"{layout.size} bytes", f"{layout.stop - layout.start}")
        if layout.stop > available:
            raise FileError(layout.element, f"{layout.size} bytes", "the file's end")
        at = layout.stop
    if at != available:
        raise FileError(where, f"{at} bytes of tensors", f"{available}")

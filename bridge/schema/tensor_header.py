"""Headers of safetensors files, checked before anything is made of them.

A file is the length of its header as 8 bytes, little-endian; the header, JSON; and the tensors' bytes without gaps. What
a header may say is checked here, as it is in Julia (`julia/src/train/tensor_file.jl`), so that both refuse the same files
and name the same element: the package safetensors takes a header with a key twice, for instance.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NoReturn

from bridge.errors import FileError
from bridge.schema.opened import opened

__all__ = ["DIAGRAM_KEY", "MAX_HEADER", "Layout", "parse_json", "read_header"]

MAX_HEADER = 100_000_000  # the format's own limit
MAX_AXES = 32
MAX_DEPTH = 16
MAX_BYTES = 2**63
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
    with opened(path, where) as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise FileError(where, "at least 8 bytes", f"{size}")
        stated = int.from_bytes(file.read(8), "little")
        if stated > MAX_HEADER:
            raise FileError(f"{where}, header", f"at most {MAX_HEADER} bytes", f"{stated}")
        if 8 + stated > size:
            raise FileError(f"{where}, header", f"{stated} bytes", f"{size - 8}")
        text = file.read(stated)
    if not text.startswith(b"{"):
        raise FileError(f"{where}, header", "a JSON object", "something else")
    header = parse_json(text, f"{where}, header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FileError(f"{where}, metadata", "texts by name", "something else")
    layouts = [_layout(name, info, where) for name, info in sorted(header.items())]
    _check_layouts(layouts, size - 8 - stated, where)
    return layouts, metadata


def parse_json(text: bytes, where: str) -> Any:
    """What a JSON text says; FileError about `where` for anything else, and for a key that an object has twice.

    Refused, too, are numbers that 64 bits do not hold and more than 16 values inside each other: Julia reads the same texts.
    """
    try:
        found = json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=_not_json,
            parse_float=_float,
            parse_int=_integer,
        )
        _check_values(found)
    except (ValueError, RecursionError) as error:
        raise FileError(where, "JSON", str(error) or type(error).__name__) from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word!r}, which is not JSON")


def _float(text: str) -> float:
    value = float(text)
    vanishes = value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])
    if vanishes or not math.isfinite(value):
        raise ValueError("a number out of range")
    return value


def _integer(text: str) -> int | float:
    if text == "-0":
        return -0.0  # none of the integers
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError("an integer of more than 64 bits")
    return int(text)


def _check_values(found: Any) -> None:
    """Refuse texts that are not Unicode, which JSON can escape, and values too deep inside each other."""
    level, depth = [found], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} values inside each other")
        for value in level:
            for text in (value,) if isinstance(value, str) else value if isinstance(value, dict) else ():
                text.encode()  # raises for a lone surrogate
        nested = [value.values() if isinstance(value, dict) else value for value in level if isinstance(value, dict | list)]
        level, depth = [value for values in nested for value in values], depth + 1


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
    if WIDTHS[dtype] * math.prod(size or 1 for size in shape) >= MAX_BYTES:  # sizes beside a 0 count: they make strides
        raise FileError(element, "less than 2^63 bytes", "a shape of more")
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

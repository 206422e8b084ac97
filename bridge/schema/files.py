"""Diagrams in files: `.pb` (bytes), `.txtpb` (text), `.json`, and `.safetensors` beside weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from bridge.diagram.ir import Diagram
from bridge.diagram.limits import MAX_FILE_BYTES
from bridge.diagram.messages import element
from bridge.errors import FileError
from bridge.schema.forms import check_size, from_bytes, from_json, from_text, to_bytes, to_json, to_text
from bridge.schema.opened import opened
from bridge.schema.replace import replaced
from bridge.schema.tensor_header import DIAGRAM_KEY, read_header

__all__ = ["load", "save"]

WRITTEN = (".pb", ".txtpb", ".json")
READ = (*WRITTEN, ".safetensors")


def save(diagram: Diagram, path: str | PathLike[str]) -> None:
    """Write a diagram in the form that the path's suffix says: `.pb`, `.txtpb` or `.json`.

    The file is replaced as a whole or not at all. Raises FileError for another suffix, a path that can't be written,
    and a diagram that is too large; DiagramError for a hand-made diagram that means nothing.
    """
    where, suffix = described(path, WRITTEN)
    if suffix == ".pb":
        data = to_bytes(diagram)
    else:
        data = (to_text(diagram) if suffix == ".txtpb" else to_json(diagram)).encode()
    check_size(where, len(data))
    with replaced(path, where) as partial:
        partial.write_bytes(data)


def load(path: str | PathLike[str]) -> Diagram:
    """Read a diagram in the form that the path's suffix says. Checks it, makes it canonical, and runs no code.

    `.safetensors` is a file of weights, which has the diagram in it (`bridge.save_weights`).

    Raises FileError for a file that can't be read or is no diagram, and DiagramError for one that means nothing.
    """
    where, suffix = described(path, READ)
    if suffix == ".safetensors":
        return from_bytes(inside(path, where), f"{where}, diagram")
    with opened(path, where) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    check_size(where, len(data))
    if suffix == ".pb":
        return from_bytes(data, where)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FileError(where, "UTF-8", f"byte 0x{data[error.start]:02x} at byte {error.start}") from None
    return from_text(text, where) if suffix == ".txtpb" else from_json(text, where)


def inside(path: str | PathLike[str], where: str) -> bytes:
    """The bytes of the diagram in a file of weights."""
    _, metadata = read_header(path)
    if DIAGRAM_KEY not in metadata:
        raise FileError(f"{where}, metadata", f"'{DIAGRAM_KEY}'", "none")
    if not re.fullmatch("(?:[0-9a-fA-F]{2})*", metadata[DIAGRAM_KEY]):
        raise FileError(f"{where}, metadata", f"'{DIAGRAM_KEY}' in hexadecimal", "something else")
    data = bytes.fromhex(metadata[DIAGRAM_KEY])
    check_size(where, len(data))
    return data


def described(path: str | PathLike[str], known: Sequence[str]) -> tuple[str, str]:
    """How errors call a file, and its suffix; unknown ones are refused."""
    where, suffix = element("file", str(path)), Path(path).suffix
    if suffix not in known:
        raise FileError(where, f"a name that ends in {', '.join(known)}", suffix or "no suffix")
    return where, suffix

"""Files of named tensors in the safetensors format, whose headers are checked before anything is made of them.

The package `safetensors` reads and writes the tensors. Reading one runs no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bridge.errors import FileError
from bridge.schema.replace import replaced
from bridge.schema.tensor_header import read_header

__all__ = ["read_tensors", "write_tensors"]


def read_tensors(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, on the CPU, and its metadata.

    The tensors are mapped: what nothing looks at is not read. Writing to one changes memory and not the file. Raises
    FileError about the file, or about one of its tensors, for one that is truncated or damaged otherwise.
    """
    layouts, metadata = read_header(path)
    try:
        with safe_open(path, framework="pt") as opened:
            return {layout.name: opened.get_tensor(layout.name) for layout in layouts}, metadata
    except (SafetensorError, OSError) as error:
        raise FileError(f"file '{path}'", "a safetensors file", str(error)) from None


def write_tensors(path: str | PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and texts by name as a safetensors file, which is replaced as a whole or not at all.

    Raises FileError for a path that can't be written.
    """
    where = f"file '{path}'"
    with replaced(path, where) as partial:
        try:
            save_file(_apart(tensors), partial, dict(metadata) or None)  # {} beside no tensors makes it write no JSON
        except SafetensorError as error:
            raise FileError(where, "a path that can be written", str(error)) from None


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, row-major, and each alone in its memory, as the package wants them."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        storage = here.untyped_storage()
        if storage.nbytes() != here.nbytes or storage.data_ptr() in seen:
            here = here.clone()
        seen.add(here.untyped_storage().data_ptr())
        found[name] = here
    return found

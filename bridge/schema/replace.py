"""Writing a file as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from bridge.errors import FileError

__all__ = ["replaced"]


@contextlib.contextmanager
def replaced(path: str | PathLike[str], where: str) -> Iterator[Path]:
    """A new path beside `path` to write to; the file there takes `path`'s place once it is on the disk.

    If anything is raised, what was written is removed and `path` is as before. Raises FileError about `where` for a path
    that can't be written.
    """
    expected = "a path that can be written"
    try:
        target = Path(path).resolve()  # a link stays a link
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL, no name
        raise FileError(where, expected, str(error)) from None
    try:
        try:
            partial.open("xb").close()
            mode = partial.stat().st_mode  # what new files get here; safetensors gives fewer rights
            yield partial
            partial.chmod(mode)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, target)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
    except OSError as error:
        raise FileError(where, expected, error.strerror or str(error)) from None

"""Opening files to read them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO

from bridge.errors import FileError

__all__ = ["opened"]


@contextlib.contextmanager
def opened(path: str | PathLike[str], where: str) -> Iterator[BinaryIO]:
    """A regular file, open to read its bytes.

    Raises FileError about `where` for what can't be opened or read, and for anything else, such as a pipe, which would be
    waited for, or a device, which may never end.
    """
    expected = "a file that can be read"
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except ValueError as error:  # a NUL in the name
        raise FileError(where, expected, str(error)) from None
    except OSError as error:
        raise FileError(where, expected, error.strerror or str(error)) from None
    if not regular:
        raise FileError(where, expected, "something else")
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise FileError(where, expected, error.strerror or str(error)) from None

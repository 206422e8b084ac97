"""The versions that files carry, and what happens with others.

`format` says what kind of file it is. `schema_version` is the version of proto/; it rises when a file of the new kind
could be misread by an old release. A file of any other version is refused, whether older or newer: nothing is guessed.
Each layer's operation has a version of its own (`bridge.layers.table`), as a later release may add one.
"""

from __future__ import annotations

from bridge.errors import FileError

__all__ = ["DIAGRAM_FORMAT", "PLAN_FORMAT", "SCHEMA_VERSION", "check_version"]

DIAGRAM_FORMAT = "diagram_bridge"
PLAN_FORMAT = "diagram_bridge.plan"
SCHEMA_VERSION = 1


def check_version(where: str, wanted: str, found: str, version: int) -> None:
    """Refuse a file of another format or schema version.

    >>> check_version("file 'd.pb'", DIAGRAM_FORMAT, "diagram_bridge", 2)
    Traceback (most recent call last):
    ...
    bridge.errors.FileError: file 'd.pb', schema_version: expected 1, found 2, of a newer release
    """
    if found != wanted:
        raise FileError(f"{where}, format", repr(wanted), repr(found))
    if version != SCHEMA_VERSION:
        release = "a newer release" if version > SCHEMA_VERSION else "an older release, or none at all"
        raise FileError(f"{where}, schema_version", f"{SCHEMA_VERSION}", f"{version}, of {release}")

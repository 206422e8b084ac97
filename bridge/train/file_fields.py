"""The JSON object in the metadata of a tensor file of ours, which says what the file is and of which version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bridge.errors import FileError
from bridge.schema.tensor_header import parse_json

__all__ = ["read_fields"]


def read_fields(
    metadata: Mapping[str, str], key: str, version: int, names: Collection[str], element: str
) -> dict[str, Any]:
    """The fields under a key of a file's metadata, which are all of `names` and no others.

    `aliases` is among them, a table of texts. Raises FileError, about `element`, for anything else and for another
    version.

    >>> read_fields({"k": '{"aliases": {}, "version": 1}'}, "k", 1, ["aliases", "version"], "metadata")
    {'aliases': {}, 'version': 1}
    """
    if key not in metadata:
        raise FileError(element, f"'{key}'", "none")
    fields = parse_json(metadata[key].encode(), element)
    if not isinstance(fields, dict):
        raise FileError(element, "a JSON object", "something else")
    found = fields.get("version")
    if type(found) is not int or found != version:
        raise FileError(element, f"version {version}", f"version {found}" if type(found) is int else "none")
    if sorted(fields) != sorted(names):
        raise FileError(element, ", ".join(sorted(names)), ", ".join(sorted(fields)))
    aliases = fields["aliases"]
    if not isinstance(aliases, dict) or not all(isinstance(value, str) for value in aliases.values()):
        raise FileError(f"{element}, aliases", "parameters by name", "something else")
    return fields

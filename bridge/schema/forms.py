"""A diagram as bytes, as text and as JSON, and back; each way is exact.

Bytes are canonical: fields ascending, shortest varints, packed numbers. The text form is protobuf's, for people and
version control; JSON is protobuf's too, for everything else. What is read need not be canonical in order, and is made
so. Reading runs no code.
"""

from __future__ import annotations

import hashlib
import json
from operator import is_
from typing import Any, NoReturn

from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram
from bridge.diagram.limits import MAX_FILE_BYTES
from bridge.diagram.messages import quote, type_text
from bridge.diagram.uncollected import uncollected
from bridge.errors import FileError
from bridge.schema import decode, encode
from bridge.schema.generated import diagram_pb2
from bridge.schema.wire import scan

__all__ = ["from_bytes", "from_json", "from_text", "identity", "to_bytes", "to_json", "to_text"]

TEXT_HEAD = """\
# proto-file: proto/diagram_bridge/v1/diagram.proto
# proto-message: diagram_bridge.v1.Diagram

"""


def to_bytes(diagram: Diagram) -> bytes:
    """The canonical bytes of a diagram.

    Raises DiagramError for a hand-made diagram that means nothing, and FileError for more bytes than a file may have.
    """
    data = encode.diagram(canonical(diagram)).SerializeToString(deterministic=True)
    check_size("diagram", len(data))
    return data


def from_bytes(data: bytes, where: str = "bytes") -> Diagram:
    """The diagram that `to_bytes` or another writer of the schema wrote, checked and canonical.

    Raises FileError for what is no such file, about `where` or the element, and DiagramError for a diagram that means
    nothing.
    """
    check_size(where, len(data))
    if not data:
        raise FileError(where, "a diagram", "no bytes")
    message = diagram_pb2.Diagram()
    try:
        message.ParseFromString(data)
        message.DiscardUnknownFields()
    except (DecodeError, ValueError) as error:
        scan(data, diagram_pb2.Diagram, where)
        raise FileError(where, "a diagram in protobuf's binary form", one_line(error)) from None
    same = message.SerializeToString(deterministic=True) == data
    if not same:  # not canonical, or with unknown fields, which were dropped
        scan(data, diagram_pb2.Diagram, where)
    with uncollected():
        written = decode.diagram(where, message)
        diagram = canonical(written)
    if same and is_unchanged(written, diagram):
        diagram.memo["identity"] = hashlib.sha256(data).hexdigest()
    return diagram


def is_unchanged(written: Diagram, diagram: Diagram) -> bool:
    """Whether a diagram was in canonical form as it was written. Equality would not do: −0.0 equals 0.0."""
    tables = ("spaces", "sources", "components", "arrows", "agreements", "commutes", "outputs")
    pairs = ((getattr(written, table), getattr(diagram, table)) for table in tables)
    kept = all(len(old) == len(new) and all(map(is_, old, new)) for old, new in pairs)
    return kept and written.terms == diagram.terms


def to_text(diagram: Diagram) -> str:
    """The diagram in protobuf's text form."""
    return TEXT_HEAD + text_format.MessageToString(encode.diagram(canonical(diagram)), as_utf8=True)


def from_text(text: str, where: str = "text") -> Diagram:
    """The diagram that `to_text` or a person wrote. Raises as `from_bytes` does."""
    check_size(where, len(text))
    try:
        message = text_format.Parse(text, diagram_pb2.Diagram())
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise FileError(where, "a diagram in protobuf's text form", one_line(error)) from None
    return canonical(decode.diagram(where, message))


def to_json(diagram: Diagram) -> str:
    """The diagram in protobuf's JSON form, with the field names of proto/."""
    message = encode.diagram(canonical(diagram))
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, where: str = "JSON") -> Diagram:
    """The diagram that `to_json` or a person wrote. Raises as `from_bytes` does, and for keys that come twice."""
    check_size(where, len(text))
    try:
        fields = json.loads(text, object_pairs_hook=unique_keys, parse_constant=refuse_constant)
    except (KeyError, ValueError, RecursionError) as error:
        found = error.args[0] if isinstance(error, KeyError) else str(error)
        raise FileError(where, "JSON", found) from None
    if not isinstance(fields, dict):
        raise FileError(where, "a JSON object", type_text(fields))
    try:
        message = json_format.ParseDict(fields, diagram_pb2.Diagram())
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        raise FileError(where, "a diagram in protobuf's JSON form", one_line(error)) from None
    return canonical(decode.diagram(where, message))


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `json` itself would take the last of two values silently."""
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise KeyError(f"key {quote(key)} twice in one object")
        fields[key] = value
    return fields


def refuse_constant(constant: str) -> NoReturn:
    """JSON has no NaN or Infinity."""
    raise ValueError(f"the constant {constant}")


def one_line(error: Exception) -> str:
    """What protobuf says of a file, without line breaks."""
    return " ".join(str(error).split())


def check_size(where: str, size: int) -> None:
    """Refuse a file that is too large."""
    if size > MAX_FILE_BYTES:
        raise FileError(where, f"at most {MAX_FILE_BYTES} bytes", f"{size}")


def identity(diagram: Diagram) -> str:
    """The SHA-256 of the canonical bytes, in hexadecimal: what a diagram is, whatever wrote it down."""
    diagram = canonical(diagram)
    known: str | None = diagram.memo.get("identity")
    if known is None:
        known = diagram.memo["identity"] = hashlib.sha256(to_bytes(diagram)).hexdigest()
    return known

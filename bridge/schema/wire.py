"""Where bytes are not what the schema says: protobuf's own parser says only that, and keeps what it doesn't know.

`scan` walks the wire format by a message's descriptor and refuses the first thing that is wrong, with its place. It is
slower than the parser and only called for bytes that are wrong or not canonical.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bridge.errors import FileError

__all__ = ["scan"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# The types that the schema uses: their wire type and, for varints, the highest value.
TYPES: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_UINT32: (VARINT, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (VARINT, 2**64 - 1),
    FieldDescriptor.TYPE_SINT64: (VARINT, 2**64 - 1),
    FieldDescriptor.TYPE_ENUM: (VARINT, 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: (VARINT, 1),
    FieldDescriptor.TYPE_DOUBLE: (FIXED64, 0),
    FieldDescriptor.TYPE_STRING: (BYTES, 0),
    FieldDescriptor.TYPE_BYTES: (BYTES, 0),
    FieldDescriptor.TYPE_MESSAGE: (BYTES, 0),
}


def scan(data: bytes, message: type[Message], where: str) -> None:
    """Refuse bytes that are no message of this type.

    Raises FileError, about `where` and the path of the message, for truncated or garbled bytes, unknown fields, wrong
    wire types, singular fields that come twice, numbers out of range and text that is not UTF-8. Fields in any order
    and packed or unpacked numbers are fine.
    """
    descriptor: Any = message.DESCRIPTOR  # its class depends on protobuf's runtime
    scan_message(data, 0, len(data), descriptor, where, "")


def scan_message(data: bytes, at: int, end: int, descriptor: Descriptor, where: str, path: str) -> None:
    """Refuse what is no message in `data[at:end]`. It recurses as deep as the schema, where no message is recursive."""
    counts: dict[int, int] = {}
    while at < end:
        start = at
        inside = f"{where}, {path}" if path else where
        tag, at = varint(data, at, end, inside)
        number, wire_type = tag >> 3, tag & 7
        field = descriptor.fields_by_number.get(number)
        if field is None:
            known = f"a field of {descriptor.name}"
            raise FileError(inside, known, f"field number {number} at byte {start}, unknown to this release")
        place = counts.get(number, 0)
        counts[number] = place + 1
        repeated = is_repeated(field)
        here = f"{path}.{field.name}" if path else str(field.name)
        if repeated:
            here += f"[{place}]"
        elif place:
            raise FileError(f"{where}, {here}", "one value", f"another at byte {start}")
        at = scan_value(data, at, end, field, wire_type, repeated, where, here)


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether the field is repeated. protobuf < 6 has no `is_repeated`, and later ones are about to drop `label`."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)  # type: ignore[attr-defined]


def scan_value(
    data: bytes, at: int, end: int, field: FieldDescriptor, wire_type: int, repeated: bool, where: str, here: str
) -> int:
    """Refuse what is no value of this field at `at`; returns where it ends."""
    inside = f"{where}, {here}"
    wanted, most = TYPES[field.type]
    packed = repeated and wanted != BYTES and wire_type == BYTES
    if wire_type != wanted and not packed:
        raise FileError(inside, f"wire type {wanted}", f"wire type {wire_type} at byte {at}")
    if wire_type == VARINT:
        return scan_number(data, at, end, most, inside)
    if wire_type == FIXED64:
        return skip(data, at, 8, end, inside)
    length, at = varint(data, at, end, inside)
    stop = skip(data, at, length, end, inside)
    if packed:
        while at < stop:
            at = scan_number(data, at, stop, most, inside) if wanted == VARINT else skip(data, at, 8, stop, inside)
    elif field.message_type is not None:
        scan_message(data, at, stop, field.message_type, where, here)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            data[at:stop].decode()
        except UnicodeDecodeError as error:
            at += error.start
            raise FileError(inside, "UTF-8", f"byte 0x{data[at]:02x} at byte {at}") from None
    return stop


def scan_number(data: bytes, at: int, end: int, most: int, where: str) -> int:
    """Refuse what is no varint of up to `most` at `at`; returns where it ends."""
    value, stop = varint(data, at, end, where)
    if value > most:
        raise FileError(where, f"a number of at most {most}", f"{value} at byte {at}")
    return stop


def skip(data: bytes, at: int, length: int, end: int, where: str) -> int:
    """Where the next `length` bytes end; fewer are refused."""
    if length > end - at:
        raise FileError(where, f"{length} bytes from byte {at}", f"{end - at}: the file is truncated or damaged")
    return at + length


def varint(data: bytes, at: int, end: int, where: str) -> tuple[int, int]:
    """The varint at `at`, and where it ends."""
    value = 0
    for place in range(10):
        if at + place >= end:
            raise FileError(where, f"a number at byte {at}", "the end: the file is truncated or damaged")
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at + place + 1
    raise FileError(where, f"a number of at most 64 bits at byte {at}", "a longer one")

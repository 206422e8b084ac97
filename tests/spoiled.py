"""Messages with something wrong in them, or at least other: fields changed one by one, by their types."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from bridge.schema.wire import is_repeated

ODD_TEXTS = ["", "x", "a.b", " a", "é" * 101, "a\u2028b", "it's", '"it\'s"', "back\\slash", "tab\t", "x" * 501, "点"]
ODD_REALS = [math.nan, math.inf, -math.inf, -0.0, 0.0, -1.0, 0.5, 1.0, 2.0]


def fields(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Every field of a message and of those in it, in the order of the schema."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.message_type is not None:
            value = getattr(message, field.name)
            for part in value if is_repeated(field) else [value] if message.HasField(field.name) else []:
                yield from fields(part)


def texts(message: Message) -> list[str]:
    """The texts in a message, each once."""
    found: dict[str, None] = {}
    for part, field in fields(message):
        if field.type == FieldDescriptor.TYPE_STRING:
            value = getattr(part, field.name)
            found.update(dict.fromkeys(value if is_repeated(field) else [value]))
    return list(found)


def numbers(value: int, most: int) -> st.SearchStrategy[int]:
    """Numbers near to one, small ones, and those at the ends of types."""
    near = [value - 1, value + 1, 0, 1, 2, 17, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1]
    return st.sampled_from([number for number in near if 0 <= number <= most])


@st.composite
def other_value(draw: st.DrawFn, field: FieldDescriptor, value: Any, known: list[str]) -> Any:
    """Another scalar."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return draw(st.sampled_from(known) | st.sampled_from(ODD_TEXTS))
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return draw(st.sampled_from(ODD_REALS))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return not value
    if field.type == FieldDescriptor.TYPE_ENUM:
        return draw(st.integers(0, 9))
    if field.type == FieldDescriptor.TYPE_SINT64:
        return draw(st.sampled_from([-(2**63), -2, -1, 0, 1, min(value, 2**40) + 1, 2**31, 2**40, 2**63 - 1]))
    return draw(numbers(value, 2**32 - 1 if field.type == FieldDescriptor.TYPE_UINT32 else 2**64 - 1))


@st.composite
def spoil(draw: st.DrawFn, message: Message, changes: int) -> None:
    """Change some fields of a message in place."""
    for _ in range(changes):
        part, field = draw(st.sampled_from(list(fields(message))))
        value = getattr(part, field.name)
        if not is_repeated(field):
            if field.message_type is None:
                setattr(part, field.name, draw(other_value(field, value, texts(message))))
            elif part.HasField(field.name) and draw(st.booleans()):
                part.ClearField(field.name)
            else:
                value.SetInParent()
            continue
        place = draw(st.integers(0, max(0, len(value) - 1)))
        match draw(st.sampled_from(["remove", "repeat", "swap", "change"])) if len(value) else "add":
            case "remove":
                del value[place]
            case "repeat" if field.message_type is not None:
                value.add().CopyFrom(value[place])
            case "repeat":
                value.append(value[place])
            case "swap":
                other = draw(st.integers(0, len(value) - 1))
                items = list(value)
                items[place], items[other] = items[other], items[place]
                copied = [type(item).FromString(item.SerializeToString()) if field.message_type else item for item in items]
                del value[:]
                value.extend(copied)
            case "change" if field.message_type is None:
                value[place] = draw(other_value(field, value[place], texts(message)))
            case "add" if field.message_type is None:
                value.append(draw(other_value(field, 0, texts(message))))

"""Write the Julia structs of a protobuf schema, which `julia/src/wire.jl` reads and writes.

Comments become docstrings where the descriptors carry them (`protoc --include_imports --include_source_info`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

__all__ = ["emit"]

HEADER = """\
# Written by scripts/generate.py from proto/. Do not edit.
"The messages of the schema, as proto/ declares them."
module Schema

import ..Wire
"""

# The Julia type and the default of each scalar. Only these: each Julia type stands for one encoding.
SCALARS = {
    FieldDescriptorProto.TYPE_UINT32: ("UInt32", "0"),
    FieldDescriptorProto.TYPE_UINT64: ("UInt64", "0"),
    FieldDescriptorProto.TYPE_SINT64: ("Int64", "0"),
    FieldDescriptorProto.TYPE_DOUBLE: ("Float64", "0.0"),
    FieldDescriptorProto.TYPE_BOOL: ("Bool", "false"),
    FieldDescriptorProto.TYPE_STRING: ("String", '""'),
    FieldDescriptorProto.TYPE_BYTES: ("Vector{UInt8}", "UInt8[]"),
}

RESERVED = frozenset(
    {"baremodule", "begin", "break", "catch", "const", "continue", "do", "else", "elseif", "end", "export", "false"}
    | {"finally", "for", "function", "global", "if", "import", "let", "local", "macro", "module", "quote", "return"}
    | {"struct", "true", "try", "using", "while"}
)

WIDTH = 120

# Places in a FileDescriptorProto's source paths.
MESSAGES, ENUMS = 4, 5

Comments = dict[str, str]


def emit(file_descriptor_set: descriptor_pb2.FileDescriptorSet) -> str:
    """The text of `julia/src/schema.jl`.

    Raises ValueError for what the Julia side has no form for: nested or recursive messages, maps, groups, optional
    scalars, other scalar types, a file without a package of its own, and field names that are Julia keywords.
    """
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}
    comments: Comments = {}
    for file in file_descriptor_set.file:
        if file.syntax != "proto3":
            raise ValueError(f"{file.name}: expected proto3, found {file.syntax or 'proto2'}")
        places = file.source_code_info.location
        by_path = {tuple(place.path): " ".join(place.leading_comments.split()) for place in places}
        for i, message in enumerate(file.message_type):
            name = f".{file.package}.{message.name}"
            messages[name] = message
            comments[name] = by_path.get((MESSAGES, i), "")
        for i, enum in enumerate(file.enum_type):
            name = f".{file.package}.{enum.name}"
            enums[name] = enum
            comments[name] = by_path.get((ENUMS, i), "")
    names = [name.rpartition(".")[2] for name in [*messages, *enums]]
    if len(set(names)) < len(names):
        raise ValueError("two packages declare one name")
    parts = [HEADER]
    parts += [enum_text(enum, comments[name]) for name, enum in enums.items()]
    parts += [message_text(messages[name], enums, comments[name]) for name in ordered(messages)]
    return "\n".join([*parts, "end\n"])


def ordered(messages: dict[str, DescriptorProto]) -> Iterator[str]:
    """The messages' names, each after those that its fields refer to."""
    state: dict[str, bool] = {}  # False while its fields are being visited

    def visit(name: str) -> Iterator[str]:
        if name in state:
            if not state[name]:
                raise ValueError(f"{name}: a recursive message")
            return
        state[name] = False
        for field in messages[name].field:
            if field.type == FieldDescriptorProto.TYPE_MESSAGE:
                yield from visit(field.type_name)
        state[name] = True
        yield name

    for name in messages:
        yield from visit(name)


def docstring(comment: str) -> list[str]:
    if not comment:
        return []
    escaped = comment.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    if len(escaped) <= WIDTH - 2:
        return [f'"{escaped}"']
    return ['"""', *textwrap.wrap(escaped, WIDTH, break_on_hyphens=False), '"""']


def enum_text(enum: EnumDescriptorProto, comment: str) -> str:
    """An `@enum` with the names and numbers of `enum`."""
    lines = docstring(comment)
    lines.append(f"@enum {enum.name}::Int32 begin")
    lines += [f"    {value.name} = {value.number}" for value in enum.value]
    return "\n".join([*lines, "end\n"])


def message_text(message: DescriptorProto, enums: dict[str, EnumDescriptorProto], comment: str) -> str:
    """A struct with a keyword constructor, its field numbers and the members of its oneofs."""
    if message.nested_type or message.enum_type:
        raise ValueError(f"{message.name}: a nested type or a map")
    fields = sorted(message.field, key=lambda field: field.number)
    lines = docstring(comment)
    lines.append(f"Base.@kwdef mutable struct {message.name} <: Wire.Message")
    for field in fields:
        if field.proto3_optional or field.name in RESERVED:
            raise ValueError(f"{message.name}.{field.name}: optional, or a Julia keyword")
        kind, default = field_type(message, field, enums)
        lines.append(f"    {field.name}::{kind} = {default}")
    lines.append("end")
    numbers = tuple_text([field.number for field in fields])
    lines.append(f"Wire.numbers(::Type{{{message.name}}}) = {numbers}")
    lines += oneof_lines(message, fields)
    return "\n".join([*lines, ""])


def tuple_text(numbers: list[int]) -> str:
    return f"({', '.join(map(str, numbers))}{',' if len(numbers) == 1 else ''})"


def field_type(
    message: DescriptorProto, field: FieldDescriptorProto, enums: dict[str, EnumDescriptorProto]
) -> tuple[str, str]:
    """The Julia type of a field and its default."""
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    name = field.type_name.rpartition(".")[2]
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        kind, default = (name, "") if repeated else (f"Union{{Nothing,{name}}}", "nothing")
    elif field.type == FieldDescriptorProto.TYPE_ENUM:
        zero = enums[field.type_name].value[0].name  # proto3: the first is 0
        kind, default = name, zero
    elif field.type in SCALARS:
        kind, default = SCALARS[field.type]
    else:
        raise ValueError(f"{message.name}.{field.name}: a type that the Julia side has no form for")
    if field.HasField("oneof_index") and field.type != FieldDescriptorProto.TYPE_MESSAGE:
        raise ValueError(f"{message.name}.{field.name}: a scalar in a oneof has no presence in Julia")
    return (f"Vector{{{kind}}}", f"{kind}[]") if repeated else (kind, default)


def oneof_lines(message: DescriptorProto, fields: list[FieldDescriptorProto]) -> list[str]:
    """A method of `Wire.alternatives` where the message has a oneof."""
    groups: dict[int, list[int]] = {}
    for place, field in enumerate(fields, 1):
        if field.HasField("oneof_index"):
            groups.setdefault(field.oneof_index, []).append(place)
    if not groups:
        return []
    lines = [f"function Wire.alternatives(::Type{{{message.name}}}, index::Int)"]
    for group in groups.values():
        members = tuple_text(group)
        lines.append(f"    index in {members} && return filter(!=(index), {members})")
    return [*lines, "    return ()", "end"]

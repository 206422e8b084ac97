"""Write julia/test/wire_golden.txt: random messages of the schema as Python's protobuf writes them.

    python scripts/julia_wire_golden.py

A line is a message's name and its bytes in hexadecimal. The Julia tests read each, and write the same bytes again.
"""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bridge.schema.generated import control_pb2, diagram_pb2, layers_pb2, plan_pb2  # noqa: E402

TARGET = ROOT / "julia" / "test" / "wire_golden.txt"
TEXTS = ("", "x", "0.weight", "größe", "点", "a" * 130, "\U0001f300", "\0")
INTEGERS = (0, 1, 2, 127, 128, 300, 2**21, 2**32 - 1)
LONG_INTEGERS = (*INTEGERS, 2**32, 2**63, 2**64 - 1)
SIGNED_INTEGERS = (0, 1, -1, 63, -64, 64, 2**31, -(2**63), 2**63 - 1)


def scalar(field: FieldDescriptor, random: random.Random) -> object:
    """A value for a scalar field, often one at the edge of its range."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        return random.choice(field.enum_type.values).number
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        special = (0.0, -0.0, 1.0, -1.5, 5e-324, 1.7976931348623157e308, float("inf"), float("nan"))
        return random.choice([*special, struct.unpack("<d", random.randbytes(8))[0]])
    values: dict[int, tuple[object, ...]] = {
        FieldDescriptor.TYPE_UINT32: INTEGERS,
        FieldDescriptor.TYPE_UINT64: LONG_INTEGERS,
        FieldDescriptor.TYPE_SINT64: SIGNED_INTEGERS,
        FieldDescriptor.TYPE_BOOL: (False, True),
        FieldDescriptor.TYPE_STRING: TEXTS,
        FieldDescriptor.TYPE_BYTES: (b"", b"\x00", bytes(range(256))),
    }
    return random.choice(values[field.type])


def fill(message: Message, random: random.Random, density: float) -> None:
    """Set each field of `message` with probability `density`; sub-messages are sparser."""
    for field in message.DESCRIPTOR.fields:
        if random.random() >= density:
            continue
        repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        count = random.choice((1, 2, 3)) if repeated else 1
        for _ in range(count):
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                part = getattr(message, field.name)
                part = part.add() if repeated else part
                part.SetInParent()
                fill(part, random, density * 0.85)
            elif repeated:
                getattr(message, field.name).append(scalar(field, random))
            else:
                setattr(message, field.name, scalar(field, random))


def main() -> None:
    """Write the file."""
    generator = random.Random(20250114)
    lines = []
    for file in (layers_pb2, diagram_pb2, plan_pb2, control_pb2):
        for name in file.DESCRIPTOR.message_types_by_name:
            for density in (0.0, 1.0, 0.6):
                message = getattr(file, name)()
                fill(message, generator, density)
                data = message.SerializeToString(deterministic=True)
                if len(data) <= 1500:
                    lines.append(f"{name} {data.hex()}".rstrip())
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The golden files are what Python makes today, and have everything that a diagram can have."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bridge.diagram.divergences import DIVERGENCES
from bridge.layers.table import LAYERS
from bridge.schema.generated import diagram_pb2, plan_pb2
from bridge.schema.wire import is_repeated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from golden import FOLDER, files, stale

DIAGRAMS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.pb"))}


def test_committed_files_are_current() -> None:
    assert stale(files()) == []


def test_there_are_enough() -> None:
    assert len(DIAGRAMS) >= 40
    lines = (FOLDER / "manifest.txt").read_text(encoding="utf-8").splitlines()
    named = dict(line.split(" ") for line in lines if not line.startswith("  "))
    assert named == {name: hashlib.sha256(data).hexdigest() for name, data in DIAGRAMS.items()}


def possible(message: Descriptor) -> Iterator[tuple[str, str]]:
    """Every field that a message of this type can have, at any depth, and every value of its enumerations but 0."""
    for field in message.fields:
        yield message.name, field.name
        if field.message_type is not None:
            yield from possible(field.message_type)
        if field.enum_type is not None:
            yield from ((field.enum_type.name, value.name) for value in field.enum_type.values if value.number)


def used(message: Message) -> Iterator[tuple[str, str]]:
    """Every field that a message has, and every value of an enumeration."""
    for field, value in message.ListFields():
        yield message.DESCRIPTOR.name, field.name
        parts = value if is_repeated(field) else [value]
        for part in parts:
            if field.message_type is not None:
                yield from used(part)
            elif field.enum_type is not None:
                yield field.enum_type.name, field.enum_type.values_by_number[part].name


def test_every_feature_of_the_schema_is_there() -> None:
    found: set[tuple[str, str]] = set()
    layers, divergences = set(), set()
    for data in DIAGRAMS.values():
        message = diagram_pb2.Diagram.FromString(data)
        found.update(used(message))
        layers |= {(n.layer.operation, n.layer.version) for c in message.components for n in c.graph.nodes}
        divergences |= {a.divergence.name for a in message.agreements}
    assert set(possible(diagram_pb2.Diagram.DESCRIPTOR)) - found == set()
    assert layers == set(LAYERS)
    assert divergences == set(DIVERGENCES)


def test_the_plans_have_every_feature_too() -> None:
    lines = (FOLDER / "manifest.txt").read_text(encoding="utf-8").splitlines()
    plans = [plan_pb2.Plan.FromString(bytes.fromhex(line.split(" ")[-1])) for line in lines if line.startswith("  ")]
    found = {feature for plan in plans for feature in used(plan)}
    missing = set(possible(plan_pb2.Plan.DESCRIPTOR)) - found
    # Divergences have no attributes of some kinds.
    assert {feature for feature in missing if not feature[0].startswith("Attribute")} == set()

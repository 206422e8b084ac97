"""The schema: exact round trips, canonical bytes by a second encoder, foreign bytes, versions, files."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from diagrams import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st

import bridge
from bridge import schema
from bridge.diagram import ir
from bridge.diagram.ir import Diagram
from bridge.errors import BridgeError, FileError
from bridge.schema import forms
from bridge.schema.generated import diagram_pb2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from bad_files import good_diagram  # noqa: E402 – scripts are no package


@settings(max_examples=40, deadline=None)
@given(diagrams())
def test_round_trips_are_exact(diagram: Diagram) -> None:
    data, text, json = schema.to_bytes(diagram), schema.to_text(diagram), schema.to_json(diagram)
    for read in (schema.from_bytes(data), schema.from_text(text), schema.from_json(json)):
        assert read == diagram
        assert schema.to_bytes(read) == data
    assert (schema.to_text(schema.from_json(json)), schema.to_json(schema.from_text(text))) == (text, json)
    assert schema.identity(diagram) == hashlib.sha256(data).hexdigest()


# The wire format by hand: field numbers are those of proto/, a field with its type's zero value is left out.


def varint(value: int) -> bytes:
    """The shortest varint."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def number(field: int, value: int) -> bytes:
    """A varint field."""
    return varint(field << 3) + varint(value) if value else b""


def block(field: int, value: bytes) -> bytes:
    """A length-delimited field, present even if it is empty."""
    return varint(field << 3 | 2) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """A string."""
    return block(field, value.encode()) if value else b""


def double(field: int, value: float) -> bytes:
    """A double, little-endian."""
    return varint(field << 3 | 1) + struct.pack("<d", value) if value else b""


def packed(field: int, values: Iterable[int]) -> bytes:
    """Numbers in one block."""
    data = b"".join(map(varint, values))
    return block(field, data) if data else b""


def attributes(field: int, values: ir.Attributes) -> bytes:
    """Attributes of a layer or divergence."""
    out = b""
    for name, value in values:
        if isinstance(value, bool):
            rest = number(2, 4) + number(6, value)
        elif isinstance(value, (int, tuple)):
            zigzag = [v << 1 ^ v >> 63 for v in ((value,) if isinstance(value, int) else value)]
            rest = number(2, 1 if isinstance(value, int) else 5) + packed(3, zigzag)
        elif isinstance(value, float):
            rest = number(2, 2) + double(4, value)
        else:
            rest = number(2, 3) + text(5, value)
        out += block(field, text(1, name) + rest)
    return out


def component(c: ir.Component) -> bytes:
    """A component with its body."""
    body = c.body
    training = ["TRAINABLE", "FROZEN", "FROZEN_TRAIN_MODE"].index(c.training.name) + 1
    head = text(1, c.name) + number(2, training) + number(3, c.has_parameters)
    if not isinstance(body, ir.LayerGraph):
        return head + block(5 if isinstance(body, ir.TorchReference) else 6, text(1, body.name))
    graph = number(1, body.inputs)
    for node in body.nodes:
        layer = text(1, node.layer.operation) + number(2, node.layer.version) + attributes(3, node.layer.attributes)
        graph += block(2, text(1, node.name) + block(2, layer) + packed(3, node.inputs) + number(4, node.outputs))
    ties = b"".join(block(4, text(1, path) + text(2, owner)) for path, owner in body.ties)
    return head + block(4, graph + packed(3, body.outputs) + ties)


def term(t: ir.Term) -> bytes:
    """A term."""
    if isinstance(t, ir.ColumnTerm):
        return number(1, 1) + text(2, t.source) + text(3, t.column)
    if isinstance(t, ir.OutputTerm):
        return number(1, 2) + text(4, t.arrow) + number(5, t.output) + packed(6, t.arguments)
    return number(1, 3) + packed(6, [t.argument])


def divergence(field: int, d: ir.Divergence) -> bytes:
    """A divergence."""
    return block(field, text(1, d.name) + attributes(2, d.attributes))


def agreement(a: ir.Agreement) -> bytes:
    """An agreement."""
    mask = b"" if a.mask is None else block(6, number(1, a.mask))
    sides = text(1, a.name) + number(2, a.left) + number(3, a.right)
    return sides + divergence(4, a.divergence) + double(5, a.weight) + mask


def commute(c: ir.Commute) -> bytes:
    """A commute."""
    start = text(2, c.start) if isinstance(c.start, str) else block(3, number(1, c.start))
    arrows = b"".join(text(5, name) for name in c.arrows)
    out = text(1, c.name) + start + text(4, c.target) + arrows + divergence(6, c.divergence) + double(7, c.weight)
    return out + number(8, 1 if c.pairing is ir.Pairing.STAR else 2) + number(9, c.max_length) + number(10, c.max_paths)


def space(s: ir.Space) -> bytes:
    """A space."""
    kind = ["float32", "float64", "int32", "int64", "bool"].index(s.data_type.value) + 1
    out = text(1, s.name) + number(2, kind)
    for axis in s.axes:
        size = text(3, axis.size) if isinstance(axis.size, str) else number(2, axis.size)
        out += block(3, text(1, axis.name) + size)
    return out + number(4, s.classes)


def by_hand(d: Diagram) -> bytes:
    """The canonical bytes of a diagram."""
    out = text(1, "diagram_bridge") + number(2, 1) + text(3, d.name)
    out += b"".join(block(4, space(s)) for s in d.spaces)
    for s in d.sources:
        out += block(5, text(1, s.name) + b"".join(block(2, text(1, c.name) + text(2, c.space)) for c in s.columns))
    out += b"".join(block(6, component(c)) for c in d.components)
    for a in d.arrows:
        ends = [text(2, name) for name in a.sources] + [text(3, name) for name in a.targets]
        out += block(7, text(1, a.name) + b"".join(ends) + text(4, a.component))
    out += b"".join(block(8, term(t)) for t in d.terms)
    out += b"".join(block(9, agreement(a)) for a in d.agreements)
    out += b"".join(block(10, commute(c)) for c in d.commutes)
    return out + b"".join(block(11, text(1, o.name) + number(2, o.term)) for o in d.outputs)


@settings(max_examples=40, deadline=None)
@given(diagrams())
def test_bytes_are_canonical(diagram: Diagram) -> None:
    assert schema.to_bytes(diagram) == by_hand(diagram)


def test_references_and_empty_term_zero_are_written() -> None:
    diagram = good_diagram()
    assert schema.to_bytes(diagram) == by_hand(diagram)


def test_identity_does_not_change() -> None:
    """Files and checkpoints of old releases are found by it."""
    assert schema.identity(good_diagram()) == "976aa9808e8919715ab9b47147d29f747b6a82bb7b12b9ab9a253e8a5007edef"


def fields_of(data: bytes) -> list[bytes]:
    """The outermost fields of a message, each with its tag."""
    fields, at = [], 0
    while at < len(data):
        start, shift, size = at, 0, 0
        wire_type = data[at] & 7
        at += 1
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        at += size if wire_type == 2 else 0
        fields.append(data[start:at])
    return fields


@settings(max_examples=25, deadline=None)
@given(diagrams(), st.randoms(use_true_random=False))
def test_bytes_in_another_order_are_read(diagram: Diagram, random_: random.Random) -> None:
    fields = fields_of(schema.to_bytes(diagram))
    terms = [field for field in fields if field[0] == 8 << 3 | 2]
    rest = [field for field in fields if field[0] != 8 << 3 | 2]
    random_.shuffle(rest)
    assert schema.from_bytes(b"".join([*rest, *terms])) == diagram


def test_longer_numbers_and_unpacked_ones_are_read() -> None:
    diagram = good_diagram()
    data = schema.to_bytes(diagram)
    (argument,) = (t.argument for t in diagram.terms if isinstance(t, ir.DetachTerm))
    detach = number(1, 3) + packed(6, [argument])
    for old, new in (
        (number(2, 1) + text(3, "distillation"), b"\x10\x81\x00" + text(3, "distillation")),
        (block(8, detach), block(8, number(1, 3) + number(6, argument))),
    ):
        assert old in data
        assert schema.from_bytes(data.replace(old, new)) == diagram


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_read(data: st.DataObject) -> None:
    good = bytearray(schema.to_bytes(good_diagram()))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "add"])):
            case "flip":
                good[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del good[place : place + data.draw(st.integers(1, 20))]
            case _:
                good[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    try:
        diagram = schema.from_bytes(bytes(good))
    except BridgeError as error:
        assert error.element
        assert error.found
    else:
        assert schema.from_bytes(schema.to_bytes(diagram)) == diagram


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BridgeError):
        schema.from_bytes(data)


def test_what_protobuf_refuses_is_never_read_in_part() -> None:
    """The longest form of a tag is none to protobuf, though its value is; what came before it had been parsed."""
    good = schema.to_bytes(good_diagram())
    with pytest.raises(FileError):
        schema.from_bytes(good + bytes([9 << 3 | 0x82, *[0x80] * 5, 0]) + b"\x00")


def test_our_own_scan_knows_what_protobuf_refuses() -> None:
    """Whatever protobuf's parser refuses, the scan that explains it refuses too."""
    good = schema.to_bytes(good_diagram())
    message = diagram_pb2.Diagram()
    for end in range(1, len(good), 7):
        try:
            message.ParseFromString(good[:end])
        except Exception:
            with pytest.raises(FileError, match="truncated"):
                schema.from_bytes(good[:end])


def test_size_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    diagram = good_diagram()
    data = schema.to_bytes(diagram)
    path = tmp_path / "d.pb"
    bridge.save(diagram, path)
    for module in (forms, schema.files):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", len(data) - 1, raising=True)
    for refused in (lambda: schema.from_bytes(data), lambda: bridge.load(path), lambda: schema.to_bytes(diagram)):
        with pytest.raises(FileError, match=f"at most {len(data) - 1} bytes"):
            refused()


@pytest.mark.parametrize("suffix", [".pb", ".txtpb", ".json"])
def test_save_and_load(tmp_path: Path, suffix: str) -> None:
    diagram = good_diagram()
    path = tmp_path / f"größe{suffix}"
    bridge.save(diagram, path)
    bridge.save(diagram, str(path))
    assert bridge.load(str(path)) == diagram
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.pb"
    bridge.save(good_diagram(), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="No space left") as caught:
        bridge.save(good_diagram(), path)
    assert caught.value.element == f"file {str(path)!r}"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "d.pb"
    link.symlink_to(tmp_path / "real" / "d.pb")
    bridge.save(good_diagram(), link)
    assert link.is_symlink()
    assert bridge.load(tmp_path / "real" / "d.pb") == good_diagram()


@pytest.mark.parametrize("name", ["missing.pb", "folder.pb", "d.yaml", "d"])
def test_files_that_cannot_be_read_or_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.pb").mkdir()
    with pytest.raises(FileError) as caught:
        bridge.load(tmp_path / name)
    assert caught.value.element == f"file {str(tmp_path / name)!r}"
    with pytest.raises(FileError):
        bridge.save(good_diagram(), tmp_path / "nowhere" / name)


def test_stale_code_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import generate

    shutil.copytree(generate.PYTHON, tmp_path / "generated", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(generate, "PYTHON", tmp_path / "generated")
    current = {path: path.read_text(encoding="utf-8") for path in generate.PYTHON.glob("*.py*")}
    assert generate.stale(current) == []
    (generate.PYTHON / "left_pb2.py").write_text("")
    first = min(current)
    first.write_text("changed")
    assert generate.stale(current) == sorted([first, generate.PYTHON / "left_pb2.py"])


def test_nothing_is_imported_or_run_by_loading(tmp_path: Path) -> None:
    d = bridge.Builder("d")
    x = d.space("x", k=1)
    data = d.source("data", x=x)
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    d.agree(d.arrow("f", x, x, bridge.TorchReference("evil:Module"))(data.x), data.x, by=bridge.mse())
    bridge.save(d.build(), tmp_path / "d.json")
    code = (
        "import bridge, sys; bridge.load('d.json'); print([m for m in ('evil', 'torch', 'numpy') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr

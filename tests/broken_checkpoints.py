"""Checkpoints that nothing may read: each is a sound one with one thing spoiled, and the element that refusals name."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.train.checkpoint import KEY

Header = dict[str, Any]


def split(data: bytes) -> tuple[Header, bytes]:
    """The header and the tensors' bytes of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: Header | bytes, tensors: bytes) -> bytes:
    """A file of a header, as JSON or as it is, and the tensors' bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def with_header(change: Callable[[Header], object]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        header, tensors = split(data)
        change(header)
        return joined(header, tensors)

    return spoil


def with_text(change: Callable[[str], str | bytes]) -> Callable[[bytes], bytes]:
    def spoil(data: bytes) -> bytes:
        header, tensors = split(data)
        text = change(json.dumps(header))
        return joined(text if isinstance(text, bytes) else text.encode(), tensors)

    return spoil


def with_fields(change: Callable[[dict[str, Any]], object], key: str = KEY) -> Callable[[bytes], bytes]:
    def spoil(header: Header) -> None:
        fields = json.loads(header["__metadata__"][key])
        change(fields)
        header["__metadata__"][key] = json.dumps(fields)

    return with_header(spoil)


def with_tensor(name: str, **entries: Any) -> Callable[[bytes], bytes]:
    """Entries of a tensor's description replaced, or taken out where they are None."""

    def spoil(header: Header) -> None:
        for key, value in entries.items():
            if value is None:
                del header[name][key]
            else:
                header[name][key] = value

    return with_header(spoil)


def renamed(old: str, new: str) -> Callable[[bytes], bytes]:
    return with_header(lambda header: header.__setitem__(new, header.pop(old)))


WEIGHT, BIAS = "parameters/f/0.weight", "parameters/f/0.bias"
STEP = "optimizer/f/0.weight/step"


def shifted(name: str, by: int) -> Callable[[bytes], bytes]:
    def spoil(header: Header) -> None:
        header[name]["data_offsets"] = [offset + by for offset in header[name]["data_offsets"]]

    return with_header(spoil)


def twice(name: str) -> Callable[[bytes], bytes]:
    """The same key twice, with the same tensor: nothing else in the file is wrong."""

    def spoil(data: bytes) -> bytes:
        header, tensors = split(data)
        text = json.dumps(header)
        return joined((text[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}").encode(), tensors)

    return spoil


def length(stated: int) -> Callable[[bytes], bytes]:
    return lambda data: struct.pack("<Q", stated) + data[8:]


def tensor(name: str) -> str:
    return f", tensor '{name}'"


Fault = tuple[Callable[[bytes], bytes], str | None]
"""How a sound file is spoiled, and what a refusal's element says after the file (None: some tensor, the same twice)."""


def container_faults(weight: str) -> dict[str, Fault]:
    """What can be wrong with any file of float64 tensors, such as `weight`, 2×3, and a `0.bias` of 2."""
    return {
        "empty": (lambda data: b"", ""),
        "seven bytes": (lambda data: data[:7], ""),
        "a length alone": (lambda data: data[:8], ", header"),
        "half a header": (lambda data: data[:60], ", header"),
        "header of no bytes": (length(0), ", header"),
        "header past the end": (lambda data: length(len(data) - 7)(data), ", header"),
        "header above the limit": (length(100_000_001), ", header"),
        "header of all bits": (length(2**64 - 1), ", header"),
        "header that ends too early": (lambda data: length(20)(data), ", header"),
        "header of a list": (with_text(lambda text: f"[{text}]"), ", header"),
        "header after white space": (with_text(lambda text: " " + text), ", header"),
        "header with more behind it": (with_text(lambda text: text + "x"), ", header"),
        "header not UTF-8": (with_text(lambda text: text.encode().replace(b"0.bias", b"0.b\xffas")), ", header"),
        "header with NaN": (with_text(lambda text: text.replace('"shape": [2]', '"shape": [NaN]')), ", header"),
        "header with a comma too many": (with_text(lambda text: text[:-1] + ",}"), ", header"),
        "header with a half surrogate": (with_text(lambda text: text.replace("0.bias", "0.\\ud800")), ", header"),
        "header with a tab in a string": (with_text(lambda text: text.replace("0.bias", "0.\tbias")), ", header"),
        "header nested deeply": (with_text(lambda text: '{"a": ' + "[" * 100_000), ", header"),
        "header with a leading zero": (with_text(lambda text: text.replace('"shape": [2]', '"shape": [02]')), ", header"),
        "header with a long number": (
            with_text(lambda text: text.replace('"shape": [2]', f'"shape": [{10**30}]')),
            ", header",
        ),
        "header nested a little": (
            with_text(lambda text: text.replace('"shape": [2]', f'"shape": {"[" * 16}{"]" * 16}')),
            ", header",
        ),
        "header with a surrogate in a list": (
            with_text(lambda text: text.replace('"shape": [2]', '"shape": ["\\ud800"]')),
            ", header",
        ),
        "header with a number near 0": (
            with_text(lambda text: text.replace('"shape": [2]', '"shape": [1e-400]')),
            ", header",
        ),
        "a tensor twice": (twice(weight), ", header"),
        "dtype twice": (
            with_text(lambda text: text.replace('"dtype"', '"dtype": "F64", "dtype"', 1)),
            ", header",
        ),
        "one byte short": (lambda data: data[:-1], None),
        "tensors cut off": (lambda data: joined(split(data)[0], b""), None),
        "one byte too many": (lambda data: data + b"\0", ""),
        "overlap": (shifted(weight, -8), None),
        "gap": (shifted(weight, 8), None),
        "out of bounds": (shifted(weight, 10**6), None),
        "offsets that descend": (with_tensor(weight, data_offsets=[48, 0]), tensor(weight)),
        "a negative offset": (with_tensor(weight, data_offsets=[-8, 40]), tensor(weight)),
        "offsets with a point": (with_tensor(weight, data_offsets=[0.0, 48.0]), tensor(weight)),
        "three offsets": (with_tensor(weight, data_offsets=[0, 48, 48]), tensor(weight)),
        "offsets of 64 bits": (with_tensor(weight, data_offsets=[0, 2**64 - 1]), tensor(weight)),
        "no offsets": (with_tensor(weight, data_offsets=None), tensor(weight)),
        "no dtype": (with_tensor(weight, dtype=None), tensor(weight)),
        "no shape": (with_tensor(weight, shape=None), tensor(weight)),
        "more than that": (with_tensor(weight, strides=[1, 1]), tensor(weight)),
        "an unknown dtype": (with_tensor(weight, dtype="F99"), tensor(weight)),
        "a dtype that is a number": (with_tensor(weight, dtype=64), tensor(weight)),
        "a narrower dtype": (with_tensor(weight, dtype="F32"), tensor(weight)),
        "another shape": (with_tensor(weight, shape=[2, 4]), tensor(weight)),
        "a negative shape": (with_tensor(weight, shape=[-2, -3]), tensor(weight)),
        "a shape of truth values": (with_tensor(weight, shape=[True, 6]), tensor(weight)),
        "a shape that overflows": (with_tensor(weight, shape=[2**62, 2**62]), tensor(weight)),
        "an offset of -0": (with_text(lambda text: text.replace('"data_offsets": [0,', '"data_offsets": [-0,')), None),
        "strides that overflow": (with_tensor(weight, shape=[2**40, 0, 2**40]), tensor(weight)),
        "unknown dtypes": (
            with_header(lambda header: [header[name].update(dtype="F99") for name in header if "/" in name]),
            None,
        ),
        "a shape of many axes": (with_tensor(weight, shape=[1] * 40 + [6]), tensor(weight)),
        "a tensor that is a list": (with_header(lambda header: header.__setitem__(weight, [])), tensor(weight)),
        "metadata that is a list": (with_header(lambda header: header.__setitem__("__metadata__", [])), ", metadata"),
        "metadata of numbers": (with_header(lambda header: header["__metadata__"].__setitem__("n", 1)), ", metadata"),
    }


#: By what is wrong.
BROKEN: dict[str, Fault] = {
    **container_faults(WEIGHT),
    "no metadata": (with_header(lambda header: header.pop("__metadata__")), ", metadata"),
    "metadata of another program": (with_header(lambda header: header["__metadata__"].pop(KEY)), ", metadata"),
    "fields not JSON": (with_header(lambda header: header["__metadata__"].__setitem__(KEY, "{")), ", metadata"),
    "fields of a list": (with_header(lambda header: header["__metadata__"].__setitem__(KEY, "[]")), ", metadata"),
    "no version": (with_fields(lambda fields: fields.pop("version")), ", metadata"),
    "a later version": (with_fields(lambda fields: fields.update(version=2)), ", metadata"),
    "a version that is true": (with_fields(lambda fields: fields.update(version=True)), ", metadata"),
    "no epoch": (with_fields(lambda fields: fields.pop("epoch")), ", metadata"),
    "a field too many": (with_fields(lambda fields: fields.update(more=1)), ", metadata"),
    "an epoch below 0": (with_fields(lambda fields: fields.update(epoch=-1)), ", metadata, epoch"),
    "a position with a point": (with_fields(lambda fields: fields.update(position=1.0)), ", metadata, position"),
    "a seed that is a text": (with_fields(lambda fields: fields.update(seed="7")), ", metadata, seed"),
    "an identity too short": (with_fields(lambda fields: fields.update(diagram="00")), ", metadata, diagram"),
    "an identity in capitals": (with_fields(lambda fields: fields.update(diagram="A" * 64)), ", metadata, diagram"),
    "aliases in a list": (with_fields(lambda fields: fields.update(aliases=["a"])), ", metadata, aliases"),
    "an alias of nothing": (with_fields(lambda fields: fields.update(aliases={"g/w": "f/none"})), ", alias 'g/w'"),
    "an alias that is there": (
        with_fields(lambda fields: fields.update(aliases={"f/0.bias": "f/0.weight"})),
        ", alias 'f/0.bias'",
    ),
    "an alias without a path": (with_fields(lambda fields: fields.update(aliases={"g": "f/0.weight"})), ", alias 'g'"),
    "an optimizer that is a text": (with_fields(lambda fields: fields.update(optimizer="adam")), ", optimizer"),
    "an optimizer without options": (with_fields(lambda fields: fields["optimizer"].pop("options")), ", optimizer"),
    "an optimizer without a name": (with_fields(lambda fields: fields["optimizer"].update(name="")), ", optimizer"),
    "slots without an optimizer": (with_fields(lambda fields: fields.update(optimizer=None)), None),
    "a tensor of no section": (renamed(WEIGHT, "weights/f/0.weight"), tensor("weights/f/0.weight")),
    "a tensor without a path": (renamed(WEIGHT, "parameters/f"), tensor("parameters/f")),
    "a tensor without a component": (renamed(WEIGHT, "parameters//0.weight"), tensor("parameters//0.weight")),
    "a slot without a name": (renamed(STEP, "optimizer/f/0.weight"), tensor("optimizer/f/0.weight")),
    "a step that is a float": (with_tensor(STEP, dtype="F64"), tensor(STEP)),
    "a step with an axis": (with_tensor(STEP, shape=[1]), tensor(STEP)),
}


def write_broken(sound: Path, folder: Path, faults: Mapping[str, Fault] = BROKEN) -> dict[str, Path]:
    """Every broken file, by what is wrong with it."""
    data, paths = sound.read_bytes(), {}
    for place, (name, (spoil, _)) in enumerate(faults.items()):
        paths[name] = folder / f"{place}.safetensors"
        paths[name].write_bytes(spoil(data))
    return paths

"""Reading an ONNX file: its graph as plain data, with every tensor in memory. Nothing in the file is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy
from numpy.typing import NDArray

from bridge.diagram.limits import MAX_NODES, MAX_VALUES
from bridge.errors import FileError, PortError, UnsupportedError
from bridge.schema.opened import opened

__all__ = ["MAX_BYTES", "Call", "File", "Port", "package", "read"]

Array = NDArray[Any]
MAX_BYTES = 2**31 - 1
"""A protobuf message has no more; tensors may lie beside it."""
OPSETS = range(13, 27)


@dataclass(frozen=True, eq=False)
class Call:
    """An operator of a graph, applied to values by name; "" is an input that is left out."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def element(self) -> str:
        """How an error calls it."""
        return f"node {self.name!r}, operator {self.operator}"


@dataclass(frozen=True)
class Port:
    """An input: the element type's name, and its axes, by number or name; None where the file does not say."""

    name: str
    data_type: str
    axes: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class File:
    """A graph, its constant tensors by name, and the message that it was made of."""

    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    calls: tuple[Call, ...]
    tensors: Mapping[str, Array]
    opset: int
    message: Any


def package() -> Any:
    """The package onnx. Raises UnsupportedError where it is not installed."""
    try:
        import onnx
        import onnx.external_data_helper
        import onnx.numpy_helper
        import onnx.reference
        import onnx.reference.op_run
    except ImportError as error:
        expected = "the package onnx (pip install 'diagram-bridge[onnx]')"
        raise UnsupportedError("from_onnx", expected, str(error)) from None
    return onnx


def read(path: str | PathLike[str]) -> File:
    """The graph of a file.

    Tensors beside the file are read from its own folder only. Raises FileError for a file that can't be read, is damaged or
    over a limit, PortError for one with operators that are not ONNX's own.
    """
    onnx = package()
    where, home = f"file '{path}'", Path(path)
    with opened(path, where) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FileError(where, f"at most {MAX_BYTES} bytes", "more")
    try:
        message = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's DecodeError, which has no public name in all its versions
        raise FileError(where, "an ONNX model", str(error) or type(error).__name__) from None
    _require_text(message, where)
    graph = message.graph
    if not graph.node and not graph.input:
        raise FileError(where, "an ONNX model", "one without a graph")
    if len(graph.node) > MAX_NODES:
        raise FileError(where, f"at most {MAX_NODES} nodes", f"{len(graph.node)}")
    if message.functions:
        raise PortError(where, "ONNX's own operators", f"a function of the file's, {message.functions[0].name!r}")
    if graph.sparse_initializer:
        raise PortError(where, "tensors that are dense", "a sparse one")
    for tensor in graph.initializer:
        _load(onnx, tensor, home.parent, f"{where}, tensor {tensor.name!r}")
    try:
        onnx.checker.check_model(message)
    except onnx.checker.ValidationError as error:
        raise FileError(where, "a sound ONNX model", str(error).splitlines()[0][:300]) from None
    tensors = {tensor.name: _array(onnx, tensor, f"{where}, tensor {tensor.name!r}") for tensor in graph.initializer}
    inputs = tuple(_port(onnx, value, where) for value in graph.input if value.name not in tensors)
    calls = tuple(_call(onnx, node, place, where) for place, node in enumerate(graph.node))
    return File(inputs, tuple(value.name for value in graph.output), calls, tensors, _opset(message, where), message)


def _require_text(message: Any, where: str) -> None:
    """Refuse names that are no text: protobuf gives them as bytes, and does not say so."""
    for field, value in message.ListFields():
        values = [value] if isinstance(value, (str, bytes)) or hasattr(value, "ListFields") else value
        if field.type == field.TYPE_MESSAGE:
            for inner in values:
                _require_text(inner, where)
        elif field.type == field.TYPE_STRING and any(isinstance(text, bytes) for text in values):
            raise FileError(f"{where}, a {field.name}", "text in UTF-8", "other bytes")


def _opset(message: Any, where: str) -> int:
    versions = {entry.domain or "ai.onnx": entry.version for entry in message.opset_import}
    version = versions.get("ai.onnx", 0)
    if version not in OPSETS:
        raise PortError(where, f"a version of ONNX's operators from {OPSETS.start} to {OPSETS.stop - 1}", f"{version}")
    return int(version)


def _call(onnx: Any, node: Any, place: int, where: str) -> Call:
    name = node.name or f"{node.op_type}_{place}"
    if node.domain not in ("", "ai.onnx"):
        element = f"node {name!r}, operator {node.domain}.{node.op_type}"
        raise PortError(element, "an operator that the portable layers cover", f"one of domain {node.domain!r}")
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.HasField("t"):
            element = f"{where}, node {name!r}, attribute {attribute.name!r}"
            if attribute.t.data_location == onnx.TensorProto.EXTERNAL:
                raise FileError(element, "a tensor in the file", "one beside it")
            attributes[attribute.name] = _array(onnx, attribute.t, element)
        else:
            value = onnx.helper.get_attribute_value(attribute)
            attributes[attribute.name] = [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
    return Call(name, node.op_type, tuple(node.input), tuple(node.output), attributes)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return float(str(numpy.float32(value))) if isinstance(value, float) else value  # 1e-5 was meant, not 9.9999997e-06


def _port(onnx: Any, value: Any, where: str) -> Port:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise PortError(f"{where}, input {value.name!r}", "a tensor", value.type.WhichOneof("value") or "nothing")
    kind = _dtype(onnx, tensor.elem_type, f"{where}, input {value.name!r}").name
    if not tensor.HasField("shape"):
        return Port(value.name, kind, None)
    axes = tuple(_axis(axis) for axis in tensor.shape.dim)
    for size in axes:
        if isinstance(size, int) and size < 0:
            raise FileError(f"{where}, input {value.name!r}", "sizes that are not negative", f"{size}")
    return Port(value.name, kind, axes)


def _dtype(onnx: Any, number: int, element: str) -> numpy.dtype[Any]:
    try:
        found: numpy.dtype[Any] = numpy.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
    except KeyError:
        raise FileError(element, "an element type of ONNX", f"number {number}") from None
    return found


def _axis(axis: Any) -> int | str | None:
    if axis.WhichOneof("value") == "dim_value":
        return int(axis.dim_value)
    return str(axis.dim_param) or None


def _count(tensor: Any, element: str) -> int:
    total = 1
    for size in tensor.dims:
        total *= size
        if size < 0 or total > MAX_VALUES:
            raise FileError(element, f"at most {MAX_VALUES} numbers", f"axes {tuple(tensor.dims)}")
    return total


def _array(onnx: Any, tensor: Any, element: str) -> Array:
    count = _count(tensor, element)
    try:
        array: Array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise FileError(element, f"{count} numbers", str(error).splitlines()[0][:300]) from None
    if array.size != count:
        raise FileError(element, f"{count} numbers", f"{array.size}")
    return array


def _load(onnx: Any, tensor: Any, folder: Path, element: str) -> None:
    """Put the bytes of a tensor that lies beside the file into it. Its path may not lead out of the folder."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    fields = {entry.key: entry.value for entry in tensor.external_data}
    name = fields.get("location", "")
    path = folder / name
    windows = PureWindowsPath(name)
    inside = name and not windows.drive and not windows.root and ".." not in windows.parts
    try:
        inside = inside and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, too long a name, a NUL
        inside = False
    size = os.path.getsize(path) if inside and os.path.isfile(path) else -1
    if size < 0:
        raise FileError(element, "a file in the folder of the model's", f"{name!r:.300}")
    try:
        offset = int(fields.get("offset", "0"))
        wanted = _count(tensor, element) * _dtype(onnx, tensor.data_type, element).itemsize
        length = int(fields.get("length", str(wanted)))
    except (ValueError, KeyError):
        raise FileError(element, "an offset and a length", str(fields)) from None
    if length != wanted or offset < 0 or offset + length > size:
        expected = f"{wanted} bytes in '{name}', which has {size}"
        raise FileError(element, expected, f"{length} from byte {offset}")
    with opened(path, element) as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]

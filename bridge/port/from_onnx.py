"""An ONNX inference graph as a portable layer graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy
import torch
from torch import Tensor

from bridge.diagram.ir import Axis, DataType, Space
from bridge.diagram.messages import shape_text
from bridge.errors import PortError
from bridge.port.from_torch import from_torch
from bridge.port.onnx.constants import MOST
from bridge.port.onnx.file import File, Port, package, read
from bridge.port.onnx.module import OnnxModule
from bridge.port.ported import Ported
from bridge.torch.batch import DTYPES

__all__ = ["from_onnx"]

MOST_TO_VERIFY = 2**26


def from_onnx(path: str | PathLike[str], *inputs: Tensor | Space, verify: bool = True) -> Ported:
    """An ONNX graph as a graph of portable layers with its weights.

    The first axis of every input is the batch; the file may have it as a number or as a variable. Other axes that are
    variables there stay variables. `inputs`, as in `from_torch`, stand in for what the file says of its inputs. Constants
    that operators take as weights become parameters, called as in the file; batch norm and dropout are what they are in
    PyTorch, so that the graph can be trained. With `verify` the outputs are compared with those of onnx's own reference
    evaluator. Nothing in the file is run.

    Raises FileError for a file that is damaged, over a limit, or has tensors outside of its folder; PortError for the first
    operator that the portable layers do not cover, by its node's name; UnsupportedError where onnx is not installed.
    """
    file = read(path)
    module = OnnxModule(file)
    given = inputs or tuple(map(_space, file.inputs))
    if len(given) != len(file.inputs):
        raise PortError(f"file '{path}'", f"{len(file.inputs)} inputs", f"{len(given)}")
    try:
        ported = from_torch(module, *given, verify=False)
    except PortError as error:
        raise _located(error, module) from None
    sources = {
        place: replace(weight, name=module.tensors.get(weight.name, weight.name)) for place, weight in ported.sources.items()
    }
    ported = replace(ported, sources=sources)
    if verify:
        _verify(file, ported, module.batch or 2)
    return ported


def _space(port: Port) -> Space:
    """What a file says of an input, without the batch."""
    element = f"input {port.name!r}"
    kinds = {kind.value: kind for kind in DTYPES}
    if port.data_type not in kinds:
        raise PortError(element, f"one of {', '.join(kinds)}", port.data_type)
    if not port.axes or any(size is None for size in port.axes[1:]):
        raise PortError(element, "sizes of all axes but the batch's, or inputs given beside the file", "none")
    if math.prod(size for size in port.axes[1:] if isinstance(size, int)) > MOST:
        raise PortError(element, f"at most {MOST} numbers in a sample", shape_text(port.axes[1:]))  # type: ignore[arg-type]
    axes = []
    for place, size in enumerate(port.axes[1:]):
        name = "".join(c if c.isalnum() else "_" for c in size) if isinstance(size, str) else size
        axes.append(Axis(f"axis{place}", name))  # type: ignore[arg-type]
    return Space("input", DataType(port.data_type), tuple(axes))


def _located(error: PortError, module: OnnxModule) -> PortError:
    """The refusal of a module that stands for a node, about the node."""
    _, _, rest = error.element.partition("module '")
    path, _, _ = rest.partition("'")
    call = module.nodes.get(path)
    return error if call is None else PortError(call.element, error.expected, error.found)


def _verify(file: File, ported: Ported, samples: int) -> None:
    """Compare with onnx's reference evaluator on random numbers, and on the index 0."""
    generator = torch.Generator().manual_seed(0)
    batch = []
    for port, shape in zip(file.inputs, ported.inputs, strict=True):
        sizes = [samples, *(4 if isinstance(size, str) else size for size in shape)]
        kind = DTYPES[DataType(port.data_type)]
        numbers = math.prod(sizes)
        if numbers > MOST_TO_VERIFY:
            expected = f"a batch of at most {MOST_TO_VERIFY} numbers, or verify=False"
            raise PortError(f"input {port.name!r}", expected, f"{numbers}")
        floats = kind.is_floating_point
        batch.append(torch.randn(sizes, generator=generator, dtype=kind) if floats else torch.zeros(sizes, dtype=kind))
    feeds = {port.name: x.numpy() for port, x in zip(file.inputs, batch, strict=True)}
    try:
        wanted: Sequence[Any] = _evaluator(file).run(None, feeds)
    except Exception as error:  # onnx's, of many types
        expected = "a graph that onnx's reference evaluator can run, or verify=False"
        raise PortError("the file's graph", expected, f"{type(error).__name__}: {error}") from error
    with torch.no_grad():
        made = ported.module().eval()(*batch)
    found = made if isinstance(made, tuple) else (made,)
    tolerance = 1e-4 if ported.data_type is DataType.FLOAT32 else 1e-9
    for name, one, two in zip(file.outputs, wanted, found, strict=True):
        furthest = float(numpy.abs(one - two.numpy()).max(initial=0)) if one.shape == two.shape else numpy.inf
        if not furthest <= tolerance * max(1.0, float(numpy.abs(one).max(initial=0))):
            expected = f"the file's numbers, of shape {shape_text(tuple(one.shape[1:]))}"
            raise PortError(f"output {name!r} of the ported graph", expected, f"a difference of {furthest:.3g}")


def _evaluator(file: File) -> Any:
    reference = package().reference

    class GlobalMaxPool(reference.op_run.OpRun):  # type: ignore[misc,name-defined]
        """onnx's own takes the maximum over the channels, too."""

        def _run(self, x: Any) -> tuple[Any]:
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    return reference.ReferenceEvaluator(file.message, new_ops=[GlobalMaxPool])

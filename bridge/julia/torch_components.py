"""Modules as components of a diagram that Julia drives: their parameters and buffers, described for Julia.

They stay where torch has them; Julia's arrays lie over the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bridge.diagram.ir import DataType
from bridge.errors import BridgeError, UnsupportedError
from bridge.julia.component import DTYPES
from bridge.julia.tensors import Copies, mend_one
from bridge.schema import decode
from bridge.schema.generated import control_pb2 as control
from bridge.schema.generated import diagram_pb2
from bridge.torch.portable import PortableModule

__all__ = ["HeldVariable", "Instance", "describe_instance", "describe_variable", "make_instance", "variables"]

DATA_TYPES = {dtype: data_type for data_type, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class HeldVariable:
    """A parameter or buffer of a module, and where the module has it."""

    element: str
    tensor: Tensor
    table: Mapping[str, Tensor | None]
    key: str

    def lies_at(self, address: int) -> bool:
        """Whether the module still has it, in memory at that address."""
        if self.table.get(self.key) is not self.tensor:
            return False
        return self.tensor.data_ptr() == address or not self.tensor.numel()


@dataclass(frozen=True, slots=True)
class Instance:
    """A module that Julia uses, under the name that errors call it by."""

    name: str
    module: nn.Module

    def parameters(self) -> list[HeldVariable]:
        """The parameters, each once, in torch's order."""
        return [self._held("parameter", path, tensor) for path, tensor in self.module.named_parameters()]

    def buffers(self) -> list[HeldVariable]:
        """The buffers, each once, in torch's order."""
        return [self._held("buffer", path, tensor) for path, tensor in self.module.named_buffers()]

    def _held(self, kind: str, path: str, tensor: Tensor) -> HeldVariable:
        folder, _, key = path.rpartition(".")
        holder = self.module.get_submodule(folder)
        table: Mapping[str, Tensor | None] = holder._parameters if kind == "parameter" else holder._buffers
        return HeldVariable(f"{kind} {path!r} of {self.name}", tensor, table, key)


def make_instance(request: control.Instantiate, offered: dict[str, tuple[str, nn.Module]]) -> Instance:
    """The instance that Julia asks for: a module that was offered, or a new one of a portable component's layers."""
    if request.HasField("graph"):
        data_type = DataType.FLOAT64 if request.data_type == diagram_pb2.DATA_TYPE_FLOAT64 else DataType.FLOAT32
        element = f"component {request.reference!r}"
        return Instance(element, PortableModule(decode.layer_graph(element, request.graph), data_type))
    if request.reference not in offered:
        raise BridgeError(f"torch component {request.reference!r}", "a module that Python offers", "no such module")
    return Instance(*offered.pop(request.reference))


def describe_instance(instance: Instance) -> control.Instantiated:
    """The answer to Julia but for its number: where each parameter and buffer is.

    Raises UnsupportedError, naming it, for one that Julia's arrays can't lie over.
    """
    described = [
        describe_variable(path, tensor, f"{path!r} of {instance.name}", buffer)
        for path, tensor, buffer in variables(instance.module)
    ]
    return control.Instantiated(variables=described)


def variables(module: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    """Path, tensor and whether it is a buffer, for each parameter and each buffer that a `state_dict` has."""
    for path, parameter in module.named_parameters():
        yield path, parameter, False
    kept = module.state_dict(keep_vars=True)
    for path, buffer in module.named_buffers():
        if path in kept:
            yield path, buffer, True


def describe_variable(path: str, tensor: Tensor, element: str, buffer: bool = False) -> control.Variable:
    """Where a tensor lies. Raises UnsupportedError for one that would have to be copied to be shared."""
    data = tensor.detach()
    wrong = not buffer and data.dtype not in (torch.float32, torch.float64)
    if wrong or mend_one(data, element, Copies()) is not data:
        found = f"{str(data.dtype).removeprefix('torch.')} with strides {tuple(data.stride())} at {data.data_ptr():#x}"
        raise UnsupportedError(element, "contiguous, 16-byte aligned float32 or float64 memory, to share it", found)
    return control.Variable(
        path=path, data_type=DATA_TYPES[data.dtype], shape=data.shape, address=data.data_ptr(), buffer=buffer
    )

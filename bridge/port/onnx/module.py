"""An ONNX graph as a PyTorch module: each operator is a submodule, weights are parameters and running statistics buffers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from bridge.diagram.names import is_name
from bridge.errors import PortError
from bridge.port.onnx.constants import FOLDED, constant, folded
from bridge.port.onnx.file import Array, Call, File
from bridge.port.onnx.operators import OPERATORS, Applied
from bridge.port.onnx.operators.recurrent import GATES, by_direction
from bridge.port.onnx.patterns import combined

__all__ = ["OnnxModule", "refusal"]

WEIGHTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "Linear", "LayerNormalization"), (1, 2)),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), (1, 2)),
    **dict.fromkeys(GATES, tuple(range(3, 11))),
    "MatMul": (0, 1),
    "BatchNormalization": (1, 2, 3, 4),
    "Gather": (0,),
}
"""The arguments of operators that are parameters, where they are constants of the file."""
STATISTICS = {"BatchNormalization": (3, 4)}
MASKED = 1e30
"""What is added to scores to mask them is at least so far from 0, and no parameter."""
MOVES = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Split")


def refusal(call: Call, expected: str, found: str) -> PortError:
    """The refusal of a call."""
    return PortError(call.element, expected, found)


class Operation(nn.Module):
    """One operator. It is a module so that `torch.export` says which one it is in."""

    def __init__(self, call: Call, opset: int) -> None:
        super().__init__()
        self.call, self.opset = call, opset

    def forward(self, batch: tuple[int | None, int], *values: Any) -> Any:
        """What the operator makes. `batch` are the batch's size in the file, if it has one, and that of these values."""
        call = self.call
        if call.operator not in OPERATORS:
            raise refusal(call, "an operator that the portable layers cover", call.operator)
        try:
            return OPERATORS[call.operator](Applied(call, self.opset, self.training, batch), *values)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
            text = str(error).splitlines()
            raise refusal(call, "arguments that it takes", text[0][:300] if text else type(error).__name__) from None


class OnnxModule(nn.Module):
    """The graph of a file.

    `tensors` are the names of the file's tensors by those of parameters and buffers, `nodes` the calls by their paths.
    """

    def __init__(self, file: File) -> None:
        super().__init__()
        arrays = dict(file.tensors)
        calls = _without_constants(file.calls, arrays)
        self.inputs, self.results, self.opset = [port.name for port in file.inputs], file.outputs, file.opset
        calls = [by_direction(call, arrays) if call.operator in GATES else call for call in calls]
        self.calls = combined(calls, file.outputs, arrays)
        for call in self.calls:
            if call.operator not in OPERATORS and call.operator not in FOLDED:
                raise refusal(call, "an operator that the portable layers cover", call.operator)
        held = _held(self.calls, arrays)
        self.constants = {name: array for name, array in arrays.items() if name not in held}
        self.tensors: dict[str, str] = {}
        self.homes: dict[str, tuple[str, str]] = {}
        known: dict[int, tuple[str, str]] = {}
        for name, kind in held.items():
            array = arrays[name]
            if id(array) not in known:
                own = f"tensor:{len(known)}"  # no path of an operator has a colon
                self.tensors[own] = name
                known[id(array)] = (kind, own)
                tensor = torch.from_numpy(numpy.array(array, order="C"))
                if kind == "buffer":
                    self.register_buffer(own, tensor)
                else:
                    self.register_parameter(own, nn.Parameter(tensor))
            self.homes[name] = known[id(array)]
        self.nodes = dict(zip(paths(self.calls), self.calls, strict=True))
        self.operations = []
        for path, call in self.nodes.items():
            self.operations.append(operation := Operation(call, self.opset))
            _put(self, path, operation)
        sizes = {port.axes[0] for port in file.inputs if port.axes}
        self.batch = next((size for size in sizes if isinstance(size, int)), None)

    def forward(self, *inputs: Tensor) -> Any:
        """The graph's outputs for batches of its inputs."""
        values: dict[str, Any] = {"": None, **self.constants, **dict(zip(self.inputs, inputs, strict=True))}
        for name, (_, own) in self.homes.items():
            values[name] = getattr(self, own)
        batch = self.batch, int(inputs[0].shape[0])
        for call, operation in zip(self.calls, self.operations, strict=True):
            given = [values[name] for name in call.inputs]
            if all(value is None or isinstance(value, numpy.ndarray) for value in given):
                made: Any = folded(call, self.opset, given)
            else:
                made = operation(batch, *given)
            made = list(made) if isinstance(made, (tuple, list)) else [made]
            values.update((name, value) for name, value in zip(call.outputs, made, strict=False) if name)
        results = []
        for name in self.results:
            if not isinstance(values.get(name), Tensor):
                raise PortError(f"output {name!r}", "one that is computed from the inputs", "a constant, or none")
            results.append(values[name])
        return results[0] if len(results) == 1 else tuple(results)


def _without_constants(calls: Sequence[Call], arrays: dict[str, Array]) -> list[Call]:
    """The calls but for constants, whose values are put among the arrays, and copies of arrays."""
    rest = []
    for call in calls:
        if call.operator == "Constant":
            arrays[call.outputs[0]] = constant(call)
        elif call.operator == "Identity" and call.inputs[0] in arrays:
            arrays[call.outputs[0]] = arrays[call.inputs[0]]
        else:
            rest.append(call)
    return rest


def _held(calls: Sequence[Call], arrays: Mapping[str, Array]) -> dict[str, str]:
    """The arrays that are parameters or buffers, themselves or moved, in the order of their first use."""
    found: dict[str, str] = {}
    makers = {name: call for call in calls for name in call.outputs}

    def hold(name: str, kind: str) -> None:
        if name in arrays and numpy.issubdtype(arrays[name].dtype, numpy.floating):
            found.setdefault(name, kind)
        elif name in makers and makers[name].operator in MOVES:
            hold(makers[name].inputs[0], kind)

    for call in calls:
        if call.operator in ("Add", "Mul"):
            for name in call.inputs:
                if name in arrays and arrays[name].size > 1 and numpy.abs(arrays[name]).max() < MASKED:
                    hold(name, "parameter")
        for place in WEIGHTS.get(call.operator, ()):
            if place < len(call.inputs):
                hold(call.inputs[place], "buffer" if place in STATISTICS.get(call.operator, ()) else "parameter")
    return found


def paths(calls: Sequence[Call]) -> list[str]:
    """A path of modules for each call, all different and none below another.

    Names such as "/see/see.0/Conv", as PyTorch writes them, become "see.0".

    >>> paths([Call("/see/see.0/Conv", "Conv", (), (), {}), Call("", "Relu", (), (), {})])
    ['see.0', 'relu']
    """
    wanted = [_path(call) for call in calls]
    counts = Counter(wanted)
    inner = {".".join(parts[:k]) for path in wanted for parts in [path.split(".")] for k in range(1, len(parts))}
    taken: set[str] = set()
    found = []
    for call, path in zip(calls, wanted, strict=True):
        if not path or counts[path] > 1 or path in inner:
            path = f"{path}.{call.operator.lower()}".lstrip(".")
        free, number = path, 1
        while free in taken or free in inner:
            number += 1
            free = f"{path}_{number}"
        taken.add(free)
        inner.update(".".join(free.split(".")[:k]) for k in range(1, free.count(".") + 1))
        found.append(free)
    return found


def _path(call: Call) -> str:
    scopes = [part for part in call.name.split("/") if part]
    if scopes and scopes[-1].split("_")[0] == {"Linear": "MatMul", "Gelu": "Erf"}.get(call.operator, call.operator):
        scopes.pop()
    whole: list[str] = []
    for scope in scopes:
        if whole and scope.startswith(f"{whole[-1]}."):
            whole.pop()
        whole.append(scope)
    parts = [part for scope in whole for part in scope.split(".")]
    return ".".join(part if is_name(part) and ":" not in part else "module" for part in parts)


def _put(module: nn.Module, path: str, operation: nn.Module) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        module = module._modules.setdefault(parent, nn.Module())  # type: ignore[assignment]
    module._modules[last] = operation

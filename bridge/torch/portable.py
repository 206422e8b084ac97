"""A portable layer graph as an `nn.Module`, which holds the parameters wherever the component is placed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from bridge.diagram.ir import DataType, LayerGraph, Node
from bridge.diagram.messages import shape_text
from bridge.errors import UnsupportedError
from bridge.layers.definition import Constant, Uniform
from bridge.layers.definition import Parameter as ParameterDefinition
from bridge.layers.graph import buffers as graph_buffers
from bridge.layers.graph import parameters as graph_parameters
from bridge.layers.table import definition
from bridge.torch.batch import DTYPES
from bridge.torch.layers import Function, LayerMode, function

__all__ = ["PortableModule", "draw_seed", "has_hooks"]


class PortableModule(nn.Module):
    """The torch form of a layer graph. Parameters and buffers are named by node, such as `0.weight`.

    Initial values come from torch's default generator, drawn in the order of the paths. `has_mode` says that the graph
    has layers for which the mode or chance matters.

    >>> from bridge.layers import chain, linear, relu
    >>> module = PortableModule(chain(linear(4, 3), relu()))
    >>> [name for name, _ in module.named_parameters()], module(torch.zeros(2, 4)).shape
    (['0.weight', '0.bias'], torch.Size([2, 3]))
    """

    def __init__(self, graph: LayerGraph, data_type: DataType = DataType.FLOAT32) -> None:
        super().__init__()
        self.graph = graph
        self.data_type = data_type
        self.has_mode = any(has_mode(node) for node in graph.nodes)
        for parameter in graph_parameters(graph):
            holder, name = self._holder(parameter.name)
            holder._parameters[name] = nn.Parameter(_initial(parameter, DTYPES[data_type]))
        for buffer in graph_buffers(graph):
            holder, name = self._holder(buffer.name)
            holder._buffers[name] = _initial(buffer, DTYPES[data_type])

    def forward(self, *inputs: Tensor, mode: LayerMode | None = None) -> Tensor | tuple[Tensor, ...]:
        """The graph's outputs, one tensor or a tuple, for batches (N, *sample) of its inputs.

        Without `mode` it runs in the module's own, and draws its seed from torch's default generator in train mode.
        """
        result: Tensor | tuple[Tensor, ...]
        if not self.has_mode:
            result = self.function(*inputs)
            return result
        if mode is None:
            mode = LayerMode(self.training, draw_seed() if self.training and self._is_random() else 0)
        result = self.function(mode, *inputs)
        return result

    @property
    def function(self) -> Function:
        """What `forward` calls: the graph as one function, of a `LayerMode` and the inputs where `has_mode`.

        It reads parameters and buffers where the module has them.
        """
        made: Function | None = self.__dict__.get("_function")
        if made is None:
            made = self.__dict__["_function"] = _compile(self)
        return made

    def parameter_getter(self) -> Callable[[], list[Tensor]]:
        """A function that gives the parameters, as they are at the moment, in the graph's order."""
        places = [(holder._parameters, name) for holder, name in self._holders(graph_parameters(self.graph))]
        return lambda: [table[name] for table, name in places if name in table]  # type: ignore[misc]

    def buffer_getter(self) -> Callable[[], list[Tensor]]:
        """The same of the buffers."""
        places = [(holder._buffers, name) for holder, name in self._holders(graph_buffers(self.graph))]
        return lambda: [table[name] for table, name in places if name in table]  # type: ignore[misc]

    def extra_repr(self) -> str:
        """The operations, in order."""
        return " → ".join(node.layer.operation for node in self.graph.nodes)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_function", None)
        return state

    def _is_random(self) -> bool:
        return any(definition(node.layer).random for node in self.graph.nodes)

    def _holders(self, parameters: Sequence[ParameterDefinition]) -> list[tuple[nn.Module, str]]:
        return [self._holder(parameter.name) for parameter in parameters]

    def _holder(self, path: str) -> tuple[nn.Module, str]:
        node, name = path.split(".")
        # Not add_module, which refuses names that are attributes of a module, such as `half`.
        holder = self._modules.setdefault(node, nn.Module())
        assert holder is not None
        return holder, name


def has_mode(node: Node) -> bool:
    """Whether a node's layer is given a `LayerMode`."""
    row = definition(node.layer)
    return row.modal or row.random


def draw_seed() -> int:
    """64 bits from torch's default generator."""
    return int(torch.empty((), dtype=torch.int64).random_(-(2**63), None).item()) % 2**64


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module does more than calling its `forward`."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()
    )


def _initial(parameter: ParameterDefinition, dtype: torch.dtype) -> Tensor:
    initial = parameter.initial
    try:
        made = torch.empty(parameter.shape, dtype=dtype)
    except RuntimeError:  # which is what torch raises here, and not MemoryError
        found = f"too little for {shape_text(parameter.shape)}"
        raise UnsupportedError(f"parameter '{parameter.name}'", "memory for its numbers", found) from None
    if isinstance(initial, Constant):
        return made.fill_(initial.value)
    if isinstance(initial, Uniform):
        return made.uniform_(-initial.bound, initial.bound)
    made.normal_(0.0, initial.deviation)
    if initial.zero_row >= 0:
        made[initial.zero_row].zero_()
    return made


def _compile(module: PortableModule) -> Function:
    graph, ties = module.graph, dict(module.graph.ties)
    getters = [_getter(module, node, ties) for node in graph.nodes]
    steps = [
        (function(node.layer), place if has_mode(node) else -1, node.inputs, get, node.outputs == 1, dead)
        for place, (node, get, dead) in enumerate(zip(graph.nodes, getters, _last_uses(graph), strict=True))
    ]
    if len(steps) == 1 and graph.nodes[0].inputs == tuple(range(graph.inputs)) and graph.outputs == (graph.inputs,):
        compute, layer, _, get, single, _ = steps[0]
        if layer < 0 and single:
            return compute if get is None else lambda *inputs: compute(*inputs, *get())

    def run(mode: LayerMode | None, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        values: list[Any] = list(inputs)
        for compute, layer, places, get, single, dead in steps:
            arguments = [values[place] for place in places]
            if get is not None:
                arguments += get()
            if layer >= 0:
                assert mode is not None
                made = compute(LayerMode(mode.train, mode.seed, mode.application, layer), *arguments)
            else:
                made = compute(*arguments)
            if single:
                values.append(made)
            else:
                values += made
            for place in dead:
                values[place] = None
        return values[graph.outputs[0]] if len(graph.outputs) == 1 else tuple([values[k] for k in graph.outputs])

    return run if module.has_mode else partial(run, None)


def _last_uses(graph: LayerGraph) -> list[tuple[int, ...]]:
    """For each node the values that nothing reads after it: their memory, still warm, serves the next one."""
    seen = set(graph.outputs)
    dead: list[tuple[int, ...]] = []
    for node in reversed(graph.nodes):
        dead.append(tuple(sorted(set(node.inputs) - seen)))
        seen.update(node.inputs)
    return dead[::-1]


def _getter(module: PortableModule, node: Node, ties: Mapping[str, str]) -> Callable[[], Sequence[Tensor]] | None:
    """A function that gives a node's parameters and buffers as they are at the moment, None for a node without any."""
    row, values = definition(node.layer), dict(node.layer.attributes)
    names = [parameter.name for parameter in row.parameters(values)]
    buffer_names = [buffer.name for buffer in row.buffers(values)]
    if any(f"{node.name}.{name}" in ties for name in names + buffer_names):
        return _tied_getter(module, node, names + buffer_names, ties)
    holder = module._modules.get(node.name)
    if not names + buffer_names or holder is None:
        return None
    held, buffers = holder._parameters, holder._buffers
    if buffer_names:
        return lambda: [held[name] for name in names] + [buffers[name] for name in buffer_names]  # type: ignore[misc,return-value]
    if len(names) == 2:
        first, second = names
        return lambda: (held[first], held[second])  # type: ignore[return-value]
    return lambda: [held[name] for name in names]  # type: ignore[misc]


def _tied_getter(
    module: PortableModule, node: Node, names: Sequence[str], ties: Mapping[str, str]
) -> Callable[[], Sequence[Tensor]]:
    """The same, of a node some of whose parameters or buffers are those of earlier nodes."""
    places = []
    for name in names:
        path = f"{node.name}.{name}"
        holder, own = module._holder(ties.get(path, path))
        places.append((holder._parameters if own in holder._parameters else holder._buffers, own))
    return lambda: [table[name] for table, name in places]  # type: ignore[misc]

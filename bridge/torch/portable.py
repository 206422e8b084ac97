"""A portable layer graph as an `nn.Module`, which holds the parameters wherever the component is placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from bridge.diagram.ir import DataType, LayerGraph, Node
from bridge.layers.graph import parameters as graph_parameters
from bridge.layers.table import Constant, definition
from bridge.layers.table import Parameter as ParameterDefinition
from bridge.torch.batch import DTYPES
from bridge.torch.layers import function

__all__ = ["PortableModule", "has_hooks"]

Function = Callable[..., Any]


class PortableModule(nn.Module):
    """The torch form of a layer graph. Parameters are named `<node>.<parameter>`, such as `0.weight`.

    Initial values come from torch's default generator, drawn in the order of the paths.

    >>> from bridge.layers import chain, linear, relu
    >>> module = PortableModule(chain(linear(4, 3), relu()))
    >>> [name for name, _ in module.named_parameters()], module(torch.zeros(2, 4)).shape
    (['0.weight', '0.bias'], torch.Size([2, 3]))
    """

    def __init__(self, graph: LayerGraph, data_type: DataType = DataType.FLOAT32) -> None:
        super().__init__()
        self.graph = graph
        self.data_type = data_type
        for parameter in graph_parameters(graph):
            node, name = parameter.name.split(".")
            # Not add_module, which refuses names that are attributes of a module, such as `half`.
            holder = self._modules.setdefault(node, nn.Module())
            assert holder is not None
            holder._parameters[name] = nn.Parameter(_initial(parameter, DTYPES[data_type]))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's outputs, one tensor or a tuple, for batches (N, *sample) of its inputs."""
        result: Tensor | tuple[Tensor, ...] = self.function(*inputs)
        return result

    @property
    def function(self) -> Function:
        """What `forward` calls: the graph as one function. It reads parameters where the module has them."""
        made: Function | None = self.__dict__.get("_function")
        if made is None:
            made = self.__dict__["_function"] = _compile(self)
        return made

    def extra_repr(self) -> str:
        """The operations, in order."""
        return " → ".join(node.layer.operation for node in self.graph.nodes)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_function", None)
        return state


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
    if isinstance(parameter.initial, Constant):
        return torch.full(parameter.shape, parameter.initial.value, dtype=dtype)
    return torch.empty(parameter.shape, dtype=dtype).uniform_(-parameter.initial.bound, parameter.initial.bound)


def _compile(module: PortableModule) -> Function:
    graph = module.graph
    steps = [
        (function(node.layer), node.inputs, _getter(module, node), dead)
        for node, dead in zip(graph.nodes, _last_uses(graph), strict=True)
    ]
    if len(steps) == 1 and graph.nodes[0].inputs == tuple(range(graph.inputs)) and graph.outputs == (graph.inputs,):
        compute, _, get, _ = steps[0]
        return compute if get is None else lambda *inputs: compute(*inputs, *get())

    def run(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        values: list[Any] = list(inputs)
        for compute, places, get, dead in steps:
            if get is None:
                values.append(compute(*[values[place] for place in places]))
            else:
                values.append(compute(*[values[place] for place in places], *get()))
            for place in dead:
                values[place] = None
        return values[graph.outputs[0]] if len(graph.outputs) == 1 else tuple([values[k] for k in graph.outputs])

    return run


def _last_uses(graph: LayerGraph) -> list[tuple[int, ...]]:
    """For each node the values that nothing reads after it: their memory, still warm, serves the next one."""
    seen = set(graph.outputs)
    dead: list[tuple[int, ...]] = []
    for node in reversed(graph.nodes):
        dead.append(tuple(sorted(set(node.inputs) - seen)))
        seen.update(node.inputs)
    return dead[::-1]


def _getter(module: PortableModule, node: Node) -> Callable[[], Sequence[Tensor]] | None:
    """A function that gives a node's parameters as they are at the moment, None for a node without any."""
    names = [parameter.name for parameter in definition(node.layer).parameters(dict(node.layer.attributes))]
    holder = module._modules.get(node.name)
    if not names or holder is None:
        return None
    held = holder._parameters
    if len(names) == 2:
        first, second = names
        return lambda: (held[first], held[second])  # type: ignore[return-value]
    return lambda: [held[name] for name in names]  # type: ignore[misc]

"""A portable layer graph as an `nn.Module`, which holds the parameters wherever the component is placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bridge.diagram.ir import DataType, LayerGraph
from bridge.layers.graph import parameters as graph_parameters
from bridge.layers.table import Constant, definition
from bridge.layers.table import Parameter as ParameterDefinition
from bridge.torch.batch import DTYPES
from bridge.torch.layers import function

__all__ = ["PortableModule"]

Program = Callable[..., Any]


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
        program: Program | None = self.__dict__.get("_program")
        if program is None:
            program = self.__dict__["_program"] = _compile(self)
        result: Tensor | tuple[Tensor, ...] = program(*inputs)
        return result

    def extra_repr(self) -> str:
        """The operations, in order."""
        return " → ".join(node.layer.operation for node in self.graph.nodes)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_program", None)
        return state


def _initial(parameter: ParameterDefinition, dtype: torch.dtype) -> Tensor:
    if isinstance(parameter.initial, Constant):
        return torch.full(parameter.shape, parameter.initial.value, dtype=dtype)
    return torch.empty(parameter.shape, dtype=dtype).uniform_(-parameter.initial.bound, parameter.initial.bound)


def _compile(module: PortableModule) -> Program:
    """The graph as one function of its inputs. It reads parameters where the module has them, at each call."""
    graph = module.graph
    steps: list[tuple[Program, Sequence[int], Sequence[tuple[dict[str, Any], str]]]] = []
    for node in graph.nodes:
        holder = module._modules.get(node.name)
        names = [p.name for p in definition(node.layer).parameters(dict(node.layer.attributes))]
        stored = [] if holder is None else [(holder._parameters, name) for name in names]
        steps.append((function(node.layer), node.inputs, stored))

    if len(steps) == 1 and not steps[0][2] and _is_whole(graph):
        return steps[0][0]

    def run(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        values = list(inputs)
        for compute, places, stored in steps:
            values.append(compute(*[values[place] for place in places], *[held[name] for held, name in stored]))
        return values[graph.outputs[0]] if len(graph.outputs) == 1 else tuple(values[k] for k in graph.outputs)

    return run


def _is_whole(graph: LayerGraph) -> bool:
    """Whether a graph of one node takes the graph's inputs in order and returns its output alone."""
    return graph.nodes[0].inputs == tuple(range(graph.inputs)) and graph.outputs == (graph.inputs,)

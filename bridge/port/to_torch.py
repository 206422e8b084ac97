"""A portable layer graph as a tree of plain PyTorch modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bridge.diagram.ir import DataType, LayerGraph, Node
from bridge.errors import UnsupportedError
from bridge.layers.definition import Shape
from bridge.layers.graph import buffers, check_graph, infer_shapes, parameters
from bridge.port.naming import path
from bridge.port.torch_calls import module_call
from bridge.port.torch_modules import (
    FUNCTIONS,
    AnyBatchNorm,
    AnyInstanceNorm,
    Fixed,
    Function,
    Learned,
    MultiHeadAttention,
    recurrent,
)
from bridge.torch.portable import PortableModule

__all__ = ["Network", "to_torch"]


class Network(nn.Module):
    """Modules by the names of a layer graph's nodes ("encoder:0" is `encoder.0`), run in the graph's order."""

    def __init__(self, graph: LayerGraph, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.graph = graph
        for node, module in zip(graph.nodes, modules, strict=True):
            home: nn.Module = self
            *parents, last = path(node.name)
            for parent in parents:
                home = home._modules.setdefault(parent, nn.Module())  # type: ignore[assignment]
            held = home._modules.get(last)
            if held is not None:  # a module that only held others so far
                module._modules.update(held._modules)
            home._modules[last] = module

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's outputs, one tensor or a tuple, for batches of its inputs."""
        values: list[Any] = list(inputs)
        for node in self.graph.nodes:
            made = find(self, node)(*(values[place] for place in node.inputs))
            values.extend(made if node.outputs > 1 else [made])
        outputs = [values[place] for place in self.graph.outputs]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def find(network: nn.Module, node: Node) -> nn.Module:
    """The module of a node."""
    module = network
    for name in path(node.name):
        module = module._modules[name]  # type: ignore[assignment]
    return module


def to_torch(
    graph: LayerGraph,
    weights: Mapping[str, Tensor] | None = None,
    inputs: Sequence[Shape] | None = None,
    data_type: DataType = DataType.FLOAT32,
) -> Network:
    """A layer graph as modules of torch.nn where there is one, and of `bridge.port.torch_modules` elsewhere.

    `weights` are the parameters and buffers by path, of any float dtype that torch has; without them they have initial
    values. With `inputs`, the shapes of the graph's input samples, norms become nn.BatchNorm1d, 2d or 3d. Raises
    DiagramError for a graph that means nothing.

    >>> from bridge.layers import chain, linear, relu
    >>> to_torch(chain(linear(4, 8), relu()))
    Network(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
    )
    """
    check_graph(graph, "layer graph")
    ranks: list[int | None] = [None] * len(graph.nodes)
    if inputs is not None:
        count = graph.inputs + sum(node.outputs for node in graph.nodes)
        shapes = infer_shapes(replace(graph, outputs=tuple(range(count))), tuple(inputs), "layer graph")
        ranks = [len(shapes[node.inputs[0]]) for node in graph.nodes]
    network = Network(graph, [_module(node, rank) for node, rank in zip(graph.nodes, ranks, strict=True)])
    values = PortableModule(graph, data_type).state_dict() if weights is None else weights
    nodes = {node.name: node for node in graph.nodes}

    def place(name: str) -> tuple[nn.Module, str]:
        node, _, inner = name.partition(".")
        recurs = nodes[node].layer.operation in RECURRENT
        return find(network, nodes[node]), f"{inner}_l0" if recurs else inner

    for parameter in (*parameters(graph), *buffers(graph)):
        _set(*place(parameter.name), values[parameter.name])
    for tied, owner in graph.ties:
        _share(place(tied), place(owner))
    return network


RECURRENT = ("rnn", "gru", "lstm")


def _module(node: Node, rank: int | None) -> nn.Module:
    call = module_call(node.layer, rank)
    if call is not None:
        return call.make()
    if node.layer.operation in FUNCTIONS:
        return Function(node.layer)
    if node.layer.operation in RECURRENT:
        return recurrent(node.layer)
    if node.layer.operation == "parameter":
        return Learned(node.layer)
    if node.layer.operation == "constant":
        return Fixed(node.layer)
    if node.layer.operation == "multi_head_attention":
        return MultiHeadAttention(node.layer)
    if node.layer.operation in ("batch_norm", "instance_norm"):
        layer = dict(node.layer.attributes)
        made = AnyBatchNorm if node.layer.operation == "batch_norm" else AnyInstanceNorm
        return made(layer["features"], layer["eps"], layer["momentum"], layer["affine"], layer["track"])  # type: ignore[arg-type]
    raise UnsupportedError(f"layer '{node.layer.operation}'", "a layer that plain torch has", "none")


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    copy = value.detach().clone(memory_format=torch.contiguous_format)
    if name in module._buffers:
        module._buffers[name] = copy
    else:
        module._parameters[name] = nn.Parameter(copy)


def _share(tied: tuple[nn.Module, str], owner: tuple[nn.Module, str]) -> None:
    """Let a parameter or buffer be another one."""
    (module, name), (home, own) = tied, owner
    if own in home._buffers:
        module._buffers[name] = home._buffers[own]
    else:
        module._parameters[name] = home._parameters[own]

"""Ties of a layer graph as assignments in the constructor of a class."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.diagram.ir import LayerGraph, Node
from bridge.errors import UnsupportedError
from bridge.layers.graph import node_buffers, node_parameters
from bridge.port.source.python_layers import RECURRENT

__all__ = ["tie_lines"]


def tie_lines(graph: LayerGraph, paths: Mapping[str, tuple[str, ...]], where: str) -> list[str]:
    """Lines such as "self.head.weight = self.words.weight". `paths` say where the module of each node is that has its own.

    A node all of whose parameters and buffers are those of another with the same layer is that one's module.
    Raises UnsupportedError, about `where`, where torch has a parameter in one tensor with others.

    >>> from bridge.layers import GraphBuilder, embedding, linear, relu
    >>> g = GraphBuilder()
    >>> graph = g.build(g(linear(3, 5), g(embedding(5, 3), *g.inputs)), ties={"1.weight": "0.weight"})
    >>> tie_lines(graph, {"0": ("words",), "1": ("heads", "0")}, "component 'c'")
    ['self.heads[0].weight = self.words.weight']
    """
    tied, nodes = dict(graph.ties), {node.name: node for node in graph.nodes}
    lines = []
    for node in graph.nodes:
        own = {path: tied[path] for path in _paths(node) if path in tied}
        if not own or node.name not in paths:
            continue
        homes = {owner.partition(".")[0] for owner in own.values()}
        other = nodes[next(iter(homes))]
        same = [f"{other.name}.{path.partition('.')[2]}" for path in own] == list(own.values())
        if len(homes) == 1 and same and len(own) == len(_paths(node)) and node.layer == other.layer:
            lines.append(f"{_member(paths[node.name])} = {_member(paths[other.name])}")
            continue
        for path, owner in own.items():
            sides = []
            for side in (path, owner):
                name, _, inner = side.partition(".")
                operation = nodes[name].layer.operation
                if operation == "multi_head_attention":
                    raise UnsupportedError(f"{where}, tie '{path}'", "a parameter that torch has by itself", f"'{side}'")
                sides.append(f"{_member(paths[name])}.{inner}{'_l0' if operation in RECURRENT else ''}")
            lines.append(" = ".join(sides))
    return lines


def _paths(node: Node) -> list[str]:
    return [made.name for made in (*node_parameters(node), *node_buffers(node))]


def _member(path: tuple[str, ...]) -> str:
    return "self" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path)

"""Ties of a layer graph in plain Flux: arrays that stand at several places of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.diagram.ir import LayerGraph
from bridge.errors import UnsupportedError
from bridge.layers.definition import Shape
from bridge.layers.graph import node_buffers, node_parameters
from bridge.port.source.julia_tensors import flux_field, flux_order

__all__ = ["tie_pairs", "tied_nodes"]


def tied_nodes(graph: LayerGraph) -> set[str]:
    """The names of nodes that share a parameter or buffer with another."""
    return {path.partition(".")[0] for tie in graph.ties for path in tie}


def tie_pairs(graph: LayerGraph, shapes: Sequence[Shape], paths: Mapping[str, tuple[str, ...]], where: str) -> list[str]:
    """Pairs such as "m.head.weight => transpose(m.words.weight)": what is tied, and to what.

    `shapes` are those of all values, `paths` say where the module of each node is that has its own. Raises
    UnsupportedError, about `where`, where neither of the two in Flux is a view of the other.

    >>> from bridge.layers import GraphBuilder, embedding, linear, relu
    >>> g = GraphBuilder()
    >>> graph = g.build(g(linear(3, 5), g(embedding(5, 3), *g.inputs)), ties={"1.weight": "0.weight"})
    >>> tie_pairs(graph, [(), (3,), (5,)], {"0": ("words",), "1": ("heads", "1")}, "component 'c'")
    ['m.heads[1].weight => transpose(m.words.weight)']
    """
    tied, nodes = dict(graph.ties), {node.name: node for node in graph.nodes}

    def order(path: str) -> str:
        home, _, name = path.partition(".")
        return flux_order(nodes[home].layer, name, len(shapes[nodes[home].inputs[0]]))

    def array(path: str) -> str:
        home, _, name = path.partition(".")
        field = flux_field(nodes[home].layer, name, again=True)
        return _member((*paths[home], *filter(None, field.split("."))))

    pairs = []
    for node in graph.nodes:
        names = [made.name for made in (*node_parameters(node), *node_buffers(node))]
        own = {path: tied[path] for path in names if path in tied}
        if not own or node.name not in paths:
            continue
        for path, owner in own.items():
            orders = {order(path), order(owner)}
            if orders != {order(path)} and orders != {"torch's", "reversed"}:
                raise UnsupportedError(f"{where}, tie '{path}'", "a parameter that Flux has in the same order", f"'{owner}'")
        other = nodes[next(iter(own.values())).partition(".")[0]]
        same = [f"{other.name}.{path.partition('.')[2]}" for path in names] == list(own.values())
        if same and node.layer == other.layer:
            pairs.append(f"{_member(paths[node.name])} => {_member(paths[other.name])}")
            continue
        for path, owner in own.items():
            turned = order(path) != order(owner)
            pairs.append(f"{array(path)} => {f'transpose({array(owner)})' if turned else array(owner)}")
    return pairs


def _member(path: tuple[str, ...]) -> str:
    return "m" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path)

"""A layer graph taken apart: each node an arrow of its own, with the values that it is given in the graph.

So that what one runtime makes of a layer can be compared with what another does, whatever came before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bridge.diagram.builder import Builder
from bridge.diagram.divergences import mse
from bridge.diagram.ir import DataType, LayerGraph, Space
from bridge.layers.graph import node_buffers, node_parameters
from bridge.torch.batch import DTYPES
from bridge.torch.portable import PortableModule
from bridge.torch.seeds import WORD, seeded

__all__ = ["Dissected", "dissected", "random_column"]

VARIABLE = 3
"""What variable sizes are, where nothing says another one."""


def random_column(space: Space, samples: int, generator: torch.Generator) -> Tensor:
    """Samples of a space: normal numbers, indices below its classes, small whole numbers or truth values."""
    shape = (samples, *(VARIABLE if isinstance(size, str) else size for size in space.shape))
    dtype = DTYPES[space.data_type]
    if dtype is torch.bool:
        return torch.rand(shape, generator=generator) < 0.7
    if not dtype.is_floating_point:
        return torch.randint(int(space.classes or VARIABLE), shape, generator=generator, dtype=dtype)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


@dataclass(frozen=True)
class Dissected:
    """A diagram with a component for each node, in the graph's order, called "0", "1", …, and a batch for it.

    Each value of a node is the output "node value" and agrees with random numbers.
    """

    graph: LayerGraph
    builder: Builder
    batch: Mapping[str, Mapping[str, Tensor]]

    def weights(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state of the nodes' objective, from that of the graph's module."""
        found, tied = {}, dict(self.graph.ties)
        for place, node in enumerate(self.graph.nodes):
            for variable in (*node_parameters(node), *node_buffers(node)):
                found[f"components.{place}.{variable.name}"] = state[tied.get(variable.name, variable.name)]
        return found


def dissected(
    graph: LayerGraph,
    data_type: DataType,
    spaces: Sequence[Space],
    state: Mapping[str, Tensor],
    samples: int = 4,
    seed: int = 0,
) -> Dissected:
    """A graph taken apart, on random samples of its input spaces and what they become with this state in train mode."""
    generator = torch.Generator().manual_seed(seed % WORD)
    columns = [random_column(space, samples, generator) for space in spaces]
    values = [*columns, *_values(graph, data_type, columns, state, seed)]
    d, batch = Builder("layers"), dict[str, Tensor]()

    def space(name: str, value: int) -> Space:
        tensor = values[value]
        axes = [(f"a{k}", size) for k, size in enumerate(tensor.shape[1:])]
        if value < graph.inputs and spaces[value].classes:
            return d.index(name, classes=int(spaces[value].classes), dtype=spaces[value].data_type.value, axes=axes)
        return d.space(name, str(tensor.dtype).removeprefix("torch."), axes=axes)

    given: list[dict[str, Space]] = []
    wanted: list[dict[str, Space]] = []
    first = graph.inputs
    for place, node in enumerate(graph.nodes):
        given.append({f"{place}:in{k}": space(f"{place}:in{k}", value) for k, value in enumerate(node.inputs)})
        made = range(first, first + node.outputs)
        wanted.append({f"{place}:out{k}": space(f"{place}:out{k}", value) for k, value in enumerate(made)})
        batch |= {f"{place}:in{k}": values[value] for k, value in enumerate(node.inputs)}
        batch |= {
            f"{place}:out{k}": torch.randn(values[v].shape, generator=generator).to(values[v]) for k, v in enumerate(made)
        }
        first += node.outputs
    source = d.source("values", {name: space for table in (*given, *wanted) for name, space in table.items()})
    for place, (node, ins, outs) in enumerate(zip(graph.nodes, given, wanted, strict=True)):
        count = len(node.inputs)
        alone = replace(node, inputs=tuple(range(count)))
        body = LayerGraph(count, (alone,), tuple(range(count, count + node.outputs)))
        arrow = d.arrow(str(place), list(ins.values()), list(outs.values()), body)
        terms = arrow(*(source[name] for name in ins))
        for k, term in enumerate(terms if isinstance(terms, tuple) else (terms,)):
            d.agree(term, source[f"{place}:out{k}"], by=mse(), name=f"{place} {k}")
            d.output(f"{place} {k}", term)
    return Dissected(graph, d, {"values": batch})


def _values(
    graph: LayerGraph, data_type: DataType, columns: Sequence[Tensor], state: Mapping[str, Tensor], seed: int
) -> list[Tensor]:
    """What the nodes make of the columns."""
    count = graph.inputs + sum(node.outputs for node in graph.nodes)
    module = PortableModule(replace(graph, outputs=tuple(range(graph.inputs, count))), data_type)
    module.load_state_dict({path: x.to(DTYPES[data_type]) if x.is_floating_point() else x for path, x in state.items()})
    with torch.no_grad(), seeded(seed):
        made = module.train()(*columns)
    return list(made) if isinstance(made, tuple) else [made]

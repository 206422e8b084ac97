"""What porting a module gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bridge.diagram.ir import DataType, LayerGraph
from bridge.layers.definition import Shape
from bridge.port.weights import Weight
from bridge.torch.portable import PortableModule

__all__ = ["Ported"]


@dataclass(frozen=True)
class Ported:
    """A layer graph, with the numbers of its parameters and buffers by path (`0.weight`).

    `inputs` and `outputs` are the shapes of their samples. `sources` says where each path's numbers were: a parameter of
    the module's (`name`), or some `places` of one.
    """

    graph: LayerGraph
    weights: Mapping[str, Tensor] = field(repr=False)
    data_type: DataType
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    sources: Mapping[str, Weight] = field(repr=False)
    frozen: bool = False

    def module(self) -> PortableModule:
        """The graph as a torch module with these weights."""
        made = PortableModule(self.graph, self.data_type)
        made.load_state_dict(dict(self.weights))
        return made

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The paths that each parameter and buffer of the module became."""
        found: dict[str, tuple[str, ...]] = {}
        for path, source in self.sources.items():
            if source.name:  # what is computed of constants has none
                found[source.name] = (*found.get(source.name, ()), path)
        return found

    def write_back(self, weights: Mapping[str, Tensor]) -> None:
        """Put values by path into the module that was ported."""
        with torch.no_grad():
            for path, source in self.sources.items():
                source.write(weights[path])

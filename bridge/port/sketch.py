"""A layer graph that is being made of something else: steps between values, which get names and numbers at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.diagram.ir import DataType, Layer, LayerGraph, Node
from bridge.layers.definition import Shape
from bridge.port.weights import Weight

__all__ = ["Origin", "Sketch", "Step", "Value"]


@dataclass(frozen=True, eq=False)
class Value:
    """A value of the graph: the shape of a sample, and what its numbers are."""

    shape: Shape
    data_type: DataType


@dataclass(frozen=True)
class Origin:
    """Where a step comes from: the module's path, the operator, the line of source.

    `calls` are the calls of modules that it is in, from the whole module's on, each by a text of its own.
    """

    calls: tuple[str, ...] = ()
    module: str = ""
    operator: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class Step:
    """A layer applied to values, with what its parameters and buffers are.

    `label` says which one it is of those that one operator becomes.
    """

    layer: Layer
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    origin: Origin
    weights: Mapping[str, Weight] = field(default_factory=dict)
    label: str = ""


@dataclass
class Sketch:
    """Inputs, and the steps so far."""

    inputs: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def live(self, outputs: Sequence[Value]) -> list[Step]:
        """The steps that these values need, in order."""
        needed = set(outputs)
        found = []
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                found.append(step)
                needed.update(step.inputs)
        return found[::-1]

    def graph(self, steps: Sequence[Step], names: Sequence[str], outputs: Sequence[Value]) -> LayerGraph:
        """The graph of these steps, with these names of nodes."""
        numbers = {value: number for number, value in enumerate(self.inputs)}
        nodes = []
        for step, name in zip(steps, names, strict=True):
            nodes.append(Node(name, step.layer, tuple(numbers[value] for value in step.inputs), len(step.outputs)))
            for value in step.outputs:
                numbers[value] = len(numbers)
        return LayerGraph(len(self.inputs), tuple(nodes), tuple(numbers[value] for value in outputs))

"""What each portable layer is in torch's own words: generated cases, each with a reference written with `torch.nn`.

A family has a module `layer_cases_<family>` with `CASES`: for each operation a function from a number of samples to a
strategy of `Case`. `layer_parity` runs them in every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from bridge.diagram.ir import Layer

Cases = Callable[[int], st.SearchStrategy["Case"]]


@dataclass(frozen=True)
class Input:
    """An input's sample shape, and its kind: "float", "index" below `classes`, "length" from 0 to `classes`, or "mask".

    Floats are normal numbers times `scale`, or their absolute values plus `least` where that is given; `whole` ones are
    rounded, so that many are equal.
    """

    shape: tuple[int, ...]
    kind: str = "float"
    classes: int = 0
    scale: float = 2.0
    least: float | None = None
    whole: bool = False

    def draw(self, samples: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """A batch, the same numbers in every dtype."""
        shape = (samples, *self.shape)
        if self.kind == "float":
            values = torch.randn(shape, generator=generator).double() * self.scale
            values = values.round() if self.whole else values
            return (values if self.least is None else values.abs() + self.least).to(dtype)
        if self.kind == "mask":
            return torch.rand(shape, generator=generator) < 0.7
        return torch.randint(self.classes + (self.kind == "length"), shape, generator=generator)


@dataclass
class Call:
    """What a reference is called with: its layer's inputs, parameters and buffers, and what the mode says.

    A reference writes new values into `buffers` in train mode. `application` and `seed` are what a layer draws from.
    """

    inputs: Sequence[Tensor]
    parameters: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    train: bool = False
    seed: int = 0
    application: int = 0


@dataclass(frozen=True)
class Case:
    """A layer with the inputs that it is tried on; `reference(call)` gives its output, or a tuple of them."""

    layer: Layer
    inputs: tuple[Input, ...]
    reference: Callable[[Call], Any]

    def __repr__(self) -> str:
        attributes = ", ".join(f"{name}={value}" for name, value in self.layer.attributes)
        return f"{self.layer.operation}({attributes}) of {', '.join(str(i.shape) for i in self.inputs)}"


sizes = st.integers(1, 5)


def shapes(least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Sample shapes with so many axes."""
    return st.lists(sizes, min_size=least, max_size=most).map(tuple)


def one_input(layer: Layer, shape: tuple[int, ...], function: Callable[..., Any]) -> Case:
    """A layer of one float input: `function` takes it, and then the parameters in the layer's order."""
    return Case(layer, (Input(shape),), lambda call: function(call.inputs[0], *call.parameters.values()))

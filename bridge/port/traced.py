"""What is known of each tensor of a program that is being ported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from bridge.port.arrangement import Arrangement
from bridge.port.sizes import Size
from bridge.port.sketch import Value
from bridge.port.weights import Weight

__all__ = ["Filled", "Known", "Laid", "Spread", "Stacked", "Traced"]


@dataclass(frozen=True, eq=False)
class Laid:
    """A tensor over a portable value."""

    value: Value
    arrangement: Arrangement

    @property
    def shape(self) -> tuple[Size, ...]:
        """The sizes of the tensor's axes."""
        return self.arrangement.shape


@dataclass(frozen=True, eq=False)
class Stacked:
    """Tensors of one shape, side by side along a new axis, such as the states of several layers."""

    parts: tuple[Traced, ...]
    axis: int


@dataclass(frozen=True, eq=False)
class Filled:
    """A tensor that has the same number everywhere, and may have a batch axis."""

    shape: tuple[Size, ...]
    number: float


@dataclass(frozen=True, eq=False)
class Spread:
    """A parameter that stands in every sample, (batch, *sample), such as a class token."""

    weight: Weight
    shape: tuple[Size, ...]


@dataclass(frozen=True, eq=False)
class Known:
    """A constant, such as a mask in a buffer."""

    tensor: Tensor


Traced: TypeAlias = "Laid | Stacked | Filled | Known | Spread | Weight | Sequence[Traced]"

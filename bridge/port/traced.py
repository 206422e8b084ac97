"""What is known of each tensor of a program that is being ported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from bridge.port.arrangement import Arrangement
from bridge.port.sizes import Size
from bridge.port.sketch import Origin, Value
from bridge.port.weights import Weight

__all__ = ["Filled", "Flipped", "Known", "Laid", "Masked", "Spread", "Stacked", "Traced"]


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
    """A parameter or constant that stands in every sample, such as a class token; one axis is the batch."""

    weight: Weight | Known
    shape: tuple[Size, ...]


@dataclass(frozen=True, eq=False)
class Known:
    """A constant, such as a mask: a buffer or parameter `name` that stays as it is, or what is computed of constants.

    `label` is the last part of the name of what it was computed of.
    """

    tensor: Tensor
    name: str = ""
    label: str = ""


@dataclass(frozen=True, eq=False)
class Masked:
    """Scores (…, T, S) of which a softmax over S sees only those that a constant mask keeps; `normalised` is after it."""

    laid: Laid
    kept: Tensor
    origin: Origin
    normalised: bool = False


@dataclass(frozen=True, eq=False)
class Flipped:
    """A tensor the other way round along some axes, which `made` writes down where something needs it."""

    laid: Laid
    axes: frozenset[int]
    made: Callable[[], Laid]


Traced: TypeAlias = "Laid | Flipped | Masked | Stacked | Filled | Known | Spread | Weight | Sequence[Traced]"

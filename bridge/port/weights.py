"""A module's parameters on their way to portable ones: whole, or some of their numbers in another order.

A portable parameter may be a part of one of the module's (a third of a packed projection), or its transpose. Which
numbers it has is followed by doing to their places what the module does to the parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Weight"]


@dataclass(frozen=True, eq=False)
class Weight:
    """The numbers of the parameter `name` at `places` (its flattened indices, in the shape wanted), or all of it.

    >>> w = Weight("w", torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> w.rearranged(lambda t: t[1:].t()).value()
    tensor([[3.],
            [4.]])
    """

    name: str
    tensor: Tensor = field(repr=False)
    places: Tensor | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes of what is meant."""
        return tuple(self.tensor.shape if self.places is None else self.places.shape)

    def places_wanted(self) -> Tensor:
        """`places`, all of the parameter's where there are none."""
        if self.places is not None:
            return self.places
        return torch.arange(self.tensor.numel()).view(self.tensor.shape)

    def rearranged(self, change: Callable[[Tensor], Tensor]) -> Weight:
        """What a function that only moves numbers makes of it."""
        return Weight(self.name, self.tensor, change(self.places_wanted()))

    def value(self) -> Tensor:
        """The numbers, in memory of their own."""
        whole = self.tensor.detach().cpu()
        return (whole if self.places is None else whole.flatten()[self.places]).clone(
            memory_format=torch.contiguous_format
        )

    def same(self, other: Weight) -> bool:
        """Whether both are the same numbers of the same parameter."""
        if self.tensor is not other.tensor or self.shape != other.shape:
            return False
        return self.places is other.places or torch.equal(self.places_wanted(), other.places_wanted())

    @property
    def count(self) -> int:
        """How many numbers are meant."""
        return self.tensor.numel() if self.places is None else self.places.numel()

    def write(self, value: Tensor) -> None:
        """Put these values where the numbers came from."""
        with torch.no_grad():
            if self.places is None:
                self.tensor.copy_(value)
            else:
                self.tensor.view(-1)[self.places.flatten().to(self.tensor.device)] = value.flatten().to(
                    self.tensor.device, self.tensor.dtype
                )

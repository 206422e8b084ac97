"""Sizes of axes as monomials: a number times variables, one of which may stand for the size of the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["BATCH_SIZE", "ONE", "Size", "fixed", "product"]


class Size(NamedTuple):
    """`number` times each of `variables`, which are sorted and may repeat. The variable "" is the batch's size.

    >>> Size(6).over(Size(2)), Size(6, ("",)).over(Size(4)), str(Size(2, ("", "steps")))
    (Size(number=3, variables=()), None, '2·batch·steps')
    """

    number: int = 1
    variables: tuple[str, ...] = ()

    def times(self, other: Size) -> Size:
        """The product."""
        return Size(self.number * other.number, tuple(sorted((*self.variables, *other.variables))))

    def over(self, other: Size) -> Size | None:
        """The quotient, or None where there is none."""
        mine, others = Counter(self.variables), Counter(other.variables)
        if other.number == 0 or self.number % other.number or others - mine:
            return None
        return Size(self.number // other.number, tuple(sorted((mine - others).elements())))

    @property
    def axis(self) -> int | str:
        """As a layer's shape has it: a number, or the name of a variable."""
        return self.number if not self.variables else str(self)

    def __str__(self) -> str:
        names = [name or "batch" for name in self.variables]
        return "·".join(names if names and self.number == 1 else [str(self.number), *names])


ONE = Size()
BATCH_SIZE = Size(1, ("",))


def fixed(sizes: Iterable[int | str]) -> tuple[Size, ...]:
    """The sizes of a sample's axes, numbers or names of variables."""
    return tuple(Size(size) if isinstance(size, int) else Size(1, (size,)) for size in sizes)


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes.

    >>> product([Size(2), BATCH_SIZE, Size(3)])
    Size(number=6, variables=('',))
    """
    total = ONE
    for size in sizes:
        total = total.times(size)
    return total

"""How a framework's tensor lies over a portable value.

A portable value is known by its sample alone, without a batch axis. A tensor of a framework has the batch somewhere
among its axes, or folded into one of them: attention in torch works on (batch·heads, steps, width), say. Both are
products of the same *factors*, so that views, transpositions and expansions of a tensor are bookkeeping, and a layer
that shuffles numbers is written only where one is needed.

>>> from bridge.port.sizes import fixed
>>> a = Arrangement.plain(fixed((7, 6)))                    # (batch, 7, 6) over a sample (7, 6)
>>> a = a.viewed([BATCH_SIZE, Size(7), Size(2), Size(3)]).permuted((0, 2, 1, 3))
>>> a = a.viewed([Size(2, ("",)), Size(7), Size(3)])        # two heads beside the batch
>>> [str(size) for size in a.shape], a.is_plain
(['2·batch', '7', '3'], False)
>>> a.viewed([Size(7, ("",)), Size(6)]) is None             # the heads do not lie beside the last axis
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from bridge.port.sizes import BATCH_SIZE, ONE, Size, product

__all__ = ["BATCH", "Arrangement", "Factor", "Group", "Kind", "group"]


class Kind(Enum):
    """What runs along a factor."""

    BATCH = "the samples of a batch"
    SAMPLE = "numbers of the sample"
    COPIES = "copies of the same numbers"


@dataclass(frozen=True, eq=False)
class Factor:
    """A part of an axis. Two factors are the same only if they are one object."""

    size: Size
    kind: Kind = Kind.SAMPLE


Group = tuple[Factor, ...]
"""What an axis is made of, the slowest factor first; an axis of size 1 is made of nothing."""

BATCH = Factor(BATCH_SIZE, Kind.BATCH)


def group(size: Size) -> Group:
    """A new axis of a sample."""
    return () if size == ONE else (Factor(size),)


@dataclass(frozen=True)
class Arrangement:
    """The axes of a tensor, and those of the sample below it, in terms of the same factors."""

    axes: tuple[Group, ...]
    sample: tuple[Group, ...]

    @staticmethod
    def plain(sizes: Sequence[Size]) -> Arrangement:
        """Of a tensor (batch, *sizes) over a sample of these sizes."""
        sample = tuple(map(group, sizes))
        return Arrangement(((BATCH,), *sample), sample)

    @property
    def shape(self) -> tuple[Size, ...]:
        """The sizes of the tensor's axes."""
        return tuple(product(factor.size for factor in axis) for axis in self.axes)

    @property
    def is_plain(self) -> bool:
        """Whether the tensor is (batch, *sample)."""
        return self.axes == ((BATCH,), *self.sample)

    @property
    def batch_axis(self) -> int | None:
        """The axis that has the batch in it, alone or with others; None where the tensor was made of no batch."""
        return next((place for place, axis in enumerate(self.axes) if BATCH in axis), None)

    @property
    def is_batch_first(self) -> bool:
        """Whether the first axis is the batch and nothing else."""
        return bool(self.axes) and self.axes[0] == (BATCH,)

    def rest(self) -> tuple[Group, ...]:
        """The axes without the batch; an axis that is nothing else is left out.

        >>> len(Arrangement.plain([Size(7), Size(6)]).viewed([Size(7, ("",)), Size(6)]).rest())
        2
        """
        return tuple(tuple(f for f in axis if f is not BATCH) for axis in self.axes if axis != (BATCH,))

    def permuted(self, order: Sequence[int]) -> Arrangement:
        """The axes in another order."""
        return replace(self, axes=tuple(self.axes[place] for place in order))

    def inserted(self, place: int) -> Arrangement:
        """With a new axis of size 1 before this one."""
        return replace(self, axes=(*self.axes[:place], (), *self.axes[place:]))

    def removed(self, place: int) -> Arrangement:
        """Without an axis, which has to be of size 1 or of copies."""
        assert all(factor.kind is Kind.COPIES for factor in self.axes[place])
        return replace(self, axes=(*self.axes[:place], *self.axes[place + 1 :]))

    def removed_batch(self) -> Arrangement:
        """Of the same numbers without an axis for the batch, where that is the first one."""
        assert self.is_batch_first
        return replace(self, axes=self.axes[1:])

    def expanded(self, sizes: Sequence[Size]) -> Arrangement:
        """Axes of size 1 with as many copies as the new sizes say; new axes come first."""
        old = ((),) * (len(sizes) - len(self.axes)) + self.axes
        old_sizes = [product(factor.size for factor in axis) for axis in old]
        return replace(
            self,
            axes=tuple(
                axis if had == wanted else (Factor(wanted, Kind.COPIES),)
                for axis, had, wanted in zip(old, old_sizes, sizes, strict=True)
            ),
        )

    def with_factor(self, old: Factor, new: Group) -> Arrangement:
        """Other factors in the place of one."""
        axes, sample = (
            tuple(tuple(part for factor in axis for part in (new if factor is old else (factor,))) for axis in axes)
            for axes in (self.axes, self.sample)
        )
        return Arrangement(axes, sample)

    def viewed(self, sizes: Sequence[Size]) -> Arrangement | None:
        """The same numbers in the same order with axes of other sizes; None where an axis would mix batch and sample."""
        made = self
        groups: list[Group] = []
        queue = [factor for axis in self.axes for factor in axis]
        for wanted in sizes:
            taken: list[Factor] = []
            while wanted != ONE:
                if not queue:
                    return None
                factor = queue.pop(0)
                rest = wanted.over(factor.size)
                if rest is None:
                    outer, inner = wanted, factor.size.over(wanted)
                    if inner is None or factor.kind is Kind.BATCH:
                        return None
                    halves = (Factor(outer, factor.kind), Factor(inner, factor.kind))
                    made = made.with_factor(factor, halves)
                    queue[:0] = halves[1:]
                    factor, rest = halves[0], ONE
                taken.append(factor)
                wanted = rest
            groups.append(tuple(taken))
        return None if queue else replace(made, axes=tuple(groups))

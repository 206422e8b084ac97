"""Who owns what across the border: the release queue, and torch tensors over memory that Julia lends.

An object may be dropped anywhere (in another thread, in the middle of an allocation, in a forked child), where Julia must
not be called. So its id is only put in a queue, which the next call drains.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
import torch

__all__ = ["Held", "ReleaseQueue", "borrow"]

_TYPE_STRINGS = {
    torch.float32: "<f4",
    torch.float64: "<f8",
    torch.int32: "<i4",
    torch.int64: "<i8",
    torch.bool: "|b1",
}


class Held:
    """Something that Julia keeps under `id` for as long as this object lives; made by `ReleaseQueue.hold`."""

    __slots__ = ("__weakref__", "id")

    id: int


class ReleaseQueue:
    """What Julia may let go of: `ids` of the weak references to objects alive and, in `dropped`, those to dropped ones.

    The reference's callback is C code. A `__del__` in Python is where a signal's handler may run, and what that raises
    (Ctrl-C) is lost there.
    """

    __slots__ = ("dropped", "ids")

    def __init__(self) -> None:
        self.ids: dict[ref[Held], int] = {}
        self.dropped: deque[ref[Held]] = deque()

    def hold(self, id: int) -> Held:
        """A handle whose end puts the id in the queue."""
        held = Held()
        held.id = id
        self.ids[ref(held, self.dropped.append)] = id
        return held

    def drain(self, release: Callable[[int], object]) -> None:
        """Release what has been dropped; what an exception interrupts is released the next time."""
        while self.dropped:
            reference = self.dropped[0]
            release(self.ids[reference])
            del self.dropped[0], self.ids[reference]


class _Lent:
    """Memory of Julia's, in NumPy's array interface; it keeps its owner alive."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, address: int, shape: tuple[int, ...], type_string: str, owner: object) -> None:
        self.owner = owner
        self.__array_interface__: dict[str, Any] = {
            "data": (address, False),
            "shape": shape,
            "typestr": type_string,
            "version": 3,
        }


def borrow(address: int, shape: tuple[int, ...], dtype: torch.dtype, owner: object) -> torch.Tensor:
    """A tensor of `shape` (row-major) over memory of Julia's at `address`; `owner` lives as long as its storage."""
    if math.prod(shape) == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.asarray(_Lent(address, shape, _TYPE_STRINGS[dtype], owner)))

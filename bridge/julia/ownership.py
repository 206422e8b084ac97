"""Who owns what across the border: the release queue, and torch tensors over memory that Julia lends.

A finaliser may run anywhere (in another thread, in the middle of an allocation, in a forked child), where Julia must not
be called. So it only appends an id to a queue, which the next call drains.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import torch

__all__ = ["Held", "ReleaseQueue", "borrow"]

ReleaseQueue = deque[int]
"""Ids that Julia may let go of. `deque.append` is atomic."""

_TYPE_STRINGS = {
    torch.float32: "<f4",
    torch.float64: "<f8",
    torch.int32: "<i4",
    torch.int64: "<i8",
    torch.bool: "|b1",
}


class Held:
    """Something that Julia keeps under `id` for as long as this object lives."""

    __slots__ = ("__weakref__", "id", "queue")

    def __init__(self, id: int, queue: ReleaseQueue) -> None:
        self.id = id
        self.queue = queue

    def __del__(self) -> None:
        self.queue.append(self.id)


class _Lent:
    """Memory of Julia's, in NumPy's array interface; it keeps its owner alive."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, address: int, shape: tuple[int, ...], type_string: str, owner: Held) -> None:
        self.owner = owner
        self.__array_interface__: dict[str, Any] = {
            "data": (address, False), "shape": shape, "typestr": type_string, "version": 3}


def borrow(address: int, shape: tuple[int, ...], dtype: torch.dtype, owner: Held) -> torch.Tensor:
    """A tensor of `shape` (row-major) over memory of Julia's at `address`; `owner` lives as long as its storage."""
    if math.prod(shape) == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.asarray(_Lent(address, shape, _TYPE_STRINGS[dtype], owner)))

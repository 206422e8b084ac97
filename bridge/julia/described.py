"""What Julia passes and is answered in C: descriptors read into tensors, results written into slots (docs/abi.md).

Memory of Julia's is only lent. The tensors over what one call passes share a `Loan`: as long as it lives, some tensor
(a module may have kept its input) may still look at that memory.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridge.errors import UnsupportedError
from bridge.julia.ownership import borrow
from bridge.julia.structures import (
    ABSENT,
    ALIAS,
    DATA,
    DATA_TYPES,
    DESCRIPTOR_SIZE,
    KIND,
    OWNED,
    SHAPE,
    SLOT_SIZE,
    TYPE,
    VALUE,
    VIEW,
)

__all__ = [
    "Described",
    "Loan",
    "Span",
    "answer_absent",
    "answer_alias",
    "answer_owned",
    "bytes_at",
    "described",
    "span",
    "words_at",
]

_WORDS, _SLOT_WORDS = DESCRIPTOR_SIZE // 8, SLOT_SIZE // 8
_CODES = {dtype: code | bits << 8 | 1 << 16 for (code, bits), dtype in DATA_TYPES.items()}
_CPU = 1


class Loan:
    """What tensors over memory of Julia's hold while they live."""

    __slots__ = ("__weakref__",)


class Span(NamedTuple):
    """The bytes from `first` up to, and not including, `last`."""

    first: int
    last: int

    def overlaps(self, other: Span) -> bool:
        """Whether they share a byte."""
        return self.first < other.last and other.first < self.last


class Described(NamedTuple):
    """A tensor as Julia describes it: contiguous, row-major."""

    address: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def span(self) -> Span:
        """Its bytes."""
        return Span(self.address, self.address + math.prod(self.shape) * self.dtype.itemsize)

    def borrow(self, loan: Loan) -> Tensor:
        """A tensor over that memory, which holds the loan."""
        return borrow(self.address, self.shape, self.dtype, loan)


def words_at(address: int, count: int) -> Any:
    """Words of memory of Julia's."""
    return (ctypes.c_int64 * count).from_address(address) if count else ()


def bytes_at(address: int, count: int) -> Any:
    """Bytes of memory of Julia's."""
    return (ctypes.c_uint8 * count).from_address(address) if count else ()


def described(address: int, count: int) -> list[Described | None]:
    """The descriptors at an address; None for one of rank −1.

    Raises UnsupportedError for memory that is not the CPU's, and for element types that do not cross.
    """
    words = words_at(address, count * _WORDS)
    found: list[Described | None] = []
    for start in range(0, count * _WORDS, _WORDS):
        data, device, kind, shape = words[start : start + 4]
        rank = ctypes.c_int32(kind).value
        if rank < 0:
            found.append(None)
            continue
        dtype = DATA_TYPES.get((kind >> 32 & 0xFF, kind >> 40 & 0xFF))
        if dtype is None or device & 0xFFFFFFFF != _CPU:
            raise UnsupportedError("a tensor of Julia's", "one on the CPU of an accepted type", f"type {kind:#x}")
        found.append(Described(data, tuple(words_at(shape, rank)), dtype))
    return found


def span(tensor: Tensor) -> Span:
    """The bytes of a contiguous tensor."""
    start = tensor.data_ptr()
    return Span(start, start + tensor.numel() * tensor.element_size())


def answer_absent(slots: Any, k: int) -> None:
    """There is no result: a gradient that is zero or was not wanted."""
    slots[k * _SLOT_WORDS + KIND] = ABSENT


def answer_alias(slots: Any, k: int, number: int, shape: Sequence[int], of: Sequence[int]) -> None:
    """The result is the caller's tensor of that number, which has the shape `of`."""
    start = k * _SLOT_WORDS
    slots[start + VALUE] = number
    if tuple(shape) == tuple(of):
        slots[start + KIND] = ALIAS
    else:
        slots[start + KIND] = VIEW
        _write_shape(slots, start, shape)


def answer_owned(slots: Any, k: int, tensor: Tensor, owner: int) -> None:
    """The result lies in torch's memory until `owner` is released."""
    start = k * _SLOT_WORDS
    slots[start + KIND], slots[start + VALUE], slots[start + DATA] = OWNED, owner, tensor.data_ptr()
    slots[start + TYPE] = tensor.dim() | _CODES[tensor.dtype] << 32
    _write_shape(slots, start, tensor.shape)


def _write_shape(slots: Any, start: int, shape: Sequence[int]) -> None:
    rank = len(shape)
    slots[start + TYPE] = slots[start + TYPE] & ~0xFFFFFFFF | rank
    if rank:
        words_at(slots[start + SHAPE], rank)[:] = tuple(shape)

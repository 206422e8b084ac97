"""The C structures of the ABI as 64-bit words, and the memory of one call (docs/abi.md).

A call from Python says which island it means and how, and needs a slot for each result and room for the descriptors of its
tensors: they lie in one block of words, a *frame*, which is set up once. A frame is taken for a call and put back, so
that nested calls have frames of their own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["ABI_VERSION", "DATA_TYPES", "DESCRIPTOR_SIZE", "MODE_SIZE", "SLOT_SIZE", "Frame", "slot"]

ABI_VERSION = 1
OK, ERROR, INTERRUPTED, UNSUPPORTED, BUSY = 0x0B51, 0x0B52, 0x0B53, 0x0B54, 0x0B55
"""What a call returns. A Python callback that raises returns garbage such as 0 or −1, so none of these is near."""

TRAIN, GRAD, CONSTANT, SEEDED, ONCE = 1, 2, 4, 8, 16
"""Bits of a mode's flags: train mode; a way back may be asked for (set by Julia, whoever drives); no gradient of an input
will be asked for; torch's generator is seeded for the call; one way back at most will be asked for."""

FILLED, ALIAS, VIEW, OWNED, ABSENT = range(5)
"""What a slot answers: the memory given is filled; it is the caller's tensor of a number, as it is or in another shape; it
lies in memory that is the callee's until an id is released; there is none (zero)."""

DESCRIPTOR_SIZE, MODE_SIZE, SLOT_SIZE = 48, 24, 64
MAX_AXES = 16

_HEAD, _SLOT, _DESCRIPTOR = 4, SLOT_SIZE // 8, DESCRIPTOR_SIZE // 8
SLOTS_OFFSET = 8 * _HEAD
"""Where a frame's slots begin, in bytes: behind island, flags, application (0) and the number of slots."""

DATA, TYPE, SHAPE, KIND, VALUE = 0, 2, 3, 6, 7
"""Words of a slot: where it is, rank and element type, the address of its sizes, the answer and its number."""

DATA_TYPES = {
    (2, 32): torch.float32,
    (2, 64): torch.float64,
    (0, 32): torch.int32,
    (0, 64): torch.int64,
    (6, 8): torch.bool,
}
"""DLPack's type code and bits, and what they are in torch: the element types that cross."""


class Frame:
    """The words of one call with `slots` results and `tensors` arguments, of which `inputs` are inputs.

    `address` is that of the first word, `call` the function that the session binds to it.
    """

    __slots__ = ("address", "call", "inputs", "sizes", "slots", "words")

    call: Callable[..., Any]

    def __init__(self, island: int, flags: int, slots: int, tensors: int, inputs: int = 0) -> None:
        self.slots, self.inputs = slots, inputs
        self.sizes = _HEAD + slots * _SLOT
        self.words = (ctypes.c_int64 * (self.sizes + slots * MAX_AXES + tensors * _DESCRIPTOR))()
        self.address = ctypes.addressof(self.words)
        self.words[:_HEAD] = [island, flags, 0, slots]
        for k in range(slots):
            self.words[slot(k) + SHAPE] = self.address + 8 * (self.sizes + MAX_AXES * k)

    def shape(self, k: int) -> tuple[int, ...]:
        """The sizes that the callee wrote for result `k`, row-major."""
        rank = self.words[slot(k) + TYPE] & 0xFFFFFFFF
        start = self.sizes + MAX_AXES * k
        return tuple(self.words[start : start + rank])

    def data_type(self, k: int) -> torch.dtype:
        """The element type that the callee wrote for result `k`."""
        word = self.words[slot(k) + TYPE]
        return DATA_TYPES[word >> 32 & 0xFF, word >> 40 & 0xFF]


def slot(k: int) -> int:
    """The first word of slot `k`."""
    return _HEAD + k * _SLOT

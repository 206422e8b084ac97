"""The C structures of the ABI as 64-bit words, and the memory of one call (docs/abi.md).

One call needs a mode, the id of its tape, and a slot for each result: they lie in one block of words, a *frame*, whose
addresses are computed once. A frame is taken for a call and put back, so that nested calls have frames of their own.
"""

from __future__ import annotations

import ctypes
from typing import TypeAlias

import torch

__all__ = ["ABI_VERSION", "DATA_TYPES", "DESCRIPTOR_SIZE", "MODE_SIZE", "SLOT_SIZE", "Frame", "Words", "slot"]

ABI_VERSION = 1
OK, ERROR, INTERRUPTED, UNSUPPORTED = 0x0B51, 0x0B52, 0x0B53, 0x0B54
"""What a call returns. A Python callback that raises returns garbage such as 0 or −1, so none of these is near."""

TRAIN, GRAD, CONSTANT = 1, 2, 4
"""Bits of a mode's flags: train mode, whether a tape is wanted, whether no gradient of an input will be asked for."""

FILLED, ALIAS, VIEW, OWNED, ABSENT = range(5)
"""What a slot answers: the memory given is filled; it is the caller's tensor of a number, as it is or in another shape; it
lies in memory that is the callee's until an id is released; there is none (zero)."""

DESCRIPTOR_SIZE, MODE_SIZE, SLOT_SIZE = 48, 24, 64
MAX_AXES = 16

FLAGS, SEED, APPLICATION, TAPE, RELEASE = range(5)
"""Words of a frame before its slots; RELEASE is an id that the callee may let go of first, or 0."""
TAPE_OFFSET, SLOTS_OFFSET = 8 * TAPE, 8 * 5
"""Where the tape's id and the slots are, in bytes."""

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


Words: TypeAlias = "ctypes.Array[ctypes.c_int64]"


class Frame:
    """The words of one call with `slots` results; `address` is that of its mode."""

    __slots__ = ("address", "sizes", "slots", "words")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.sizes = SLOTS_OFFSET // 8 + slots * (SLOT_SIZE // 8)
        self.words = (ctypes.c_int64 * (self.sizes + slots * MAX_AXES))()
        self.address = ctypes.addressof(self.words)
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
    return SLOTS_OFFSET // 8 + k * (SLOT_SIZE // 8)

"""How Python calls Julia's C functions, each bound to the memory of one call (a `Frame`).

    forward(tape, seed, needs, rooms, *tensors)
    backward(tape, keep, needs, rooms, *gradients)

`tape` is the number under which Julia keeps what the way back needs, in the place of what it kept under it before (0: none
is wanted), `rooms` a tuple of tensors (or `None`) to write results into, or `None`. `needs` says for each argument of an
autograd function, the seed first, whether its gradient is wanted, and is `None` where nothing is recorded; without `keep`
the tape is let go of.

Both answer with the results as a tuple, backward with `None` for the seed in front, where each is one of `rooms`, one of the
tensors passed, or absent (`None`); with the status OK where the frame's slots have to be read; or with another status.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence

from torch import Tensor

from bridge.julia.exchange import descriptors
from bridge.julia.structures import CONSTANT, DATA, OK, SLOTS_OFFSET, VALUE, Frame, slot

__all__ = ["Answer", "Binder", "builtin_binder", "can_be_builtin", "describing_backward", "describing_forward"]

Answer = tuple[Tensor | None, ...] | int
Binder = Callable[[Frame], Callable[..., Answer]]
"""Makes the function that calls with a frame."""

_METH_FASTCALL = 0x0080


class _MethodDefinition(ctypes.Structure):
    """Python's `PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


def can_be_builtin(known: dict[str, int]) -> bool:
    """Whether Julia can be a builtin function: in CPython, where torch describes its tensors to C."""
    return sys.implementation.name == "cpython" and "dltensor_from_py_object_no_sync" in known


def builtin_binder(name: str, address: int) -> Binder:
    """Binds the C function at `address` as a builtin function: no `ctypes` lies between Python and Julia.

    The frame's address is the function's `self`.
    """
    definition = _MethodDefinition(name.encode(), address, _METH_FASTCALL, None)
    _definitions.append(definition)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    at = ctypes.addressof(definition)
    return lambda frame: new(at, frame.address, None)


_definitions: list[_MethodDefinition] = []  # CPython keeps their addresses, for ever


def describing_forward(vtable_forward: Callable[..., int]) -> Binder:
    """Binds the vtable's forward, with descriptors written here."""

    def bind(frame: Frame) -> Callable[..., Answer]:
        island, flags, _, _ = frame.words[:4]
        mode = (ctypes.c_uint64 * 3)(flags, 0, 0)
        slots = frame.address + SLOTS_OFFSET

        def call(
            tape: int,
            seed: int,
            needs: tuple[bool, ...] | None,
            rooms: Sequence[Tensor | None] | None,
            *tensors: Tensor,
        ) -> int:
            words = descriptors(tensors)
            mode[0] = flags if needs is None or any(needs[1 : frame.inputs + 1]) else flags | CONSTANT
            mode[1] = seed
            _offer(frame, rooms)
            at, room = ctypes.addressof(words), ctypes.addressof(mode)
            return vtable_forward(island, room, len(tensors), at, frame.slots, slots, tape)

        return call

    return bind


def describing_backward(vtable_backward: Callable[..., int], release: Callable[[int], int]) -> Binder:
    """Binds the vtable's backward, likewise."""

    def bind(frame: Frame) -> Callable[..., Answer]:
        island, slots = frame.words[0], frame.address + SLOTS_OFFSET

        def call(
            tape: int,
            keep: bool,
            needs: tuple[bool, ...],
            rooms: Sequence[Tensor | None] | None,
            *gradients: Tensor | None,
        ) -> int:
            words = descriptors(gradients)
            _offer(frame, rooms)
            at = ctypes.addressof(words)
            status = vtable_backward(island, tape, len(gradients), at, frame.slots, slots, bytes(needs[1:]))
            if status == OK and not keep:
                release(tape)
            return status

        return call

    return bind


def _offer(frame: Frame, rooms: Sequence[Tensor | None] | None) -> None:
    for k in range(frame.slots):
        room = None if rooms is None else rooms[k]
        frame.words[slot(k) + DATA] = 0 if room is None else room.data_ptr()
        frame.words[slot(k) + VALUE] = 0 if room is None else room.nbytes

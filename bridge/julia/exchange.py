"""The C functions that a tensor is described with, and where they are found.

torch ≥ 2.10 has DLPack's exchange functions: Julia asks them about each tensor of a call, at some 0.1 µs each. Older
releases have their tensors described here, at some 2 µs each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from bridge.julia.shared import shared_functions
from bridge.julia.structures import DATA_TYPES, DESCRIPTOR_SIZE
from bridge.julia.tensors import PLAIN

__all__ = ["descriptors", "symbols"]

_REFUSED = {
    (0, 8): torch.int8,
    (0, 16): torch.int16,
    (1, 8): torch.uint8,
    (2, 16): torch.float16,
    (4, 16): torch.bfloat16,
    (5, 64): torch.complex64,
    (5, 128): torch.complex128,
}  # named, so that a refusal can say what was found
_CODES = {dtype: code | bits << 8 | 1 << 16 for (code, bits), dtype in (*DATA_TYPES.items(), *_REFUSED.items())}
_DESCRIPTOR_WORDS = DESCRIPTOR_SIZE // 8
_CPU, _ELSEWHERE = 1, 0
_is_negative = Tensor.is_neg  # kept here: its address is given away
_PYTHON_FUNCTIONS = (
    "PyErr_CheckSignals",
    "PyErr_Clear",
    "PyErr_Occurred",
    "PyObject_CallOneArg",
    "Py_DecRef",
    "Py_IncRef",
    "PyLong_AsUnsignedLongLongMask",
    "PyLong_FromLong",
    "PyTuple_GetItem",
    "PyTuple_New",
    "PyTuple_SetItem",
)
_FROM_OBJECT = 5  # the place of dltensor_from_py_object_no_sync in dlpack.h's DLPackExchangeAPI, in words


def symbols() -> dict[str, int]:
    """Addresses of C functions and objects that Julia calls or compares with, by name."""
    found = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _PYTHON_FUNCTIONS}
    objects = {
        "_Py_NoneStruct": None,
        "_Py_TrueStruct": True,
        "torch.Tensor": Tensor,
        "torch.nn.Parameter": Parameter,
        "torch.Tensor.is_neg": _is_negative,
    }
    found.update((name, id(thing)) for name, thing in objects.items())
    # The type is the last field of an object's head, in every build of CPython.
    found["offsetof(PyObject, ob_type)"] = object.__basicsize__ - ctypes.sizeof(ctypes.c_void_p)
    found.update(_exchange())
    found.update(shared_functions())
    return found


def _exchange() -> dict[str, int]:
    capsule = getattr(Tensor, "__dlpack_c_exchange_api__", None)
    if capsule is None:
        return {}
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    words = (ctypes.c_uint64 * (_FROM_OBJECT + 1)).from_address(pointer(capsule, b"dlpack_exchange_api"))
    major = words[0] & 0xFFFFFFFF
    return {"dltensor_from_py_object_no_sync": words[_FROM_OBJECT]} if major == 1 and words[_FROM_OBJECT] else {}


def descriptors(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_uint64]:
    """dlpack.h's DLTensor of each tensor, and behind them their shapes and strides; `None` has rank −1.

    The array holds addresses into itself and must live as long as it is used.
    """
    ranks = [0 if t is None else t.dim() for t in tensors]
    words = (ctypes.c_uint64 * (_DESCRIPTOR_WORDS * len(tensors) + 2 * sum(ranks)))()
    sizes = _DESCRIPTOR_WORDS * len(tensors)
    base = ctypes.addressof(words)
    for k, (tensor, rank) in enumerate(zip(tensors, ranks, strict=True)):
        start = _DESCRIPTOR_WORDS * k
        plain = tensor is None or (tensor.device.type == "cpu" and type(tensor) in PLAIN and not tensor.is_neg())
        words[start + 1] = _CPU if plain else _ELSEWHERE
        if tensor is None:
            words[start + 2] = 0xFFFFFFFF
            continue
        words[start] = tensor.data_ptr()
        words[start + 2] = rank | _CODES.get(tensor.dtype, 0) << 32
        words[start + 3] = base + 8 * sizes
        words[start + 4] = base + 8 * (sizes + rank)
        for i, value in enumerate((*tensor.shape, *tensor.stride())):
            words[sizes + i] = value
        sizes += 2 * rank
    return words

"""Which tensors cross as they are, which are mended by a counted copy, and which are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.errors import UnsupportedError
from bridge.julia.structures import DATA_TYPES

__all__ = ["PLAIN", "Copies", "MendableError", "mend", "mend_one"]

PLAIN = frozenset({Tensor, torch.nn.Parameter})
"""The types whose memory is what it says; a subclass may compute its elements."""

_ACCEPTED = frozenset(DATA_TYPES.values())
_ALIGNMENT = 16  # BLAS results change bits at 4 and 8 bytes


class MendableError(Exception):
    """A tensor can't be passed as it is. It never leaves `bridge.julia`: `mend` copies the tensor or refuses it by name."""


@dataclass
class Copies:
    """How many tensors were copied because they could not be shared as they were, and their bytes."""

    number: int = 0
    bytes: int = 0

    def count(self, tensor: Tensor) -> Tensor:
        """Count a tensor that was made as a copy."""
        self.number += 1
        self.bytes += tensor.numel() * tensor.element_size()
        return tensor


def mend(tensors: Sequence[Tensor | None], what: str, copies: Copies) -> tuple[Tensor | None, ...]:
    """The tensors with those that can't cross as they are copied; `what` names them in errors.

    A tensor that no copy can mend raises UnsupportedError.
    """
    return tuple(None if t is None else mend_one(t, f"{what} {k + 1}", copies) for k, t in enumerate(tensors))


def mend_one(tensor: Tensor, element: str, copies: Copies) -> Tensor:
    """The same for one tensor; `element` names it."""
    if not isinstance(tensor, Tensor):
        raise UnsupportedError(element, "a torch tensor", type(tensor).__name__)
    functorch = torch._C._functorch
    if functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor):
        raise UnsupportedError(
            element, "an ordinary tensor", "one inside vmap or another functional transform of torch.func"
        )
    if type(tensor) not in PLAIN:
        raise UnsupportedError(element, "an ordinary tensor", f"an instance of its subclass {type(tensor).__name__}")
    if tensor.layout != torch.strided:
        raise UnsupportedError(element, "a dense tensor", f"one of layout {tensor.layout}")
    if tensor.device.type != "cpu":
        raise UnsupportedError(
            element, "a tensor on the CPU (or allow_device_copy=True, which copies)", f"one on {tensor.device}"
        )
    if tensor.dtype not in _ACCEPTED:
        raise UnsupportedError(element, "float32, float64, int32, int64 or bool", str(tensor.dtype).removeprefix("torch."))
    if tensor.is_neg():
        tensor = copies.count(tensor.resolve_neg())
    if not tensor.is_contiguous() or tensor.data_ptr() % _ALIGNMENT:
        tensor = copies.count(tensor.clone(memory_format=torch.contiguous_format))
    return tensor

"""Reading a batch: each column is checked against its space before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from bridge.diagram.ir import DataType, Space
from bridge.errors import BatchError

__all__ = ["DTYPES", "Batch", "Bindings", "as_tensor", "check_indices", "describe", "fits", "found", "loader"]

Batch: TypeAlias = Mapping[str, Mapping[str, Any]]
"""`{source: {column: array}}`, torch tensors or NumPy arrays with the batch axis first."""

Bindings: TypeAlias = "dict[str, int]"
"""The size that each axis variable has in this batch."""

DTYPES: dict[DataType, torch.dtype] = {
    DataType.FLOAT32: torch.float32,
    DataType.FLOAT64: torch.float64,
    DataType.INT32: torch.int32,
    DataType.INT64: torch.int64,
    DataType.BOOL: torch.bool,
}


def loader(source: str, column: str, space: Space) -> Callable[[Batch, dict[str, int], Bindings], Tensor]:
    """The function that takes one column out of a batch, and refuses what does not fit its space.

    It is called with the batch, the first sizes of the sources seen so far and the axis variables bound so far; it
    adds to both. Raises `BatchError` naming the column.
    """
    element = f"column '{source}.{column}'"
    check = fits(space)

    def load(batch: Batch, lengths: dict[str, int], bindings: Bindings) -> Tensor:
        columns = batch.get(source) if isinstance(batch, Mapping) else None
        if not isinstance(columns, Mapping) or column not in columns:
            raise _missing(batch, source, column)
        array = columns[column]
        value = array if isinstance(array, Tensor) else as_tensor(array, element)
        shape = value.shape
        if not shape or not check(value, shape[0], bindings):
            raise BatchError(element, describe(space, bindings), found(value))
        if lengths.setdefault(source, shape[0]) != shape[0]:
            raise BatchError(element, f"{lengths[source]} samples, as in the columns before it", f"{shape[0]}")
        if space.classes:
            check_indices(value, space, element)
        return value

    return load


def as_tensor(array: object, element: str) -> Tensor:
    """A tensor of a NumPy array, over the same memory where it may be written to."""
    if not isinstance(array, np.ndarray):
        raise BatchError(element, "a torch tensor or a NumPy array", type(array).__name__)
    dtype = array.dtype
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    try:
        return torch.from_numpy(array)
    except TypeError:
        raise BatchError(element, "a dtype that torch has", f"a NumPy array of {dtype}") from None


def fits(space: Space) -> Callable[[Tensor, int, Bindings], bool]:
    """A function that tells whether a tensor is a batch of so many samples of a space; it binds axis variables."""
    dtype = DTYPES[space.data_type]
    tail = space.shape
    if not any(isinstance(size, str) for size in tail):

        def fixed(value: Tensor, samples: int, bindings: Bindings) -> bool:
            shape = value.shape
            return value.dtype is dtype and shape[0] == samples and shape[1:] == tail if shape else False

        return fixed

    def variable(value: Tensor, samples: int, bindings: Bindings) -> bool:
        shape = value.shape
        if value.dtype is not dtype or len(shape) != 1 + len(tail) or shape[0] != samples:
            return False
        # Bound only if all axes fit, so that a refusal reports what was bound before.
        bound: Bindings = {}
        for size, expected in zip(shape[1:], tail, strict=True):
            if isinstance(expected, int):
                if size != expected:
                    return False
            elif size < 1 or bindings.get(expected, bound.setdefault(expected, size)) != size:
                return False
        bindings.update(bound)
        return True

    return variable


def check_indices(value: Tensor, space: Space, element: str) -> None:
    """Refuse class indices that are not 0 … classes−1. Only on the CPU: elsewhere it would wait for the device."""
    if value.device.type != "cpu" or not value.numel() or torch.compiler.is_compiling():
        return
    low, high = (bound.item() for bound in torch.aminmax(value))
    if low < 0 or high >= space.classes:
        wrong = low if low < 0 else high
        raise BatchError(element, f"class indices from 0 to {space.classes - 1}", f"{wrong}")


def describe(space: Space, bindings: Bindings | None = None) -> str:
    """What a batch of a space is, in words: `float32 of shape (N, 8, 8)`."""
    sizes = ["N"]
    for size in space.shape:
        bound = (bindings or {}).get(size) if isinstance(size, str) else None
        sizes.append(str(size) if bound is None else f"{size}={bound}")
    return f"{space.data_type.value} of shape {_shape(sizes)}"


def found(value: Tensor) -> str:
    """What a tensor is, in words: `float64 of shape (32, 64)`."""
    return f"{str(value.dtype).removeprefix('torch.')} of shape {_shape([str(size) for size in value.shape])}"


def _shape(sizes: list[str]) -> str:
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _missing(batch: Batch, source: str, column: str) -> BatchError:
    if not isinstance(batch, Mapping):
        return BatchError("the batch", "a mapping {source: {column: array}}", type(batch).__name__)
    if source not in batch:
        return BatchError(f"source {source!r}", "a mapping of its columns in the batch", f"only {sorted(batch)}")
    columns = batch[source]
    if not isinstance(columns, Mapping):
        return BatchError(f"source {source!r}", "a mapping {column: array}", type(columns).__name__)
    return BatchError(f"column '{source}.{column}'", "an array in the batch", f"only {sorted(columns)}")

"""Batches of whole data sets, in the order of `bridge.train.order`.

Each source runs through epochs of its own: in step t (counted from 0 over the whole training) it is in its epoch
t div b, at batch t mod b, where b is its number of batches. So what a step sees is a function of seed and t alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from bridge.errors import BatchError
from bridge.torch.batch import as_tensor
from bridge.train.order import order

__all__ = ["Data", "Feed"]

Data: TypeAlias = Mapping[str, Mapping[str, Any]]
"""`{source: {column: array}}` with all samples, torch tensors or NumPy arrays."""


class Feed:
    """The batches of several sources. Sources may differ in size; an epoch is one of the source with most batches.

    `batch_size` is one number, or one for each source. The last batch of a source's epoch may be smaller. A source
    without samples gives empty batches.
    """

    def __init__(self, data: Data, batch_size: int | Mapping[str, int], seed: int) -> None:
        self.columns = {source: _columns(source, columns) for source, columns in data.items()}
        self.lengths = {source: len(next(iter(columns.values()))) for source, columns in self.columns.items()}
        self.sizes = {source: _batch_size(source, batch_size) for source in data}
        self.batches = {source: -(-length // self.sizes[source]) for source, length in self.lengths.items()}
        self.seed = seed
        self._orders: dict[str, tuple[int, Tensor]] = {}
        if not any(self.batches.values()):
            raise BatchError("the data", "a source with samples", f"none in {sorted(data)}")

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return max(self.batches.values())

    def batch(self, step: int) -> dict[str, dict[str, Tensor]]:
        """The batch of a step, counted from 0 over all epochs."""
        found: dict[str, dict[str, Tensor]] = {}
        for source, columns in self.columns.items():
            epoch, place = divmod(step, max(self.batches[source], 1))
            size = self.sizes[source]
            chosen = self._order(source, epoch)[place * size : (place + 1) * size]
            found[source] = {name: column[chosen] for name, column in columns.items()}
        return found

    def _order(self, source: str, epoch: int) -> Tensor:
        known = self._orders.get(source)
        if known is None or known[0] != epoch:
            known = epoch, torch.from_numpy(order(self.seed, epoch, source, self.lengths[source]))
            self._orders[source] = known
        return known[1]


def _columns(source: str, columns: Mapping[str, Any]) -> dict[str, Tensor]:
    if not isinstance(columns, Mapping) or not columns:
        raise BatchError(f"source {source!r}", "a mapping {column: array}", f"{columns!r:.80}")
    found: dict[str, Tensor] = {}
    length: int | None = None
    for name, array in columns.items():
        element = f"column '{source}.{name}'"
        value = array if isinstance(array, Tensor) else as_tensor(array, element)
        if not value.dim():
            raise BatchError(element, "an array of samples", "a scalar")
        if length is not None and len(value) != length:
            raise BatchError(element, f"{length} samples, as in the columns before it", f"{len(value)}")
        found[name], length = value, len(value)
    return found


def _batch_size(source: str, batch_size: int | Mapping[str, int]) -> int:
    size = batch_size.get(source) if isinstance(batch_size, Mapping) else batch_size
    if not isinstance(size, int) or size < 1:
        raise BatchError(f"the batch size of source {source!r}", "a number from 1", f"{size!r}")
    return size

"""The columns of a batch in memory that Julia shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from bridge.diagram.ir import Diagram
from bridge.julia.tensors import Copies, mend_one
from bridge.julia.torch_components import describe_variable
from bridge.julia.vtable import vtable
from bridge.plan.program import Operation, Plan
from bridge.schema.generated import control_pb2 as control
from bridge.torch.batch import Batch, Bindings, loader

__all__ = ["Columns"]


class Columns:
    """The columns that a plan loads."""

    def __init__(self, diagram: Diagram, plan: Plan, allow_device_copy: bool = False) -> None:
        self._made_of = diagram, plan, allow_device_copy
        self._allow_device_copy = allow_device_copy
        self._loads = []
        for i in plan.instructions:
            if i.operation is Operation.LOAD:
                space = diagram.space(diagram.source(i.source).column(i.column).space)
                self._loads.append((i.source, i.column, loader(i.source, i.column, space)))

    def __reduce__(self) -> tuple[object, ...]:
        return Columns, self._made_of

    @contextmanager
    def shared(self, batch: Batch, copies: Copies) -> Iterator[list[control.Samples]]:
        """Where the columns lie while this is open. Torch's islands then take them as the tensors that they are.

        A tensor that can't be shared as it is is copied, and counted in `copies`. Raises BatchError for a column that is
        missing or does not fit its space, UnsupportedError for one that can't be shared at all.
        """
        lengths: dict[str, int] = {}
        bindings: Bindings = {}
        tensors: list[Tensor] = []
        found: list[control.Samples] = []
        for source, column, load in self._loads:
            element = f"column '{source}.{column}'"
            value = load(batch, lengths, bindings).detach()
            if self._allow_device_copy and value.device.type != "cpu":
                value = copies.count(value.cpu())
            tensors.append(mend_one(value, element, copies))
            values = describe_variable(column, tensors[-1], element, buffer=True)
            found.append(control.Samples(source=source, column=column, values=values))
        known = vtable().known
        own = {t.data_ptr(): t for t in tensors if t.numel() and t.data_ptr() not in known}
        known.update(own)
        try:
            yield found
        finally:
            for address in own:
                del known[address]

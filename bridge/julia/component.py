"""A component of the user's in Julia, as an `nn.Module` whose parameters lie in Julia's own arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bridge.errors import BindingError, UnsupportedError
from bridge.julia.ownership import Held, borrow
from bridge.schema.generated import control_pb2 as control
from bridge.schema.generated import diagram_pb2

if TYPE_CHECKING:
    from bridge.julia.session import Session

__all__ = ["DTYPES", "JuliaModel"]

DTYPES = {
    diagram_pb2.DATA_TYPE_FLOAT32: torch.float32,
    diagram_pb2.DATA_TYPE_FLOAT64: torch.float64,
    diagram_pb2.DATA_TYPE_INT32: torch.int32,
    diagram_pb2.DATA_TYPE_INT64: torch.int64,
    diagram_pb2.DATA_TYPE_BOOL: torch.bool,
}


class JuliaModel(nn.Module):
    """What `DiagramBridge.register(reference, …)` registered, with its parameters and buffers as this module's.

    They alias the arrays of the registered object, so the user's variable in Julia sees every step of an optimiser. A
    deep copy, or a module that was pickled, gets a copy of the object with storage of its own, made at first use.
    """

    def __init__(self, reference: str, session: Session) -> None:
        super().__init__()
        self.reference = reference
        self._session: Session | None = None
        self._instance: Held | None = None
        self._trained: tuple[_Variable, ...] = ()
        self._buffered: tuple[_Variable, ...] = ()
        self._attach(session, copy=False)

    @property
    def instance(self) -> int:
        """The id of the object in Julia."""
        self.attach()
        assert self._instance is not None
        return self._instance.id

    def attach(self) -> None:
        """Have an object in Julia: a copy or an unpickled module has none before its first use."""
        if self._instance is None:
            from bridge.julia.session import session

            self._attach(session(), copy=True)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Not called: an island runs the component."""
        raise BindingError(f"Julia component {self.reference!r}", "to be run by an island", "a direct call")

    def arguments(self) -> tuple[Tensor, ...]:
        """The parameters in the order of the Julia component, each lying in its Julia array, as do the buffers.

        One that was given other memory (`.data =`) has its values copied into the array, and lies there again.
        """
        for buffer in self._buffered:
            buffer.current()
        return tuple([parameter.current() for parameter in self._trained])

    def buffers_changed(self) -> None:
        """Tell torch that Julia wrote to the buffers, so that a change between forward and backward is noticed."""
        for buffer in self._buffered:
            torch.autograd.graph.increment_version(buffer.current())

    def written(self) -> None:
        """Tell torch that Julia code wrote to parameters and buffers, as `Optimisers.update!` on the object itself does.

        A graph recorded before then refuses its backward pass, as it does after any change in place.
        """
        self.attach()
        for variable in (*self._trained, *self._buffered):
            torch.autograd.graph.increment_version(variable.current())

    def extra_repr(self) -> str:
        """The reference."""
        return repr(self.reference)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None, "_instance": None, "_trained": (), "_buffered": ()}

    def __deepcopy__(self, memo: dict[int, Any]) -> JuliaModel:
        import copy

        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return made

    def _attach(self, session: Session, *, copy: bool) -> None:
        request = control.Instantiate(reference=self.reference, copy=copy)
        answer = session.control(control.Request(instantiate=request)).instantiated
        held = session.hold(answer.id)
        variables = []
        for described in answer.variables:
            stored = borrow(described.address, tuple(described.shape), DTYPES[described.data_type], held)
            variables.append(_Variable(self, described.path, stored, described.buffer))
        self._session, self._instance = session, held
        self._trained = tuple(variable for variable in variables if not variable.buffer)
        self._buffered = tuple(variable for variable in variables if variable.buffer)


class _Variable:
    """A parameter or buffer of a Julia object, and where it is in the module."""

    def __init__(self, module: JuliaModel, path: str, stored: Tensor, buffer: bool) -> None:
        self.element = f"{path!r} of Julia component {module.reference!r}"
        self.stored = stored
        self.address, self.strides = stored.data_ptr(), stored.stride()
        self.buffer = buffer
        *folders, name = path.split(".")
        holder: nn.Module = module
        for folder in folders:
            below = holder._modules.setdefault(folder, nn.Module())
            assert below is not None
            holder = below
        table: dict[str, Any] = holder._buffers if buffer else holder._parameters
        self._table, self._name = table, name
        if table.get(name) is None:
            table[name] = stored if buffer else nn.Parameter(stored)
        self.current()

    def current(self) -> Tensor:
        """The parameter or buffer, over Julia's memory."""
        tensor: Tensor = self._table[self._name]
        if tensor.data_ptr() != self.address or tensor.stride() != self.strides:
            self._bring_back(tensor)
        return tensor

    def _bring_back(self, tensor: Tensor) -> None:
        if tensor.shape != self.stored.shape or tensor.dtype != self.stored.dtype:
            expected = f"{self.stored.dtype} of shape {tuple(self.stored.shape)}, as in Julia"
            raise BindingError(self.element, expected, f"{tensor.dtype} of shape {tuple(tensor.shape)}")
        if not self.buffer and not isinstance(tensor, nn.Parameter):
            # torch.func.functional_call puts one there for a call: its values would overwrite the component's own.
            raise UnsupportedError(self.element, "an nn.Parameter, since Julia's array is the storage", "a computed tensor")
        values = tensor.detach().clone()  # it may be another view of this very memory
        with torch.no_grad():
            self.stored.copy_(values)
        tensor.data = self.stored

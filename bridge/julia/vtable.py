"""The vtable of torch's islands: C functions that Julia calls where it drives (docs/abi.md).

    control (request*, length, response**, length*)                            -> status
    forward (self, mode*, n_in, in: DLTensor*, n_out, out: Slot*, tape)        -> status
    backward(self, tape, n_out, dout: DLTensor*, n_in, din: Slot*, needs*)     -> status
    release (id)                                                               -> status

No exception leaves a function: its object is kept, and raised again in Python once Julia has returned. There is one vtable
in a process, as there is one Julia.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bridge.errors import BridgeError
from bridge.julia.structures import ABI_VERSION, BUSY, DESCRIPTOR_SIZE, ERROR, MODE_SIZE, OK, SLOT_SIZE
from bridge.julia.tensors import Copies
from bridge.julia.torch_components import Instance, describe_instance, make_instance
from bridge.julia.torch_island import TorchIsland, TorchTape
from bridge.schema.generated import control_pb2 as control

__all__ = ["VTable", "vtable"]

Kind = TypeVar("Kind")


class VTable:
    """What Julia may call: modules, islands, tapes and results by number, and the exception of the last failure.

    Numbers of Python's own are odd; tapes have even ones, which Julia chooses. `addresses` are those of the C functions.
    """

    def __init__(self) -> None:
        self.held: dict[int, Any] = {}
        self.copies = Copies()
        self._numbers = itertools.count(1, 2)
        self.known: dict[int, Tensor] = {}
        self._offered: dict[str, tuple[str, nn.Module]] = {}
        self._failure: tuple[int, BaseException] | None = None
        self._escaped: BaseException | None = None
        self._calls = 0  # under way
        self._response: Any = None
        self._bodies = (self._control, self._forward, self._backward, self._release)
        word, integer, pointer = ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p
        self._functions = {
            "torch.control": _c(self._control, pointer, integer, pointer, pointer),
            "torch.forward": _c(self._forward, word, pointer, integer, pointer, integer, pointer, word),
            "torch.backward": _c(self._backward, word, word, integer, pointer, integer, pointer, pointer),
            "torch.release": _c(self._release, word),
        }

    @property
    def addresses(self) -> dict[str, int]:
        """The addresses of the C functions, and of Python's that tells who holds its lock, by their names there."""
        functions = {**self._functions, "PyGILState_Check": ctypes.pythonapi.PyGILState_Check}
        return {name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in functions.items()}

    def offer(self, module: nn.Module, name: str) -> str:
        """Let Julia instantiate a module, once, by the reference that this gives; errors call it `name`."""
        reference = f"module {next(self._numbers)}"
        self._offered[reference] = name, module
        return reference

    def withdraw(self, reference: str) -> None:
        """Take back what has not been instantiated."""
        self._offered.pop(reference, None)

    def hold(self, thing: object) -> int:
        """Keep something until Julia releases its number."""
        number = next(self._numbers)
        self.held[number] = thing
        return number

    def counts(self) -> tuple[int, int, int]:
        """How many islands and tapes are held, and tensors that tapes lend."""
        tapes = [thing for thing in self.held.values() if isinstance(thing, TorchTape)]
        islands = sum(isinstance(thing, TorchIsland) for thing in self.held.values())
        return islands, len(tapes), sum(len(tape.lent) for tape in tapes)

    def exception(self, number: int) -> BaseException | None:
        """The exception that a failure in Julia goes back to, if it is the last one; it is kept no longer."""
        if self._failure is None or self._failure[0] != number:
            return None
        _, error = self._failure
        self._failure = None
        return error

    @contextmanager
    def called(self) -> Iterator[None]:
        """While Julia runs that calls back.

        A signal's handler may raise between Julia and the first line of a function, or behind its last: that exception
        goes to `sys.unraisablehook`, and is raised here.
        """
        before, calls = sys.unraisablehook, self._calls

        def hook(unraisable: Any) -> None:
            # From Python 3.13 on the function is only named.
            if unraisable.object in self._bodies or "ctypes callback" in (unraisable.err_msg or ""):
                self._escaped = unraisable.exc_value
            else:
                before(unraisable)

        try:
            sys.unraisablehook, self._calls = hook, calls + 1
            yield
        finally:
            sys.unraisablehook, self._calls, self._failure = before, calls, None
            escaped, self._escaped = self._escaped, None
            if escaped is not None:
                raise escaped from None

    def _keep(self, error: BaseException) -> int:
        number = next(self._numbers)
        self._failure = number, error
        return number

    def _control(self, request: int, length: int, response: int, response_length: int) -> int:
        try:
            try:
                answer = self._answer(control.Request.FromString(ctypes.string_at(request, length)))
            except BaseException as error:
                # Where Julia was not called from here nobody will raise it again.
                answer = control.Response(failure=_failure(error, self._keep(error) if self._calls else 0))
            payload = answer.SerializeToString()
            self._response = ctypes.create_string_buffer(payload, len(payload))  # until the next request: Julia copies it
            ctypes.c_void_p.from_address(response).value = ctypes.addressof(self._response)
            ctypes.c_int64.from_address(response_length).value = len(payload)
            return OK
        except BaseException as error:
            self._keep(error)
            return ERROR

    def _answer(self, request: control.Request) -> control.Response:
        which = request.WhichOneof("request")
        if which == "hello":
            return control.Response(handshake=_shake(request.hello))
        if which == "instantiate":
            instance = make_instance(request.instantiate, self._offered)
            described = describe_instance(instance)  # which may refuse it
            described.id = self.hold(instance)
            return control.Response(instantiated=described)
        if which == "load":
            instances = [self._of_kind(Instance, number) for number in request.load.instances]
            island = TorchIsland.of_fragment(request.load, instances)
            return control.Response(loaded=island.describe(self.hold(island)))
        if which == "unload":
            self.held.pop(request.unload.island, None)
            return control.Response()
        if which == "collect":
            gc.collect()
            return control.Response()
        if which == "last_error":
            if self._failure is None:
                return control.Response()
            number, error = self._failure
            if not self._calls:
                self._failure = None
            return control.Response(failure=_failure(error, number))
        raise BridgeError("control request", "one that torch's islands answer", str(which))

    def _forward(self, island: int, mode: int, n_in: int, in_: int, n_out: int, out: int, tape: int) -> int:
        try:
            held = self.held[tape] = TorchTape(tape)
            self._island(island).forward(held, mode, n_in, in_, n_out, out, self)
            return OK
        except BaseException as error:
            self._keep(error)
            return ERROR

    def _backward(self, island: int, tape: int, n_out: int, dout: int, n_in: int, din: int, needs: int) -> int:
        try:
            of = self._of_kind(TorchTape, tape)
            self._island(island).backward(of, n_out, dout, n_in, din, needs, self)
            return OK
        except BaseException as error:
            self._keep(error)
            return ERROR

    def _release(self, number: int) -> int:
        try:
            thing = self.held.get(number)
            if isinstance(thing, TorchTape):
                thing.drop(self.known)
                if thing.is_busy():
                    return BUSY
            self.held.pop(number, None)
            return OK
        except BaseException as error:
            self._keep(error)
            return ERROR

    def _island(self, number: int) -> TorchIsland:
        """The island of that number; a module is called as it is."""
        held = self.held.get(number)
        return TorchIsland.of_module(held) if isinstance(held, Instance) else self._of_kind(TorchIsland, number)

    def _of_kind(self, kind: type[Kind], number: int) -> Kind:
        held = self.held.get(number)
        if not isinstance(held, kind):
            raise BridgeError(f"id {number}", f"a live {kind.__name__}", "nothing" if held is None else type(held).__name__)
        return held


def _c(function: Callable[..., int], *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(ctypes.c_int32, *arguments)(function)


def _shake(hello: control.Hello) -> control.Handshake:
    ours = {
        "abi_version": ABI_VERSION,
        "descriptor_size": DESCRIPTOR_SIZE,
        "mode_size": MODE_SIZE,
        "slot_size": SLOT_SIZE,
    }
    for name, value in ours.items():
        if getattr(hello, name) != value:
            raise BridgeError(f"handshake, {name}", str(value), str(getattr(hello, name)))
    shaken = control.Handshake(engine="torch", engine_version=torch.__version__)
    for name, value in ours.items():
        setattr(shaken, name, value)
    return shaken


def _failure(error: BaseException, number: int) -> control.Failure:
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, BridgeError):
        return control.Failure(
            kind="BridgeError",
            element=error.element,
            expected=error.expected,
            found=error.found,
            stacktrace=trace,
            exception=number,
        )
    return control.Failure(kind=type(error).__name__, message=_text(error), stacktrace=trace, exception=number)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception's own printing may raise
        return "(it could not be printed)"


_vtable: VTable | None = None


def vtable() -> VTable:
    """The process's vtable."""
    global _vtable
    if _vtable is None:
        _vtable = VTable()
    return _vtable

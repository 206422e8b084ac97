"""A Julia session: the vtable of DiagramBridge.jl in this process, and what has been counted at the border.

>>> from bridge.julia.session import session
>>> julia = session()                                                       # doctest: +SKIP
>>> julia.eval('println("hello from Julia ", VERSION)')                      # doctest: +SKIP
hello from Julia 1.5.3
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, JuliaError, JuliaUnavailable
from bridge.julia import calls, engines
from bridge.julia import start as starting
from bridge.julia.exchange import symbols
from bridge.julia.ownership import Held, ReleaseQueue
from bridge.julia.start import LibJulia, julia_literal
from bridge.julia.structures import (
    ABI_VERSION,
    DESCRIPTOR_SIZE,
    ERROR,
    INTERRUPTED,
    MODE_SIZE,
    OK,
    SLOT_SIZE,
    UNSUPPORTED,
)
from bridge.julia.tensors import Copies, MendableError
from bridge.julia.vtable import vtable
from bridge.schema.generated import control_pb2 as control

__all__ = ["Session", "Statistics", "session", "stats"]


@dataclass(frozen=True)
class Statistics:
    """Counts of a session.

    `forwards` and `backwards` are calls of islands, on either side, `crossed_bytes` what the tensors passed to them hold,
    `copies` and `copied_bytes` the tensors that had to be copied; `islands`, `tapes` and `owners` (memory of one side that
    the other uses) are alive now.
    """

    forwards: int = 0
    backwards: int = 0
    crossed_bytes: int = 0
    copies: int = 0
    copied_bytes: int = 0
    islands: int = 0
    tapes: int = 0
    owners: int = 0


class Session:
    """The Julia of this process with DiagramBridge.jl loaded.

    `version` is Julia's, `how` the way it was started, `engine` what runs the layers ("native" or "flux"), `packages` the
    versions of what it is made of, `blas` whose matrix products it uses ("caller": torch's own).
    """

    tape_numbers = itertools.count(2, 2)
    """Tapes are numbered by the caller, with even numbers; all sessions have the one Julia of the process."""

    def __init__(self, runtime: LibJulia) -> None:
        self.runtime = runtime
        wanted = engines.wanted()
        starting.load_package(runtime, flux=wanted != "native")
        engines.choose(runtime, wanted)
        self.released, self.tapes = ReleaseQueue(), ReleaseQueue()
        self.copies: Copies = vtable().copies
        addresses = [int(a) for a in runtime.eval_string("join(UInt.(DiagramBridge.vtable()), ',')").split(",")]
        self._control = _function(addresses[0], ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._release = _function(addresses[3], ctypes.c_uint64)
        known = symbols() | vtable().addresses
        self._bind(addresses, known)
        shake = self._shake_hands(known)
        self.version, self.how = runtime.version, runtime.how
        self.engine: str = shake.engine
        self.engine_version: str = shake.engine_version
        self.blas: str = shake.blas
        self.packages = engines.packages(runtime)

    def __repr__(self) -> str:
        return f"Session(Julia {self.version}, engine={self.engine!r}, how={self.how!r})"

    def _bind(self, addresses: Sequence[int], known: dict[str, int]) -> None:
        """How a frame gets its function, for forward and for backward."""
        word, integer, pointer = ctypes.c_uint64, ctypes.c_int64, ctypes.c_void_p
        if calls.can_be_builtin(known):
            self.bind_forward = calls.builtin_binder("forward", addresses[4])
            self.bind_backward = calls.builtin_binder("backward", addresses[5])
        else:
            forward = _function(addresses[1], word, pointer, integer, pointer, integer, pointer, word)
            backward = _function(addresses[2], word, word, integer, pointer, integer, pointer, ctypes.c_char_p)
            self.bind_forward = calls.describing_forward(forward)
            self.bind_backward = calls.describing_backward(backward, self._release)

    def _shake_hands(self, known: dict[str, int]) -> Any:
        hello = control.Hello(
            abi_version=ABI_VERSION,
            descriptor_size=DESCRIPTOR_SIZE,
            mode_size=MODE_SIZE,
            slot_size=SLOT_SIZE,
            symbols=[control.Symbol(name=name, address=address) for name, address in sorted(known.items())],
        )
        return self.control(control.Request(hello=hello)).handshake

    def prepare(self) -> None:
        """Before a call: refuse a caller that Julia can't have, and let Julia release what was given back."""
        self.runtime.check_caller()
        for queue in (self.released, self.tapes):
            queue.drain(self._release)

    def failure(self, status: int) -> BaseException:
        """The exception behind a status that is not OK."""
        if status == UNSUPPORTED:
            return MendableError()
        if status == INTERRUPTED:
            return KeyboardInterrupt()
        if status != ERROR:
            return BridgeError("Julia", f"the status {OK:#x}", f"{status:#x}")
        return _exception(self.control(control.Request(last_error=control.LastError(clear=True))).failure)

    def control(self, request: control.Request) -> control.Response:
        """Ask the control function; a failure that it reports is raised."""
        self.prepare()
        payload = request.SerializeToString()
        address, length = ctypes.c_void_p(), ctypes.c_int64()
        status = self._control(payload, len(payload), ctypes.addressof(address), ctypes.addressof(length))
        if status != OK:
            raise self.failure(status)
        response = control.Response.FromString(ctypes.string_at(address.value or 0, length.value))
        if response.HasField("failure") and not request.HasField("last_error"):
            raise _exception(response.failure)
        return response

    def eval(self, code: str) -> None:
        """Run Julia code in `Main`, for instance to define and register a component.

        Raises JuliaError with Julia's message and stack trace.
        """
        self.runtime.eval(code)

    def include(self, path: str | os.PathLike[str]) -> None:
        """Run a file of Julia code in `Main`."""
        self.runtime.eval(f"include({julia_literal(str(Path(path).resolve()))})", f"Julia file {Path(path).name!r}")

    def use_engine(self, name: str) -> str:
        """Let "native", "flux" or "auto" (Flux where it is loaded) run the portable layers of objectives compiled from now
        on; those that are compiled already keep their engine. Gives the engine's name; raises BridgeError for one that
        is not loaded.
        """
        self.engine = engines.choose(self.runtime, name)
        self.packages = engines.packages(self.runtime)
        return self.engine

    def hold(self, id: int) -> Held:
        """A handle to something of Julia's that lives as long as the handle."""
        return self.released.hold(id)

    def collect(self, *, full: bool = True) -> None:
        """Release what was given back, give pooled memory back, and run Julia's garbage collector."""
        self.control(control.Request(collect=control.Collect(full=full)))

    def alive(self) -> tuple[int, int, int]:
        """How many islands, tapes and owners of memory there are, on both sides."""
        now = self.statistics()
        return now.islands, now.tapes, now.owners

    def statistics(self, *, reset: bool = False) -> Statistics:
        """What has been counted; with `reset` the running counts start again at 0."""
        counts = self.control(control.Request(statistics=control.Statistics(reset=reset))).counts
        islands, tapes, lent = vtable().counts()
        found = Statistics(
            counts.forwards,
            counts.backwards,
            counts.crossed_bytes,
            counts.copies + self.copies.number,
            counts.copied_bytes + self.copies.bytes,
            counts.islands + islands,
            counts.tapes + tapes,
            counts.owners + lent,
        )
        if reset:
            self.copies.number = self.copies.bytes = 0
        return found


def _function(address: int, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(ctypes.c_int32, *arguments)(address)


def _exception(failure: Any) -> BaseException:
    if failure.exception and (error := vtable().exception(failure.exception)) is not None:
        return error
    if failure.kind == "BridgeError":
        return BridgeError(failure.element, failure.expected, failure.found)
    return JuliaError(failure.element or "Julia", failure.kind, failure.message, failure.stacktrace)


_lock = threading.Lock()
_default: Session | None = None


def session() -> Session:
    """The process's Julia session, started at the first call.

    Raises JuliaUnavailable where no usable Julia is found, and in a forked child of a process that runs it.
    """
    global _default
    with _lock:
        if _default is None:
            _default = Session(starting.start())
            atexit.register(_at_exit)  # before Julia's own exit hooks, which were registered first
        return _default


def stats(*, reset: bool = False) -> Statistics:
    """What has been counted at the border so far: all zeros before Julia has been started."""
    return Statistics() if _default is None else _default.statistics(reset=reset)


def collect() -> None:
    """Release what torch has given back, and run the garbage collectors of both languages until they find no more.

    What one language's objects held may have been the last to hold some of the other's.
    """
    import gc

    gc.collect()
    if _default is None:
        return
    alive = None
    while alive != (alive := _default.alive()):
        _default.collect()
        gc.collect()


def _at_exit() -> None:
    if _default is not None:
        try:
            _default.prepare()
        except JuliaUnavailable:  # a forked child, or another thread: nothing of ours to release
            return

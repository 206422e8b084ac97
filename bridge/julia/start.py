"""Starting Julia in this process, exactly once, and evaluating Julia code in it.

>>> runtime = start()                                            # doctest: +SKIP
>>> runtime.version, runtime.how                                 # doctest: +SKIP
('1.5.3', 'libjulia')
>>> runtime.eval_string("join(1:3, '+')")                        # doctest: +SKIP
'1+2+3'

Julia can neither be stopped and started again nor be called from everywhere: only from the thread that started it, and
never in a forked child, where its own threads are gone. Both end the process on Julia 1.5, so they are refused before
the call. Python's signals stay Python's: Ctrl-C raises KeyboardInterrupt as before.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import locale
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bridge.errors import JuliaError, JuliaUnavailable
from bridge.julia import blas, bootstrap, import_order, signals
from bridge.julia.find import Candidate, Layout, Way, choose
from bridge.julia.folders import depot_folder
from bridge.julia.libraries import load_order, needs, preload
from bridge.julia.sources import julia_project
from bridge.julia.version import numbers

__all__ = ["LibJulia", "julia_literal", "load_package", "running", "start"]


class _Caller(threading.local):
    """True in the one thread that may call Julia, and in no other; a new thread can't inherit it, as it could an id."""

    may_call = False


@dataclass(frozen=True)
class _Started:
    """What one way of starting Julia hands back: its library, how, and from where."""

    library: ctypes.PyDLL
    how: Way
    layout: Layout | None


class LibJulia:
    """The Julia that runs in this process.

    `version` is Julia's, `how` the way it was started ("libjulia" or "juliacall"), `where` its executable, `libjulia`
    its library as a `ctypes.PyDLL` (calls hold the GIL), `owner` and `pid` the thread identifier and the process that
    may call it, `blas` what was chosen for its BLAS.
    """

    def __init__(self, started: _Started, where: str, blas_choice: str) -> None:
        self.libjulia = started.library
        self.how = started.how
        self.layout = started.layout
        self.where = where
        self.blas = blas_choice
        self.owner = threading.get_ident()
        self.pid = os.getpid()
        self.caller = _Caller()
        self.caller.may_call = True
        self._entry = _load_bootstrap(started.library)
        self.version = self.eval_string("VERSION")
        os.register_at_fork(after_in_child=self._forget)

    def __repr__(self) -> str:
        return f"LibJulia(version={self.version!r}, how={self.how!r}, where={self.where!r})"

    def check_caller(self) -> None:
        """Refuse a call that would end the process, before it is made (about 0.1 µs).

        Raises JuliaUnavailable in any thread but the one that started Julia, and in a forked child.
        """
        if not self.caller.may_call:
            self._refuse()

    def eval(self, code: str, element: str = "Julia code") -> None:
        """Run Julia code at top level in `Main`.

        Raises JuliaError, about `element`, with the exception's text and Julia's stack trace.
        """
        self._evaluate(code, bootstrap.NOTHING, element)

    def eval_pointer(self, code: str, element: str = "Julia code") -> int:
        """The address, or the bits of an integer as an unsigned machine word, that the last expression gives."""
        return int(self._evaluate(code, bootstrap.POINTER, element)[0])

    def eval_string(self, code: str, element: str = "Julia code") -> str:
        """Julia's `string` of what the last expression gives."""
        return _texts(self._evaluate(code, bootstrap.STRING, element))[0]

    def _evaluate(self, code: str, want: int, element: str) -> ctypes.Array[ctypes.c_size_t]:
        self.check_caller()
        answer = (ctypes.c_size_t * bootstrap.WORDS)()
        encoded = code.encode()
        if self._entry(encoded, len(encoded), want, answer) != bootstrap.OK:
            kind, message, stacktrace = _texts(answer)
            raise JuliaError(element, kind, message, stacktrace)
        return answer

    def _forget(self) -> None:
        self.caller.may_call = False

    def _refuse(self) -> None:
        if os.getpid() != self.pid:
            raise JuliaUnavailable(
                "Julia",
                f"a call in process {self.pid}, which started it",
                f"a call in its forked child {os.getpid()}; start workers with the 'spawn' method instead",
            )
        raise JuliaUnavailable(
            "Julia",
            "a call from the thread that started it",
            f"a call from thread {threading.current_thread().name!r}; hand the work to the starting thread",
        )


_lock = threading.Lock()
_running: LibJulia | None = None


def running() -> LibJulia | None:
    """The Julia that `start` started in this process, if it did."""
    return _running


def start(candidate: Candidate | None = None) -> LibJulia:
    """Start Julia in this process, or give the one that runs.

    `candidate` is one of `find.candidates()`; by default the first usable one. Where Julia runs already it is ignored.
    Raises JuliaUnavailable where none is usable, where it can't be started, in a forked child of a process that runs
    Julia, and where another library has started Julia in a way that can't be shared.
    """
    global _running
    if _running is not None and _running.pid != os.getpid():
        _running.check_caller()
    with _lock:
        if _running is None:
            _running = _start(choose() if candidate is None else candidate)
        return _running


def _start(candidate: Candidate) -> LibJulia:
    if not candidate.usable:
        raise JuliaUnavailable(candidate.name, "a Julia that can be used", f"{candidate.where}: {candidate.reason}")
    with signals.kept(), _locale_kept():
        if candidate.layout is None:
            started, kernels = _start_by_juliacall(), _OWN_KERNELS
        else:
            with blas.core_type(candidate.version) as chosen:
                started, kernels = _start_by_library(candidate.layout, candidate.version), chosen or _OWN_KERNELS
    runtime = LibJulia(started, candidate.where, kernels)
    if candidate.layout is not None:
        atexit.register(_stop, runtime)
        if kernels != _OWN_KERNELS:
            blas.verify(candidate.layout, kernels)
    return runtime


_OWN_KERNELS = "Julia's own choice"


@contextmanager
def _locale_kept() -> Iterator[None]:
    """Starting Julia adopts the environment's locale for every category; Python adopts it for LC_CTYPE alone."""
    place = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, place)


def _start_by_library(found: Layout, version: str) -> _Started:
    started = getattr(ctypes.PyDLL(None), "jl_is_initialized", None)
    if started is not None and started():
        raise JuliaUnavailable("Julia", "no other Julia in this process", "one that another library has started")
    _keep_cpp_exceptions(found)
    if found.libraries:
        folders = [*found.libraries, found.sysimage.parent]
        preload(load_order([found.library], folders))
        # What the standard library loads later; LibGit2 needs a Kerberos of the system's, which may not be there.
        later = [path for path in sorted(found.sysimage.parent.glob("lib*.so")) if path.exists()]
        preload(load_order(later, folders), optional=True)
    try:
        library = ctypes.PyDLL(str(found.library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise JuliaUnavailable(f"library {found.library}", "to be loadable here", str(error)) from None
    initialise = _initialiser(library, version)
    initialise.argtypes, initialise.restype = [ctypes.c_char_p, ctypes.c_char_p], None
    initialise(os.fsencode(found.bindir), os.fsencode(found.sysimage))
    import_order.juliacall_refused(f"Julia {version} ({found.executable})")
    return _Started(library, "libjulia", found)


def _keep_cpp_exceptions(found: Layout) -> None:
    """Put the system's C++ runtime before a libunwind that would replace it.

    Debian's libjulia brings libunwind into the global scope, and libunwind has the `_Unwind_*` functions of GCC's
    runtime under the same names. A C++ library loaded afterwards (torch) would raise its exceptions through it, and
    crash.
    """
    if sys.platform == "linux" and "libunwind.so.8" in needs(found.library).needed:
        for name in ("libgcc_s.so.1", "libstdc++.so.6"):
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)


def _initialiser(library: ctypes.PyDLL, version: str) -> ctypes._NamedFuncPointer:
    """`jl_init_with_image` under the name it has in this release."""
    old = numbers(version) < (1, 9)
    names = ["jl_init_with_image__threading"] if old else ["jl_init_with_image", "jl_init_with_image_file"]
    for name in names:
        if (function := getattr(library, name, None)) is not None:
            return function  # type: ignore[no-any-return]
    raise JuliaUnavailable("libjulia", f"a function {' or '.join(names)}", "none")


def _start_by_juliacall() -> _Started:
    from bridge.julia import official

    if "juliacall" not in sys.modules:
        official.set_defaults()
    for complaint in official.complaints():
        warnings.warn(complaint, RuntimeWarning, stacklevel=4)
    try:
        with import_order.torch_first_explained():
            juliacall = importlib.import_module("juliacall")
    except Exception as error:
        raise JuliaUnavailable("juliacall", "a Julia that it can start", f"{type(error).__name__}: {error}") from error
    if not hasattr(juliacall, "Main"):
        raise JuliaUnavailable("juliacall", "to start Julia when it is imported", "PYTHON_JULIACALL_INIT=no")
    library = juliacall.CONFIG.get("lib") or ctypes.PyDLL(None)
    stack = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("jl_get_pgcstack", library))
    if not stack():
        raise JuliaUnavailable(
            "juliacall",
            "a first call from the thread that imported it",
            f"a call from thread {threading.current_thread().name!r}",
        )
    return _Started(library, "juliacall", None)


def _load_bootstrap(library: ctypes.PyDLL) -> ctypes._FuncPointer:
    evaluate = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(("jl_eval_string", library))
    unbox = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(("jl_unbox_voidpointer", library))
    entry = evaluate(b"DiagramBridgeStart.entry") if evaluate(bootstrap.BOOTSTRAP.encode()) else None
    if entry is None:
        raise JuliaUnavailable("Julia", "to run the lines that every session starts with", "an exception in them")
    prototype = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
    return prototype(unbox(entry))


def _texts(answer: ctypes.Array[ctypes.c_size_t]) -> tuple[str, str, str]:
    pairs = (answer[1:3], answer[3:5], answer[5:7])
    first, second, third = (ctypes.string_at(at, size).decode(errors="replace") for at, size in pairs)
    return first, second, third


def _stop(runtime: LibJulia) -> None:
    """Let Julia flush its streams and run its exit hooks, where that is possible."""
    if runtime.caller.may_call:
        ctypes.PYFUNCTYPE(None, ctypes.c_int)(("jl_atexit_hook", runtime.libjulia))(0)


def julia_literal(text: str) -> str:
    r"""A Julia string literal for a text.

    >>> julia_literal('a"$b\\')
    '"a\\"\\$b\\\\"'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def load_package(runtime: LibJulia, *, flux: bool = False) -> None:
    """Load the Julia package DiagramBridge, compiled once and kept in the data folder.

    `Main` gets its name and none that it exports, which could clash with names of the user's own packages.
    The package is found on `LOAD_PATH`, without Pkg and without its registry. With `flux` so is Flux, where there is one,
    which brings the Flux engine along. Where the user set no `JULIA_DEPOT_PATH` the compiled form goes to
    `folders.depot_folder()`, since the prefix may be read-only and the home folder is the user's. Raises JuliaError where
    a package does not load.
    """
    keep = "JULIA_DEPOT_PATH" not in os.environ
    libraries = runtime.layout.environment().get("LD_LIBRARY_PATH", "") if runtime.layout else ""
    # Compiling runs Julia's executable, which finds its libraries by the environment only; nothing else may inherit it.
    runtime.eval(
        f"""
        let project = {julia_literal(str(julia_project()))}, depot = {julia_literal(str(depot_folder()))},
            libraries = {julia_literal(libraries)}
            project in LOAD_PATH || push!(LOAD_PATH, project)
            {str(keep).lower()} && pushfirst!(DEPOT_PATH, depot)
            try
                withenv("LD_LIBRARY_PATH" => isempty(libraries) ? get(ENV, "LD_LIBRARY_PATH", nothing) : libraries) do
                    Base.eval(Main, :(import DiagramBridge))
                    if {str(flux).lower()} && VERSION >= v"1.9" && Base.find_package("Flux") !== nothing
                        Base.require(Main, :Flux)
                    end
                end
            finally
                {str(keep).lower()} && filter!(!isequal(depot), DEPOT_PATH)
            end
        end
        """,
        "the Julia package DiagramBridge",
    )

"""Every error that diagram-bridge raises on purpose.

A message has three parts: the *element* it is about, what was *expected* there and what was *found*.

>>> print(BatchError("column 'digits.image'", "float32 of shape (N, 64)", "float64 of shape (32, 64)"))
column 'digits.image': expected float32 of shape (N, 64), found float64 of shape (32, 64)
"""

from __future__ import annotations

__all__ = [
    "BatchError",
    "BindingError",
    "BridgeError",
    "DiagramError",
    "FileError",
    "JuliaError",
    "JuliaUnavailable",
    "PortError",
    "UnsupportedError",
]


class BridgeError(Exception):
    """The base class: an element, what was expected of it and what was found.

    >>> BridgeError("space 'x'", "a known dtype", "'float8'").found
    "'float8'"
    """

    def __init__(self, element: str, expected: str, found: str) -> None:
        super().__init__(element, expected, found)
        self.element = element
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"{self.element}: expected {self.expected}, found {self.found}"


class DiagramError(BridgeError):
    """A diagram that means nothing: unknown names, arrows that do not compose, sides that are not parallel, ….

    `kind` is a short stable word for the rule that was broken, the same in Python and Julia.
    """

    def __init__(self, element: str, expected: str, found: str, kind: str = "diagram") -> None:
        super().__init__(element, expected, found)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.element, self.expected, self.found, self.kind)


class FileError(BridgeError):
    """A file that is not a diagram, is damaged, is over a limit, or is of a version this release can't read."""


class BatchError(BridgeError):
    """A batch, or a component's output, that does not fit its space."""


class BindingError(BridgeError):
    """A real module or model that contradicts the component it is bound to, or a missing one."""


class UnsupportedError(BridgeError):
    """A feature of PyTorch or a tensor that an island refuses by name."""


class PortError(BridgeError):
    """A module or an ONNX graph that does what no portable layer does.

    `source` is the line of the user's that does it, where that is known.

    >>> print(PortError("module 'head'", "an operator of the portable layers", "aten.erfinv.default", "net.py:7: erfinv(x)"))
    module 'head': expected an operator of the portable layers, found aten.erfinv.default (net.py:7: erfinv(x))
    """

    def __init__(self, element: str, expected: str, found: str, source: str = "") -> None:
        super().__init__(element, expected, found)
        self.source = source

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.element, self.expected, self.found, self.source)

    def __str__(self) -> str:
        return super().__str__() + (f" ({self.source})" if self.source else "")


class JuliaUnavailable(BridgeError):
    """Julia can't be found, started, or called from here (another thread, a forked child)."""


class JuliaError(BridgeError):
    """An exception thrown in Julia, with its stack trace there.

    `kind` is the Julia type's name, `stacktrace` the Julia stack trace as text.
    """

    def __init__(self, element: str, kind: str, message: str, stacktrace: str = "") -> None:
        super().__init__(element, "Julia code to return", f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.stacktrace = stacktrace

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.element, self.kind, self.message, self.stacktrace)

    def __str__(self) -> str:
        head = f"{self.element}: {self.kind} in Julia: {self.message}"
        return f"{head}\nJulia stack trace:\n{self.stacktrace}" if self.stacktrace else head

"""What the function of an operator is told besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy
import torch
from torch import Tensor

from bridge.errors import PortError
from bridge.port.onnx.file import Call

__all__ = ["Applied", "integers", "operand"]


@dataclass(frozen=True)
class Applied:
    """A call, the version of ONNX's operators, the mode, and the size of the batch in the file (if it has one) and now."""

    call: Call
    opset: int
    training: bool
    batch: tuple[int | None, int]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.call.attributes.get(name, default)

    def refuse(self, expected: str, found: object) -> NoReturn:
        """Refuse the call."""
        raise PortError(self.call.element, expected, str(found))

    def require(self, holds: bool, expected: str, found: object) -> None:
        """Refuse the call unless something holds."""
        if not holds:
            self.refuse(expected, found)

    def variable(self, x: Any, what: str = "its input") -> Tensor:
        """An argument that is computed from the inputs, or a parameter."""
        if not isinstance(x, Tensor):
            self.refuse(f"{what} to be computed from the inputs", "a constant")
        return x

    def constant(self, x: Any, what: str) -> Any:
        """An argument that has to be known, as a NumPy array; None where it is left out."""
        if isinstance(x, Tensor):
            self.refuse(f"{what} that do not depend on the inputs", "values that do")
        return x


def integers(x: Any) -> list[int]:
    """The numbers of a known array or of a list."""
    return [int(number) for number in numpy.asarray(x).reshape(-1)]


def operand(x: Any, like: Tensor) -> Any:
    """A side of an operation by element beside a tensor: a number where it has one alone."""
    if isinstance(x, numpy.ndarray):
        return x.reshape(()).item() if x.size == 1 else torch.from_numpy(x).to(like.dtype)
    return x

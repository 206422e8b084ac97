"""A call of a constructor or function, as data: to be made, or to be written in a script.

>>> call = Call("nn.Conv2d", (3, 8, 3), {"padding": 1, "bias": False})
>>> str(call)
'nn.Conv2d(3, 8, 3, padding=1, bias=False)'
>>> call.make()
Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

__all__ = ["Call"]


@dataclass(frozen=True)
class Call:
    """A class of torch's by its name in a script, `nn.Linear`, with arguments."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> nn.Module:
        """The module."""
        made: nn.Module = getattr(nn, self.name.removeprefix("nn."))(*self.arguments, **self.keywords)
        return made

    def __str__(self) -> str:
        given = [repr(value) for value in self.arguments]
        given += [f"{name}={value!r}" for name, value in self.keywords.items()]
        return f"{self.name}({', '.join(given)})"

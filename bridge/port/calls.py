"""A call of a constructor, as data: to be made, or to be written in a script.

>>> call = Call("nn.Conv2d", (3, 8, 3), {"padding": 1, "bias": True}, ("inputs", "outputs", "kernel"), {"bias": True})
>>> str(call)
'nn.Conv2d(3, 8, 3, padding=1)'
>>> call.make()
Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

__all__ = ["Call"]


def literal(value: Any) -> str:
    """A value as it is written."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class Call:
    """A class of torch's by its name in a script, `nn.Linear`, with arguments.

    `names` are what the positional arguments are; keywords that have the value in `defaults` are not written.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> nn.Module:
        """The module."""
        made: nn.Module = getattr(nn, self.name.removeprefix("nn."))(*self.arguments, **self.keywords)
        return made

    def given(self) -> list[tuple[str, Any]]:
        """All arguments by name, the positional ones first."""
        return [*zip(self.names, self.arguments, strict=True), *self.keywords.items()]

    def __str__(self) -> str:
        written = [literal(value) for value in self.arguments]
        for name, value in self.keywords.items():
            if name not in self.defaults or value != self.defaults[name]:
                written.append(f"{name}={literal(value)}")
        return f"{self.name}({', '.join(written)})"

"""Modules for the portable layers that torch.nn has no module for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bridge.diagram.ir import Layer
from bridge.layers.definition import integer, integers

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AnyBatchNorm",
    "AnyInstanceNorm",
    "Fixed",
    "Function",
    "Learned",
    "MultiHeadAttention",
    "recurrent",
]


class Function(nn.Module):
    """An operation without parameters on one or more tensors.

    >>> from bridge.layers.make import make
    >>> Function(make("add"))
    Function(add)
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.compute = FUNCTIONS[layer.operation](dict(layer.attributes))

    def forward(self, *inputs: Tensor) -> Any:
        """What the operation makes of batches."""
        return self.compute(*inputs)

    def extra_repr(self) -> str:
        """The operation with its attributes."""
        return ", ".join([self.layer.operation, *(f"{name}={value!r}" for name, value in self.layer.attributes)])


Maker = Callable[[Mapping[str, Any]], Callable[..., Any]]


def after_batch(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of a sample, from 0, as those of a batch."""
    return (0, *(axis + 1 for axis in axes))


def _slice(a: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    places: Any = (..., slice(a["start"], a["stop"], a["step"]), *[slice(None)] * (-a["axis"] - 1))
    return lambda x: x[places]


def _pad(a: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    pairs = zip(reversed(a["before"]), reversed(a["after"]), strict=True)
    amounts = [number for pair in pairs for number in pair]
    return lambda x: F.pad(x, amounts, value=a["value"])


def _attention(a: Mapping[str, Any]) -> Callable[..., Tensor]:
    scale = a["scale"] or None

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        while mask is not None and mask.dim() < q.dim():
            mask = mask.unsqueeze(1)
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=a["causal"], scale=scale)

    return attend


FUNCTIONS: dict[str, Maker] = {
    "add": lambda a: lambda *inputs: functools.reduce(torch.add, inputs),
    "subtract": lambda a: torch.sub,
    "multiply": lambda a: torch.mul,
    "divide": lambda a: torch.div,
    "matmul": lambda a: torch.matmul,
    "scale": lambda a: (lambda x: x * a["factor"]) if a["shift"] == 0 else (lambda x: x * a["factor"] + a["shift"]),
    "power": lambda a: lambda x: x ** a["exponent"],
    "exp": lambda a: torch.exp,
    "log": lambda a: torch.log,
    "sqrt": lambda a: torch.sqrt,
    "abs": lambda a: torch.abs,
    "reshape": lambda a: lambda x: x.reshape(len(x), *a["shape"]),
    "permute": lambda a: lambda x: x.permute(after_batch(a["axes"])),
    "concat": lambda a: lambda *inputs: torch.cat(inputs, dim=a["axis"]),
    "split": lambda a: lambda x: x.split(a["sizes"], dim=a["axis"]),
    "slice": _slice,
    "pad": _pad,
    "mean": lambda a: lambda x: x.mean(a["axes"], keepdim=a["keep"]),
    "sum": lambda a: lambda x: x.sum(a["axes"], keepdim=a["keep"]),
    "attention": _attention,
}


class AnyBatchNorm(nn.modules.batchnorm._BatchNorm):
    """nn.BatchNorm for samples of any number of axes."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


class AnyInstanceNorm(nn.modules.instancenorm._InstanceNorm):
    """nn.InstanceNorm for samples of any number of axes."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def _get_no_batch_dim(self) -> int:
        return 0


class Learned(nn.Module):
    """A learned value that is added to a sample, or that it is multiplied by."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.by = layer["by"]
        self.value = nn.Parameter(torch.empty(integers(dict(layer.attributes), "shape")))

    def forward(self, x: Tensor) -> Tensor:
        """As `x`."""
        return x + self.value if self.by == "add" else x * self.value


class Fixed(nn.Module):
    """A value that is added to a sample, or that it is multiplied by, and that is not trained."""

    value: Tensor

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.by = layer["by"]
        self.register_buffer("value", torch.empty(integers(dict(layer.attributes), "shape")))

    def forward(self, x: Tensor) -> Tensor:
        """As `x`."""
        return x + self.value if self.by == "add" else x * self.value


class MultiHeadAttention(nn.Module):
    """Attention of several heads, with the projections of queries, keys and values apart."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        width, keys, values = (integer(dict(layer.attributes), name) for name in ("width", "key_width", "value_width"))
        for name, inputs in (("q", width), ("k", keys), ("v", values), ("out", width)):
            self.register_parameter(f"{name}_weight", nn.Parameter(torch.empty(width, inputs)))
            if layer["bias"]:
                self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(width)))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *masks: Tensor) -> Tensor:
        """A batch of query's shape. Masks are true where a key takes part."""
        heads, masks_left = integer(dict(self.layer.attributes), "heads"), list(masks)
        mask = None
        if self.layer["key_mask"]:
            mask = masks_left.pop(0)[:, None, None, :]
        if self.layer["mask"]:
            own = masks_left.pop(0)[:, None]
            mask = own if mask is None else mask & own
        held: dict[str, Tensor] = dict(self.named_parameters())

        def project(name: str, x: Tensor) -> Tensor:
            return F.linear(x, held[f"{name}_weight"], held.get(f"{name}_bias"))

        sides = (("q", query), ("k", key), ("v", value))
        q, k, v = (project(name, x).unflatten(-1, (heads, -1)).transpose(1, 2) for name, x in sides)
        made = F.scaled_dot_product_attention(q, k, v, mask, is_causal=bool(self.layer["causal"]))
        return project("out", made.transpose(1, 2).flatten(2))

    def extra_repr(self) -> str:
        """The attributes."""
        return ", ".join(f"{name}={value!r}" for name, value in self.layer.attributes)


def _run(layer: Layer, forward: Callable[..., Any], x: Tensor, more: list[Tensor]) -> tuple[Tensor, ...]:
    """Sequence and last states of one layer in one direction, by a forward of nn.RNN, nn.GRU or nn.LSTM."""
    lengths = more.pop(0) if layer["lengths"] else None
    states: Any = tuple(state.unsqueeze(0) for state in more) or None
    if states is not None and len(states) == 1:
        states = states[0]
    steps: Any = _turned(x, lengths) if layer["reverse"] else x
    if lengths is not None:
        steps = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
    sequence, last = forward(steps, states)
    if lengths is not None:
        sequence, _ = pad_packed_sequence(sequence, batch_first=True, total_length=x.shape[1])
    sequence = _turned(sequence, lengths) if layer["reverse"] else sequence
    ends = last if isinstance(last, tuple) else (last,)
    return sequence, *(end[0] for end in ends)


def _turned(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The steps of each sample from its last to its first; those behind its length stay."""
    if lengths is None:
        return x.flip(1)
    places = torch.arange(x.shape[1], device=x.device)
    turned = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return x.gather(1, turned.unsqueeze(-1).expand_as(x))


class RNN(nn.RNN):
    """nn.RNN that takes states (batch, hidden), and returns the last one beside the sequence."""

    layer: Layer

    def forward(self, x: Tensor, *more: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """(sequence, last h)."""
        return _run(self.layer, super().forward, x, list(more))


class GRU(nn.GRU):
    """nn.GRU that takes states (batch, hidden), and returns the last one beside the sequence."""

    layer: Layer

    def forward(self, x: Tensor, *more: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """(sequence, last h)."""
        return _run(self.layer, super().forward, x, list(more))


class LSTM(nn.LSTM):
    """nn.LSTM that takes states (batch, hidden), and returns the last ones beside the sequence."""

    layer: Layer

    def forward(self, x: Tensor, *more: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """(sequence, last h, last c)."""
        return _run(self.layer, super().forward, x, list(more))


def recurrent(layer: Layer) -> nn.Module:
    """One layer and direction of nn.RNN, nn.GRU or nn.LSTM. With one bias, torch's second one is a constant of zeros."""
    sizes = [integer(dict(layer.attributes), name) for name in ("in", "hidden")]
    bias = layer["biases"] != 0
    made: RNN | GRU | LSTM
    if layer.operation == "rnn":
        made = RNN(*sizes, batch_first=True, bias=bias, nonlinearity=str(layer["nonlinearity"]))
    else:
        made = (GRU if layer.operation == "gru" else LSTM)(*sizes, batch_first=True, bias=bias)
    made.layer = layer
    if layer["biases"] == 1:
        made.bias_hh_l0 = nn.Parameter(torch.zeros_like(made.bias_hh_l0), requires_grad=False)  # type: ignore[arg-type]
    return made

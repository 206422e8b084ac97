"""What people write in models, each in a function of a module and its inputs: one line for one way to do it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

T = 5


class Written(nn.Module):
    """A function of the module itself and its inputs, with parts."""

    def __init__(self, compute: Callable[..., Any], parts: dict[str, Any]) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.compute(self, *inputs)


@dataclass(frozen=True)
class Style:
    """A way to write something, on inputs made of these shapes (of indices below 7 where `indices`)."""

    compute: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = ((T, 8),)
    parts: Callable[[], dict[str, Any]] = dict
    indices: frozenset[int] = field(default=frozenset())

    def module(self) -> Written:
        return Written(self.compute, self.parts()).double()

    def inputs(self, samples: int) -> list[Tensor]:
        return [
            torch.randint(7, (samples, *shape)) if k in self.indices else torch.randn(samples, *shape).double()
            for k, shape in enumerate(self.shapes)
        ]


def waves(steps: int, width: int) -> Tensor:
    """Sines and cosines (arXiv 1706.03762)."""
    angle = torch.arange(steps).unsqueeze(1) * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def filled(x: Tensor) -> Tensor:
    """Ones but for a corner, written into a tensor by its views."""
    mask = torch.ones(T, 8, dtype=x.dtype)
    mask[:2, 3:] = 0
    mask[4].mul_(2)
    return mask


def heads(x: Tensor, count: int = 2) -> tuple[Tensor, ...]:
    """Queries, keys and values of a packed projection, (batch, heads, steps, width)."""
    return tuple(part.unflatten(-1, (count, -1)).transpose(1, 2) for part in x.chunk(3, -1))


def attend(scores: Tensor, v: Tensor) -> Tensor:
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def packed() -> dict[str, Any]:
    return {"qkv": nn.Linear(8, 24), "mask": torch.tril(torch.ones(1, 1, 9, 9)), "drop": nn.Dropout(0.0)}


def masked(fill: Callable[[Any, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Attention whose scores `fill` changes."""

    def compute(m: Any, x: Tensor) -> Tensor:
        q, k, v = heads(m.qkv(x))
        return attend(fill(m, q @ k.mT / math.sqrt(k.shape[-1])), v)

    return compute


def by_einsum(m: Any, x: Tensor) -> Tensor:
    q, k, v = (part.unflatten(-1, (2, 4)) for part in m.qkv(x).chunk(3, -1))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * 0.5
    return torch.einsum("bhqk, bkhd -> bqhd", scores.softmax(-1), v).flatten(-2)


def by_baddbmm(m: Any, x: Tensor) -> Tensor:
    q, k, v = (part.flatten(0, 1) for part in heads(m.qkv(x)))
    scores = torch.baddbmm(torch.empty(len(q), T, T, dtype=x.dtype), q, k.mT, beta=0, alpha=0.5)
    return (scores.softmax(-1) @ v).view(-1, 2, T, 4).transpose(1, 2).reshape(-1, T, 8)


def with_drop(m: Any, x: Tensor) -> Tensor:
    q, k, v = heads(m.qkv(x))
    scores = (q @ k.mT).masked_fill(m.mask[:, :, :T, :T] == 0, -math.inf)
    return m.drop(m.drop(scores.softmax(-1))) @ v


def cells(m: Any, x: Tensor, start: Tensor) -> Tensor:
    h, c, state, outputs = start, torch.zeros_like(start), None, []
    for step in x.unbind(1):
        h, c = m.lstm(step, (h, c))
        state = m.gru(h, state)
        outputs.append(m.rnn(state))
    return torch.stack(outputs, 1)


def written(m: Any, x: Tensor) -> Tensor:
    outputs, state = torch.zeros(x.size(0), x.size(1) + 1, 2, dtype=x.dtype), None
    for t in range(x.size(1)):
        state = m.cell(x[:, t, :], state)
        outputs[:, t] = m.out(state)
    outputs[:, 0, :] = outputs[:, 1] * 2
    return outputs


def dense(*sizes: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(sizes))


def position(ids: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda m, x: m.words(x) + m.where(ids(x))


EMBEDDED: dict[str, Any] = {
    "shapes": ((T,),),
    "parts": lambda: {"words": nn.Embedding(7, 8), "where": nn.Embedding(9, 8), "ids": torch.arange(9)[None]},
    "indices": frozenset({0}),
}
RECURRENT = {"parts": lambda: {"lstm": nn.LSTM(8, 3, 2, bidirectional=True)}}

STYLES: dict[str, Style] = {
    "positions in a buffer": Style(lambda m, x: x + m.pe[:, : x.size(1)], parts=lambda: {"pe": waves(9, 8)[None]}),
    "positions, steps first": Style(
        lambda m, x: (x.transpose(0, 1) + m.pe[: x.size(1)]).transpose(0, 1), parts=lambda: {"pe": waves(9, 8)[:, None]}
    ),
    "positions that are computed": Style(lambda m, x: x * 2 + waves(T, 8).to(x)),
    "positions that don't train": Style(
        lambda m, x: m.map(x + m.pe), parts=lambda: {"map": nn.Linear(8, 2), "pe": nn.Parameter(waves(T, 8), False)}
    ),
    "rotations": Style(
        lambda m, x: x * m.cos[:T] + torch.cat((-x[..., 4:], x[..., :4]), -1) * m.sin[:T],
        parts=lambda: {"cos": waves(9, 8).cos(), "sin": waves(9, 8).sin()},
    ),
    "constants in pieces": Style(
        lambda m, x: x * m.both.chunk(2)[1] + m.both.unbind(0)[0], parts=lambda: {"both": torch.randn(2, 8)}
    ),
    "a mask that is filled": Style(lambda m, x: x * filled(x)),
    "normalised pictures": Style(
        lambda m, x: (x - m.mean) / m.std,
        ((3, 4, 4),),
        lambda: {"mean": torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1), "std": torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)},
    ),
    "arange": Style(position(lambda x: torch.arange(x.size(1), device=x.device)), **EMBEDDED),
    "arange for a batch": Style(position(lambda x: torch.arange(T).unsqueeze(0).expand(x.size(0), T)), **EMBEDDED),
    "arange repeated": Style(position(lambda x: torch.arange(T)[None].repeat(len(x), 1)), **EMBEDDED),
    "one row for all": Style(position(torch.zeros_like), **EMBEDDED),
    "indices in a buffer": Style(lambda m, x: m.words(x) + m.where(m.ids[:, : x.shape[1]]), **EMBEDDED),
    "causal, a buffer of ones": Style(
        masked(lambda m, s: s.masked_fill(m.mask[:, :, :T, :T] == 0, -math.inf)), parts=packed
    ),
    "causal, -1e9": Style(masked(lambda m, s: s.masked_fill(torch.ones(T, T).triu(1).bool(), -1e9)), parts=packed),
    "causal, where": Style(
        masked(lambda m, s: torch.where(m.mask[..., :T, :T] > 0, s, torch.tensor(-1e9, dtype=s.dtype))), parts=packed
    ),
    "causal, -inf added": Style(masked(lambda m, s: s + torch.full((T, T), -math.inf).triu(1)), parts=packed),
    "causal, with dropout": Style(with_drop, parts=packed),
    "neighbours alone": Style(
        masked(lambda m, s: s.masked_fill(torch.ones(T, T).triu(2).bool() | torch.ones(T, T).tril(-2).bool(), -math.inf)),
        parts=packed,
    ),
    "farther is less": Style(
        masked(lambda m, s: s - (torch.arange(T)[:, None] - torch.arange(T)).abs() / 2), parts=packed
    ),
    "a constant instead": Style(lambda m, x: torch.where(m.where > 0, x, 0.3), parts=lambda: {"where": torch.randn(8)}),
    "a causal mask of a module's": Style(
        lambda m, x: m.a(x, x, x, attn_mask=torch.ones(T, T).triu(1).bool())[0],
        parts=lambda: {"a": nn.MultiheadAttention(8, 2, batch_first=True)},
    ),
    "einsum of heads": Style(by_einsum, parts=packed),
    "einsum with parameters": Style(
        lambda m, x: torch.einsum("nm,bmd->bnd", m.a, torch.einsum("btd,de->bte", x, m.b)),
        parts=lambda: {"a": dense(3, T), "b": dense(8, 4)},
    ),
    "einsum that weighs": Style(
        lambda m, x: torch.einsum("bt,btd->bd", torch.einsum("...d,d->...", x, m.a).softmax(1), x),
        parts=lambda: {"a": dense(8)},
    ),
    "einsum of pairs": Style(lambda m, x: torch.einsum("bti,btj->bij", x, x[..., :3])),
    "einsum number by number": Style(lambda m, x: torch.einsum("btd,td->btd", x, m.a), parts=lambda: {"a": dense(T, 8)}),
    "baddbmm": Style(by_baddbmm, parts=packed),
    "a matrix on the left": Style(lambda m, x: m.a @ x, parts=lambda: {"a": dense(3, T)}),
    "a vector on the right": Style(lambda m, x: (x @ m.a).tanh(), parts=lambda: {"a": dense(8)}),
    "cells": Style(
        cells,
        ((3, 4), (5,)),
        lambda: {"lstm": nn.LSTMCell(4, 5), "gru": nn.GRUCell(5, 3), "rnn": nn.RNNCell(3, 2, bias=False)},
    ),
    "steps written into zeros": Style(written, ((4, 3),), lambda: {"cell": nn.GRUCell(3, 5), "out": nn.Linear(5, 2)}),
    "both directions": Style(lambda m, x: m.lstm(x.transpose(0, 1))[0].transpose(0, 1), **RECURRENT),
    "both directions' ends": Style(lambda m, x: torch.cat(list(m.lstm(x.transpose(0, 1))[1][0][-2:]), 1), **RECURRENT),
    "backwards by hand": Style(
        lambda m, x: m.gru(x.flip(1))[0].flip([1]), parts=lambda: {"gru": nn.GRU(8, 3, batch_first=True)}
    ),
    "the other way round": Style(lambda m, x: x.flip(-1) + x.flip(1, 2).exp()),
    "a norm without a bias": Style(lambda m, x: m.n(x), parts=lambda: {"n": nn.LayerNorm(8, bias=False)}),
    "rms norm": Style(lambda m, x: m.n(x) + m.o(x), parts=lambda: {"n": nn.RMSNorm(8), "o": nn.RMSNorm((T, 8), 1e-3)}),
    "variances": Style(
        lambda m, x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + x.var(1, keepdim=True, correction=0))
    ),
    "lengths": Style(lambda m, x: F.normalize(x, dim=-1) + x.norm(dim=(1, 2), keepdim=True) + x.norm(1, -1, keepdim=True)),
    "bounds": Style(lambda m, x: x.clamp(-0.5, 0.7) * F.hardtanh(x) + x.clamp(max=0.1) - x.clamp_min(-1)),
    "greatest": Style(lambda m, x: x.max(1)[0] + x.max(dim=1).values),
    "greatest of two": Style(lambda m, x: torch.maximum(x, x * x - 1) - torch.minimum(x, 1 - x)),
    "gates": Style(lambda m, x: F.glu(x) + F.glu(x, 2)),
    "slopes": Style(
        lambda m, x: m.all(x) + m.each(x), ((3, 4),), lambda: {"all": nn.PReLU(), "each": nn.PReLU(3, init=0.4)}
    ),
    "sums of products": Style(
        lambda m, x: torch.addcmul(m.b, m.a, x) + torch.lerp(x, x * x, 0.3),
        parts=lambda: {"a": dense(8), "b": dense(1, 1, 8)},
    ),
    "a learned query": Style(
        lambda m, x: m.a(m.query.expand(len(x), -1, -1), x, x)[0],
        parts=lambda: {"a": nn.MultiheadAttention(8, 2, batch_first=True), "query": dense(1, 3, 8)},
    ),
    "a learned gate": Style(
        lambda m, x: torch.sigmoid(m.a) * x + (1 - torch.sigmoid(m.a)) * x.exp() + x / m.b.exp(),
        parts=lambda: {"a": dense(8), "b": dense()},
    ),
    "learned shares": Style(
        lambda m, x: m.a.softmax(0)[0] * x + m.a.softmax(0)[1] * x.tanh(), parts=lambda: {"a": dense(2)}
    ),
    "less a parameter": Style(lambda m, x: (m.a - x) * (x - m.a), parts=lambda: {"a": dense(8)}),
    "a bilinear map": Style(lambda m, x, y: m.b(x, y), ((3, 4), (3, 5)), lambda: {"b": nn.Bilinear(4, 5, 2)}),
    "squeeze and excite": Style(lambda m, x: x * x.mean((2, 3)).sigmoid()[..., None, None].expand_as(x), ((3, 4, 4),)),
    "dropout in place": Style(lambda m, x: m.d(x * 2), parts=lambda: {"d": nn.Dropout(0.0, inplace=True)}),
    "dropout of planes": Style(lambda m, x: m.d(x) + 1, ((3, 4, 4),), lambda: {"d": nn.Dropout2d(0.0)}),
    "pixels": Style(lambda m, x: F.pixel_unshuffle(F.pixel_shuffle(x, 2).tanh(), 2), ((8, 3, 3),)),
    "shuffled channels": Style(lambda m, x: F.pixel_shuffle(F.channel_shuffle(x, 2), 2), ((8, 3, 3),)),
    "patches": Style(lambda m, x: x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(2, 3).flatten(3), ((3, 4, 6),)),
    "patches in columns": Style(lambda m, x: F.unfold(x, 2, stride=2).transpose(1, 2), ((3, 4, 6),)),
    "copies": Style(lambda m, x: x.repeat(1, 2, 3)[..., :9] + torch.tile(x, (2, 2))[:, :, :9]),
    "copies in place": Style(lambda m, x: x.repeat_interleave(2, dim=1) * x.repeat_interleave(2, 1).exp()),
    "chosen places": Style(lambda m, x: x[:, [2, 0, 1]] + x.index_select(1, torch.tensor([4, 4, 3]))),
    "turned places": Style(lambda m, x: torch.roll(x, (1, -2), dims=(1, 2)) - x),
    "resized to any size": Style(
        lambda m, x: F.interpolate(x, (7, 5), mode="bilinear") + F.interpolate(x, size=(7, 5)), ((2, 4, 3),)
    ),
    "resized by any factor": Style(
        lambda m, x: F.interpolate(x, scale_factor=1.7, mode="bicubic") * F.interpolate(x, scale_factor=1.7).tanh(),
        ((2, 4, 3),),
    ),
    "edges that go on": Style(
        lambda m, x: m.c(F.pad(x, (1, 0, 2, 1), mode="reflect")) + m.c(F.pad(x, (1, 0, 2, 1), mode="replicate")),
        ((2, 4, 3),),
        lambda: {"c": nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")},
    ),
    "edges cut off": Style(lambda m, x: F.pad(x, (-1, 2, 0, -1)), ((2, 4, 3),)),
    "a matrix that stays": Style(lambda m, x: x @ m.a, parts=lambda: {"a": torch.randn(8, 3)}),
    "a learned state": Style(
        lambda m, x: m.lstm(x, (m.h.expand(-1, len(x), -1).contiguous(), m.c.repeat(1, x.size(0), 1)))[0],
        parts=lambda: {"lstm": nn.LSTM(8, 3, 2, batch_first=True), "h": dense(2, 1, 3), "c": dense(2, 1, 3)},
    ),
    "a learned state before words": Style(
        lambda m, x: m.lstm(m.words(x.t()), (m.h.expand(-1, len(x), -1), m.c.repeat(1, x.size(0), 1)))[0].transpose(0, 1),
        ((T,),),
        lambda: {"words": nn.Embedding(7, 4), "lstm": nn.LSTM(4, 3, 2), "h": dense(2, 1, 3), "c": dense(2, 1, 3)},
        frozenset({0}),
    ),
    "a table of distances": Style(
        masked(lambda m, s: s + m.table[m.places.view(-1)].view(T, T, 2).permute(2, 0, 1)),
        parts=lambda: {**packed(), "table": dense(9, 2), "places": torch.arange(T)[:, None] - torch.arange(T) + T - 1},
    ),
    "a mask that is looked at": Style(
        lambda m, x: m.e(x, torch.full((T, T), -math.inf, dtype=x.dtype).triu(1)),
        parts=lambda: {"e": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 9, 0.0, batch_first=True), 1)},
    ),
    "windows to the end": Style(lambda m, x: F.max_pool1d(x, 2, 2, ceil_mode=True)),
}

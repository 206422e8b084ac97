"""Networks to port, as a person writes them: the five architectures, and smaller ones that do one thing each."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Cell(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al. 2015)."""

    def __init__(self, a: int, b: int, step: int) -> None:
        super().__init__()
        self.p = nn.Conv2d(a, b, 3, step, 1, bias=False)
        self.q = nn.BatchNorm2d(b)
        self.r = nn.Conv2d(b, b, 3, padding=1, bias=False)
        self.s = nn.BatchNorm2d(b)
        self.t = None
        if step != 1 or a != b:
            self.t = nn.Sequential(nn.Conv2d(a, b, 1, step, bias=False), nn.BatchNorm2d(b))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.q(self.p(x)), inplace=True)
        y = self.s(self.r(y))
        y += x if self.t is None else self.t(x)
        return F.relu(y)


class Eighteen(nn.Module):
    """The shape of ResNet-18, in a width of one's choice."""

    def __init__(self, width: int = 4, classes: int = 5) -> None:
        super().__init__()
        w = width
        self.a = nn.Conv2d(3, w, 7, 2, 3, bias=False)
        self.b = nn.BatchNorm2d(w)
        self.c = nn.MaxPool2d(3, 2, 1)
        stages = [(w, w, 1), (w, 2 * w, 2), (2 * w, 4 * w, 2), (4 * w, 8 * w, 2)]
        self.d = nn.ModuleList(nn.Sequential(Cell(i, o, s), Cell(o, o, 1)) for i, o, s in stages)
        self.e = nn.Linear(8 * w, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(F.relu(self.b(self.a(x))))
        for stage in self.d:
            x = stage(x)
        return self.e(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Captioner(nn.Module):
    """An image's features start a two-layer LSTM that reads the caption's words so far."""

    def __init__(self, words: int = 11, width: int = 6, hidden: int = 7) -> None:
        super().__init__()
        self.see = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(), nn.Flatten())
        self.begin = nn.Linear(32, 2 * 2 * hidden)
        self.words = nn.Embedding(words, width)
        self.speak = nn.LSTM(width, hidden, num_layers=2, batch_first=True)
        self.say = nn.Linear(hidden, words)

    def forward(self, image: Tensor, caption: Tensor) -> Tensor:
        state = torch.tanh(self.begin(self.see(image)))
        h, c = state.view(len(image), 2, 2, -1).permute(1, 2, 0, 3).contiguous().unbind(0)
        out, _ = self.speak(self.words(caption), (h, c))
        return self.say(out)


class Heads(nn.Module):
    """Self-attention written out, with `F.scaled_dot_product_attention` or without."""

    def __init__(self, width: int, heads: int, fused: bool, p: float = 0.0) -> None:
        super().__init__()
        self.n, self.fused = heads, fused
        self.a, self.b, self.c, self.d = (nn.Linear(width, width) for _ in range(4))
        self.p = nn.Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        size, steps, width = x.shape
        q, k, v = (f(x).view(size, steps, self.n, width // self.n).transpose(1, 2) for f in (self.a, self.b, self.c))
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = self.p(torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(width // self.n), dim=-1)) @ v
        return self.d(y.transpose(1, 2).reshape(size, steps, width))


class PackedHeads(nn.Module):
    """The same by torch's own module, steps first in memory."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.m = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.m(x, x, x, need_weights=False)[0]


class PreNorm(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, heads: nn.Module, width: int, p: float = 0.0) -> None:
        super().__init__()
        self.h, self.one, self.two = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.p = nn.Dropout(p)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.p(self.h(self.one(x)))
        return x + self.p(self.down(F.gelu(self.up(self.two(x)))))


class PostNorm(PreNorm):
    """norm(x + attention(x)), then norm(x + mlp(x))."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x + self.p(self.h(x)))
        return self.two(x + self.p(self.down(F.relu(self.up(x)))))


class Encoder(nn.Module):
    """A stack of blocks over tokens, and a class from their mean."""

    def __init__(self, blocks: list[nn.Module], width: int, tokens: int = 9, classes: int = 4) -> None:
        super().__init__()
        self.e, self.blocks, self.o = nn.Embedding(tokens, width), nn.ModuleList(blocks), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.e(x) * math.sqrt(self.e.embedding_dim)
        for block in self.blocks:
            x = block(x)
        return self.o(x.mean(1))


def encoder(kind: str, width: int = 8) -> Encoder:
    """Pre- and post-norm stacks, with attention written in three ways."""
    made: dict[str, list[nn.Module]] = {
        "pre": [PreNorm(Heads(width, 2, True), width), PreNorm(Heads(width, 4, False), width)],
        "post": [PostNorm(Heads(width, 2, False), width), PostNorm(Heads(width, 2, True), width)],
        "packed": [PreNorm(PackedHeads(width, 2), width), PostNorm(PackedHeads(width, 4), width)],
    }
    return Encoder(made[kind], width)


class Twice(nn.Module):
    """Convolution, norm and relu, twice."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(True), nn.Conv2d(b, b, 3, padding=1), nn.GELU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class UShape(nn.Module):
    """U-Net with two levels: one goes up by a transposed convolution, the other by interpolation."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        w = width
        self.one, self.two, self.three = Twice(1, w), Twice(w, 2 * w), Twice(2 * w, 4 * w)
        self.up2 = nn.ConvTranspose2d(4 * w, 2 * w, 2, 2)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear")
        self.left2, self.left1 = Twice(4 * w, 2 * w), Twice(3 * w, w)
        self.out = nn.Conv2d(w, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.one(x)
        b = self.two(F.max_pool2d(a, 2))
        c = self.three(F.max_pool2d(b, 2))
        b = self.left2(torch.cat([self.up2(c), b], dim=1))
        return self.out(self.left1(torch.cat((self.up1(b), a), 1)))


class MixerBlock(nn.Module):
    """An MLP over patches, then one over channels (Tolstikhin et al. 2021)."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.f1 = nn.Sequential(nn.Linear(patches, 2 * patches), nn.GELU(), nn.Dropout(0.0), nn.Linear(2 * patches, patches))
        self.f2 = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.f1(self.n1(x).transpose(1, 2)).mT
        return x + self.f2(self.n2(x))


class Mixer(nn.Module):
    """MLP-Mixer on images of 8×8 in patches of 4×4."""

    def __init__(self, width: int = 6, classes: int = 5) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 4, 4)
        self.mix = nn.Sequential(MixerBlock(4, width), MixerBlock(4, width))
        self.n, self.o = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).transpose(1, 2)
        return self.o(self.n(self.mix(x)).mean(dim=1))


class Vision(nn.Module):
    """A vision transformer: a class token, learned positions, and blocks whose branches are scaled (LayerScale)."""

    def __init__(self, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.where = nn.Parameter(0.02 * torch.randn(1, 5, width))
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look, self.mlp = PackedHeads(width, 2), nn.Sequential(nn.Linear(width, 12), nn.GELU(), nn.Linear(12, width))
        self.first, self.second = nn.Parameter(torch.full((width,), 0.3)), nn.Parameter(torch.full((width,), 0.3))
        self.out = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.where
        x = x + self.first * self.look(self.one(x))
        x = x + self.mlp(self.two(x)) * self.second
        return self.out(x[:, 0])


class Reader(nn.Module):
    """Positions by sines in a buffer, attention to neighbours by a mask, and a cell that reads step by step."""

    places: Tensor

    def __init__(self, words: int = 9, width: int = 6, classes: int = 4) -> None:
        super().__init__()
        self.words, self.qkv = nn.Embedding(words, width), nn.Linear(width, 3 * width)
        angle = torch.arange(10).unsqueeze(1) / 100 ** (torch.arange(0, width, 2) / width)
        places = torch.zeros(10, width)
        places[:, 0::2], places[:, 1::2] = torch.sin(angle), torch.cos(angle)
        self.register_buffer("places", places)
        self.cell, self.out = nn.LSTMCell(width, width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.words(x) * math.sqrt(self.words.embedding_dim) + self.places[: x.size(1)]
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        scores = torch.einsum("bqd,bkd->bqk", q, k) / math.sqrt(q.size(-1))
        near = torch.ones(x.size(1), x.size(1)).triu(-1).tril(1)
        h = h + torch.einsum("bqk,bkd->bqd", scores.masked_fill(near == 0, float("-inf")).softmax(dim=-1), v)
        state = h.new_zeros(len(x), h.size(-1)), h.new_zeros(len(x), h.size(-1))
        for step in h.unbind(1):
            state = self.cell(step, state)
        return self.out(state[0])


def five() -> dict[str, tuple[nn.Module, list[Tensor]]]:
    """Each architecture with a batch of inputs."""
    image = torch.randn(4, 1, 8, 8)
    tokens = torch.randint(9, (4, 5))
    return {
        "resnet": (Eighteen(), [torch.randn(4, 3, 32, 32)]),
        "captioner": (Captioner(), [image, torch.randint(11, (4, 5))]),
        "pre-norm": (encoder("pre"), [tokens]),
        "post-norm": (encoder("post"), [tokens]),
        "packed": (encoder("packed"), [tokens]),
        "u-net": (UShape(), [image]),
        "mixer": (Mixer(), [image]),
        "reader": (Reader(), [tokens]),
    }


class Tongue(nn.Module):
    """A language model whose words go in and come out by one matrix, and whose cell is applied three times."""

    def __init__(self, words: int = 7, width: int = 4) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.cell = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(5), nn.Tanh())
        self.read = nn.LSTM(width, width, batch_first=True)
        self.say = nn.Linear(width, words)
        self.say.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x)
        for _ in range(3):
            x = x + self.cell(x)
        x = self.read(self.read(x)[0])[0]
        return self.say(x)

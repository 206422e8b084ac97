"""Random modules to port: each step takes tensors made before it, in one of the ways in which people write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

Make = Callable[..., Any]


@dataclass(frozen=True)
class Written:
    """A step: what it computes of the tensors at these places, with a submodule if it has one."""

    compute: Make
    places: tuple[int, ...]
    module: nn.Module | None = None


class Composition(nn.Module):
    """Steps one after the other; the outputs are tensors with the batch in front."""

    def __init__(self, steps: Sequence[Written], outputs: Sequence[int]) -> None:
        super().__init__()
        self.steps, self.outputs = list(steps), list(outputs)
        for place, step in enumerate(steps):
            if step.module is not None:
                self.add_module(f"m{place}", step.module)

    def forward(self, *inputs: Tensor) -> Any:
        values = list(inputs)
        for place, step in enumerate(self.steps):
            given = [values[k] for k in step.places]
            own = [getattr(self, f"m{place}")] if step.module is not None else []
            made = step.compute(*own, *given)
            values.extend(made if isinstance(made, (list, tuple)) else [made])
        found = [values[k] for k in self.outputs]
        return found[0] if len(found) == 1 else tuple(found)


Shape = tuple[int, ...]


@dataclass
class State:
    """The shapes of the samples so far."""

    shapes: list[Shape]

    def any(self, draw: Any, holds: Callable[[Shape], bool] = lambda shape: True) -> int | None:
        found = [k for k, shape in enumerate(self.shapes) if holds(shape)]
        return draw(st.sampled_from(found)) if found else None


UNARY: list[Make] = [
    F.relu,
    torch.tanh,
    lambda x: x.sigmoid(),
    lambda x: F.leaky_relu(x, 0.2),
    lambda x: F.gelu(x, approximate="tanh"),
    lambda x: 1.5 - x * 0.5,
    lambda x: x / 3,
    lambda x: x**2,
    lambda x: (x.abs() + 1).log(),
    lambda x: torch.exp(-x.square()),
    lambda x: (x * x + 0.1).sqrt(),
    lambda x: F.silu(x).add_(1.0),
    lambda x: F.relu_(x * 2),
    lambda x: F.elu(x, 0.7) - F.selu(x),
    lambda x: F.hardswish(x),
    lambda x: x.clamp(min=0),
    lambda x: F.softplus(x).clone(),
]
MODULES: list[Callable[[], nn.Module]] = [
    nn.ReLU,
    lambda: nn.ReLU(inplace=False),
    nn.GELU,
    nn.Mish,
    lambda: nn.CELU(0.5),
    nn.ReLU6,
    nn.Hardsigmoid,
    lambda: nn.Dropout(0.0),
    nn.Identity,
]
BINARY: list[Make] = [
    torch.add,
    lambda x, y: x * y,
    lambda x, y: x - 0.5 * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: torch.cat([x, y], -1),
    lambda x, y: torch.stack([x, y], 1).mean(1),
]


def linear(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape]:
    width, how = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    module = nn.Linear(shape[-1], width, bias=draw(st.booleans())).double()
    ways: list[Make] = [
        lambda m, x: m(x),
        lambda m, x: m(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1),
        lambda m, x: m(x.transpose(0, 1)).transpose(0, 1) if x.dim() > 2 else m(x),
        lambda m, x: m(x) if m.bias is not None or x.dim() > 2 else x @ m.weight.t(),
    ]
    return Written(ways[how], (place,), module), (*shape[:-1], width)


def reshaping(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape]:
    total = 1
    for size in shape:
        total *= size
    first = draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0]))
    ways: list[tuple[Make, Shape]] = [
        (lambda x: x.flatten(1), (total,)),
        (lambda x: x.view(len(x), -1), (total,)),
        (lambda x: torch.flatten(x, start_dim=1), (total,)),
        (lambda x: x.reshape(x.size(0), first, -1), (first, total // first)),
        (lambda x: x.reshape(-1, *x.shape[1:]).unsqueeze(1), (1, *shape)),
        (lambda x: x.unsqueeze(-1), (*shape, 1)),
    ]
    compute, made = draw(st.sampled_from(ways))
    return Written(compute if shape else lambda x: x.unsqueeze(-1), (place,)), made if shape else (1,)


def permuting(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape]:
    order = draw(st.permutations(range(len(shape))))
    ways: list[Make] = [
        lambda x: x.permute(0, *(k + 1 for k in order)),
        lambda x: torch.tanh(x.permute(*(k + 1 for k in order), 0)).movedim(-1, 0),  # with the batch last in between
        lambda x: (
            F.relu(x.permute(*(k + 1 for k in order), 0).flatten()).view(*(shape[k] for k in order), -1).movedim(-1, 0)
        ),
    ]
    return Written(draw(st.sampled_from(ways)), (place,)), tuple(shape[k] for k in order)


def cutting(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    start = draw(st.integers(0, shape[axis] - 1))
    stop = draw(st.integers(start + 1, shape[axis]))
    rest = (*shape[:axis], *shape[axis + 1 :])
    ways: list[tuple[Make, Shape]] = [
        (lambda x: x.select(axis + 1, start), rest),
        (lambda x: x.narrow(axis + 1, start, stop - start), (*shape[:axis], stop - start, *shape[axis + 1 :])),
        (lambda x: x.unbind(axis + 1)[start], rest),
        (
            lambda x: x.split([start, shape[axis] - start], axis + 1)[1],
            (*shape[:axis], shape[axis] - start, *shape[axis + 1 :]),
        ),
        (lambda x: x.movedim(axis + 1, 0)[start], rest),
        (lambda x: torch.sum(x, dim=axis + 1), rest),
        (lambda x: x.mean(axis + 1, keepdim=True), (*shape[:axis], 1, *shape[axis + 1 :])),
    ]
    if start == 0:
        del ways[3]
    compute, made = draw(st.sampled_from(ways))
    return Written(compute, (place,)), made


def normalizing(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    norm = nn.LayerNorm(shape[axis:], elementwise_affine=draw(st.booleans())).double()
    ways: list[Written] = [
        Written(lambda m, x: m(x), (place,), norm),
        Written(lambda x: F.softmax(x, dim=axis + 1), (place,)),
        Written(lambda x: torch.log_softmax(x, -1) if x.dim() > 1 else x, (place,)),
        Written(lambda m, x: m(x), (place,), nn.BatchNorm1d(shape[0]).double()),
    ]
    count = 4 if len(shape) <= 2 else 3
    return draw(st.sampled_from(ways[:count])), shape


def convolving(draw: Any, state: State, place: int, shape: Shape) -> tuple[Written, Shape] | None:
    if len(shape) == 2:
        out, kernel = draw(st.integers(1, 4)), draw(st.integers(1, min(3, shape[1])))
        module = nn.Conv1d(shape[0], out, kernel, padding=draw(st.sampled_from([0, 1]))).double()
        length = shape[1] + 2 * module.padding[0] - kernel + 1
        return Written(lambda m, x: m(x), (place,), module), (out, length)
    if len(shape) == 3 and min(shape[1:]) >= 2:
        ways: list[Written] = [
            Written(lambda m, x: F.max_pool2d(m(x), 2), (place,), nn.Conv2d(shape[0], 2, 3, padding="same").double()),
            Written(lambda m, x: F.avg_pool2d(m(x), (2, 2)), (place,), nn.BatchNorm2d(shape[0]).double()),
        ]
        which = draw(st.integers(0, 1))
        return ways[which], ((2, shape[0])[which], shape[1] // 2, shape[2] // 2)
    return None


@st.composite
def compositions(draw: Any) -> tuple[Composition, list[Tensor]]:
    """A module and a batch of inputs, float64."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    shape = draw(st.sampled_from([(3,), (2, 3), (4, 6), (2, 4, 4), (3, 2, 5)]))
    state, steps = State([shape]), []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(
            st.sampled_from(["unary", "module", "binary", "linear", "reshape", "permute", "cut", "norm", "conv", "matmul"])
        )
        found: tuple[Written, Shape] | None = None
        place = state.any(draw, (lambda s: len(s) > 0) if kind not in ("unary", "reshape") else (lambda s: True))
        if place is None:
            continue
        at = state.shapes[place]
        if kind == "unary":
            found = Written(draw(st.sampled_from(UNARY)), (place,)), at
        elif kind == "module":
            found = Written(lambda m, x: m(x), (place,), draw(st.sampled_from(MODULES))()), at
        elif kind == "binary":
            compute = draw(st.sampled_from(BINARY))
            other = state.any(draw, lambda s, at=at: s == at)  # type: ignore[misc]
            joins = compute is BINARY[4]
            found = (
                Written(compute, (place, other or 0 if other is not None else place)),
                (*at[:-1], 2 * at[-1]) if joins else at,
            )
        elif kind == "matmul" and len(at) >= 2:
            found = Written(lambda x: x @ x.transpose(-1, -2) / 2, (place,)), (*at[:-1], at[-2])
        elif kind in MAKERS:
            found = MAKERS[kind](draw, state, place, at)
        if found is not None and 0 not in found[1]:
            steps.append(found[0])
            state.shapes.append(found[1])
    outputs = [len(state.shapes) - 1]
    if draw(st.booleans()):
        outputs.append(draw(st.integers(0, len(state.shapes) - 1)))
    return Composition(steps, outputs), [torch.randn(4, *shape, dtype=torch.float64)]


MAKERS: dict[str, Any] = {
    "linear": linear,
    "reshape": reshaping,
    "permute": permuting,
    "cut": cutting,
    "norm": normalizing,
    "conv": convolving,
}

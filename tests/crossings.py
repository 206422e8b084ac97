"""What the tests of islands share: batches for any diagram, one diagram under two placements, Julia components."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import bridge
from bridge.diagram.builder import Builder
from bridge.diagram.ir import DataType, Diagram, JuliaReference, LayerGraph, Space
from bridge.julia.session import Session, collect, session, stats
from bridge.torch import Objective
from bridge.torch.batch import DTYPES

Batch = dict[str, dict[str, Tensor]]

COMPONENTS = """
module CrossingTests
import DiagramBridge
import DiagramBridge: forward, pullback, parameters, buffers

"Returns its input itself."
struct Echo end
forward(::Echo, inputs::Tuple, train::Bool) = inputs, nothing
pullback(::Echo, residual, doutputs::Tuple) = doutputs, ()

"y = W x + b with parameters of its own; counts its calls in train mode in a buffer."
struct Dense{T}
    W::Matrix{T}
    b::Vector{T}
    calls::Vector{Int64}
end
parameters(d::Dense) = ("weight" => d.W, "bias" => d.b)
buffers(d::Dense) = ("calls" => d.calls,)
function forward(d::Dense, (x,)::Tuple, train::Bool)
    train && (d.calls[1] += 1)
    return (d.W * x .+ d.b,), x
end
pullback(d::Dense, x, (dy,)::Tuple) = (d.W' * dy,), (dy * x', vec(sum(dy, dims = 2)))

dense(T, outputs, inputs) =
    Dense(T[sin(3i + j) / 2 for i in 1:outputs, j in 1:inputs], T[cos(i) for i in 1:outputs], Int64[0])

"Whatever function it holds, as it is defined at the moment."
struct Calls
    forward::Any
    pullback::Any
end
forward(c::Calls, inputs::Tuple, train::Bool) = c.forward(inputs, train)
pullback(c::Calls, residual, doutputs::Tuple) = c.pullback(residual, doutputs)
end
"""


def julia() -> Session:
    """The session, with the components above in `Main.CrossingTests`."""
    made = session()
    if not hasattr(made, "_crossing_tests"):
        made.eval(COMPONENTS)
        made._crossing_tests = True  # type: ignore[attr-defined]
    return made


def register(name: str, expression: str) -> JuliaReference:
    """Register what a Julia expression gives, evaluated where the components above are known."""
    julia().eval(f'DiagramBridge.register("{name}", Core.eval(CrossingTests, quote {expression} end))')
    return JuliaReference(name)


def learns(body: Any) -> bool | None:
    """Whether a Julia component has parameters, which the builder has to be told."""
    if not isinstance(body, JuliaReference):
        return None
    component = f'DiagramBridge.as_component(DiagramBridge.registered("{body.name}"), "a component")'
    code = f"string(!isempty(DiagramBridge.parameters({component})))"
    return julia().runtime.eval_string(code) == "true"


def one_arrow(
    body: Any,
    sources: Sequence[tuple[int, ...]],
    targets: Sequence[tuple[int, ...]],
    dtype: str = "float64",
    agree: bool = True,
    **options: Any,
) -> Builder:
    """A diagram of one arrow `f` between spaces of those shapes; each output is named, and agrees with a column."""
    d = Builder("one arrow")

    def space(name: str, shape: tuple[int, ...]) -> Space:
        return d.space(name, dtype, axes=[(f"a{k}", size) for k, size in enumerate(shape)])

    ins = [space(f"x{k}", shape) for k, shape in enumerate(sources)]
    outs = [space(f"y{k}", shape) for k, shape in enumerate(targets)]
    data = d.source("data", {s.name: s for s in [*ins, *outs]})
    f = d.arrow("f", ins, outs, body, has_parameters=learns(body), **options)
    made = f(*(data[s.name] for s in ins))
    for term, out in zip(made if isinstance(made, tuple) else (made,), outs, strict=True):
        if agree:
            d.agree(term, data[out.name], by=bridge.mse(), name=out.name)
        d.output(f"f to {out.name}", term)
    return d


def batch_for(
    diagram: Diagram,
    samples: Mapping[str, int] | int,
    seed: int = 0,
    scale: float = 1.0,
    variables: Mapping[str, int] | None = None,
) -> Batch:
    """Random columns for every source: class indices where there are classes, no negative masks."""
    generator = torch.Generator().manual_seed(seed)

    def column(space: Space, n: int) -> Tensor:
        shape = (n, *((variables or {}).get(s, 3) if isinstance(s, str) else s for s in space.shape))
        dtype = DTYPES[space.data_type]
        if space.classes:
            return torch.randint(0, int(space.classes), shape, generator=generator, dtype=dtype)
        if dtype is torch.bool:
            return torch.rand(shape, generator=generator) < 0.7
        if not dtype.is_floating_point:
            return torch.randint(0, 3, shape, generator=generator, dtype=dtype)
        values = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
        return (values.abs() if space.name == "weights" else values).to(dtype)

    return {
        s.name: {
            c.name: column(diagram.space(c.space), samples if isinstance(samples, int) else samples[s.name])
            for c in s.columns
        }
        for s in diagram.sources
    }


def in_float64(diagram: Diagram) -> Diagram:
    """The same diagram with float64 for float32, and weights between −1 and 1."""
    spaces = tuple(
        replace(s, data_type=DataType.FLOAT64) if s.data_type is DataType.FLOAT32 else s for s in diagram.spaces
    )

    def bounded(weight: float) -> float:
        return math.copysign(min(abs(weight), 1.0), weight)

    agreements = tuple(replace(a, weight=bounded(a.weight)) for a in diagram.agreements)
    commutes = tuple(replace(c, weight=bounded(c.weight)) for c in diagram.commutes)
    return bridge.canonical(replace(diagram, spaces=spaces, agreements=agreements, commutes=commutes))


def portable(diagram: Diagram) -> list[str]:
    """The components that can be placed on either side."""
    return [c.name for c in diagram.components if isinstance(c.body, LayerGraph)]


def twins(
    diagram: Diagram | Builder,
    placement: Mapping[str, str] | None = None,
    modules: Mapping[str, nn.Module] | None = None,
) -> tuple[Objective, Objective]:
    """The diagram with everything in torch, and with all (or those named) in Julia, from the same parameters."""
    built = diagram.build() if isinstance(diagram, Builder) else diagram
    given = {**(diagram.modules if isinstance(diagram, Builder) else {}), **(modules or {})}
    if placement is None:
        placement = dict.fromkeys(portable(built), "julia")
    plain = bridge.compile(built, given)
    mixed = bridge.compile(built, given, placement=placement)
    mixed.load_state_dict(plain.state_dict())
    return plain, mixed


def gradients(objective: Objective, batch: Batch, tracked: bool = True) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The losses on a batch by name, and the gradients of parameters and of float columns by name."""
    objective.zero_grad()
    copied = {
        s: {c: v.detach().clone().requires_grad_(tracked and v.is_floating_point()) for c, v in columns.items()}
        for s, columns in batch.items()
    }
    losses = objective(copied, seed=1)
    if losses.total.requires_grad:
        losses.total.backward()
    found: dict[str, Any] = {n: None if p.grad is None else p.grad.clone() for n, p in objective.named_parameters()}
    found |= {f"{s}.{c}": v.grad for s, columns in copied.items() for c, v in columns.items()}
    return {"total": losses.total.detach(), **{n: v.detach() for n, v in losses.agreements.items()}}, found


def zero(gradient: Tensor | None, like: Tensor) -> Tensor:
    """A gradient, with zeros for None."""
    return torch.zeros_like(like) if gradient is None else gradient


@contextmanager
def nothing_lost() -> Iterator[None]:
    """No tape and no memory of Julia's is alive after the block that was not before it."""
    gc.collect()
    collect()
    before = stats()
    yield
    collect()
    after = stats()
    assert (after.tapes, after.owners, after.islands) == (before.tapes, before.owners, before.islands)

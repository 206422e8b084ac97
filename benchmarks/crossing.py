"""What it costs to cross from PyTorch into Julia and back: `python -m benchmarks.crossing --json`.

| key | what |
| --- | --- |
| `small_ratio` | an island that returns its input, 16 floats, both ways, against an identity autograd function in Python |
| `size_ratio` | the same crossing at 64 MiB against 64 bytes |
| `copies` | tensors that were copied in all of it, by `bridge.stats()` |

The island is a component of the user's, run by the ordinary code with every check of docs/abi.md; gradients are contiguous.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import bridge
from benchmarks.paired import compare
from bridge.julia.component import JuliaModel
from bridge.julia.island import Island
from bridge.julia.loading import load
from bridge.julia.session import Session, session
from bridge.plan.compile import plan_outputs
from bridge.plan.encode import fragment

SMALL, LARGE = 16, 16 * 2**20  # floats: 64 bytes, 64 MiB

ECHO = """
module CrossingBenchmark
import DiagramBridge
struct Echo end
DiagramBridge.forward(::Echo, inputs::Tuple, train::Bool) = (inputs, nothing)
DiagramBridge.pullback(::Echo, residual, doutputs::Tuple) = (doutputs, ())
DiagramBridge.register("crossing benchmark", Echo())
end
"""


class Identity(torch.autograd.Function):
    """The least that a custom function can be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Returns its input."""
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Returns its gradient."""
        return gradient


def echo_island(julia: Session) -> Island:
    """An island of one component that returns its input."""
    julia.eval(ECHO)
    d = bridge.Builder("crossing")
    x = d.space("x", "float32", k="K")
    data = d.source("data", x=x)
    echo = d.arrow("echo", x, x, bridge.JuliaReference("crossing benchmark"))
    d.agree(echo(data.x), data.x, by=bridge.mse())
    d.output("echoed", echo(data.x))
    diagram = d.build()
    plan, _ = plan_outputs(diagram, ["echoed"])
    model = JuliaModel("crossing benchmark", julia)
    return load(julia, fragment(plan, diagram, plan.islands[0]), {"echo": model}, (), (), one_batch=True)


def step(function: Callable[[Tensor], Tensor], floats: int) -> Callable[[], None]:
    """Forward and backward on a leaf of so many floats, without the copy that accumulating into `.grad` makes."""
    x = torch.zeros(1, floats, requires_grad=True)
    gradient = torch.ones(1, floats)

    def run() -> None:
        torch.autograd.grad(function(x), x, gradient)

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    island = echo_island(session())

    def cross(x: Tensor) -> Tensor:
        return island.call((x,), (), True, 0)[0]

    bridge.stats(reset=True)
    small = compare(step(cross, SMALL), step(Identity.apply, SMALL), rounds=200, warm_up=200)
    size = compare(step(cross, LARGE), step(cross, SMALL), rounds=200, warm_up=20)
    figures = {
        "small_ratio": round(small.ratio, 3),
        "size_ratio": round(size.ratio, 3),
        "copies": bridge.stats().copies,
        "crossing_us": round(small.first_s * 1e6, 2),
        "identity_us": round(small.second_s * 1e6, 2),
        "large_us": round(size.first_s * 1e6, 2),
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{key:14} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()

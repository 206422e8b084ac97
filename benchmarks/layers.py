"""What portable layers cost on Julia's native engine beside torch: `python -m benchmarks.layers --json`.

The figure of a row is the time of forward and backward of an island of that one layer, divided by torch's own: float32,
gradients of inputs and parameters, both sides with the same parameters, in turns. Sizes are such that a step takes over a
millisecond. Julia's loops and matrix products run on torch's threads. `--only conv2d linear` measures the rows whose names
begin so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import bridge
from benchmarks.layer_rows import ROWS, VIEWS, Row
from benchmarks.paired import Comparison, compare
from bridge.diagram.ir import Diagram, LayerGraph
from bridge.layers.build import as_graph
from bridge.layers.graph import infer_shapes
from bridge.layers.table import LAYERS
from bridge.plan import Runtime, plan_outputs
from bridge.torch.islands import bind
from bridge.torch.layers import LayerMode
from bridge.torch.portable import PortableModule

ROUNDS, MOST_S = 50, 5.0
SEED = 7


@dataclass(frozen=True)
class Sides:
    """A step of the island and one of torch's; each gives the gradients."""

    island: Callable[[], tuple[Tensor, ...]]
    torch: Callable[[], tuple[Tensor, ...]]


def graph_of(row: Row) -> LayerGraph:
    """The row's layer as a graph."""
    return as_graph(row.layer, len(row.inputs))


def diagram_of(row: Row) -> Diagram:
    """A diagram with one arrow for the layer, and its outputs by name; another arrow, for it has to train something."""
    d = bridge.Builder(row.name)
    graph = graph_of(row)
    made = infer_shapes(graph, tuple(given.shape for given in row.inputs), row.name)

    def axes(shape: Sequence[int | str]) -> list[tuple[str, int | str]]:
        return [(f"axis_{k}", size) for k, size in enumerate(shape)]

    spaces = {}
    for k, given in enumerate(row.inputs):
        if given.classes:
            spaces[f"x{k}"] = d.index(f"x{k}", classes=given.classes, axes=axes(given.shape))
        else:
            spaces[f"x{k}"] = d.space(f"x{k}", given.data_type, axes=axes(given.shape))
    outs = [d.space(f"y{k}", axes=axes(shape)) for k, shape in enumerate(made)]
    one = d.space("one", k=1)
    data = d.source("data", {**spaces, "one": one})
    results = d.arrow("f", list(spaces.values()), outs, graph)(*(data[name] for name in spaces))
    for k, term in enumerate(results if isinstance(results, tuple) else (results,)):
        d.output(f"y{k}", term)
    d.agree(d.arrow("last", one, one, bridge.layers.linear(1, 1))(data["one"]), data["one"], by=bridge.mse())
    return d.build()


def sides(row: Row) -> Sides:
    """Both programs of a row, on the same inputs, parameters and gradients of outputs."""
    from bridge.julia.session import session

    torch.manual_seed(SEED)
    diagram, module = diagram_of(row), PortableModule(graph_of(row)).train()
    names = [output.name for output in diagram.outputs]
    plan, registers = plan_outputs(diagram, names, {"f": Runtime.JULIA}, Runtime.TORCH)
    (call,) = bind(diagram, plan, {"f": module}, session(), False)
    (island,) = plan.islands
    inputs = [given.draw(row.samples) for given in row.inputs]
    columns = {i.outputs[0]: int(i.column[1:]) for i in plan.instructions if i.column}
    taken = [columns[register] for register in island.inputs]
    mode = LayerMode(True, SEED)

    def in_island() -> tuple[Tensor, ...]:
        made = dict(zip(island.outputs, call(tuple(inputs[k] for k in taken), True, SEED), strict=True))
        return tuple(made[register] for register in registers)

    def in_torch() -> Any:
        if row.reference is not None:
            return row.reference(inputs, dict(module.named_parameters()))
        made = module(*inputs, mode=mode)
        return tuple(y.contiguous() for y in (made if isinstance(made, tuple) else (made,))) if row.dense else made

    made = in_torch()
    gradients = [torch.randn_like(y) for y in (made if isinstance(made, tuple) else (made,))]
    leaves = [x for x in inputs if x.requires_grad] + list(module.parameters())
    return Sides(step(in_island, leaves, gradients), step(in_torch, leaves, gradients, row.dense))


def step(
    run: Callable[[], Any], leaves: Sequence[Tensor], gradients: Sequence[Tensor], dense: bool = False
) -> Callable[[], tuple[Tensor, ...]]:
    """Forward and backward; with `dense` the gradients are put in a row."""

    def both() -> tuple[Tensor, ...]:
        made = run()
        found = torch.autograd.grad(made, leaves, gradients)
        return tuple(g.contiguous() for g in found) if dense else found

    return both


def measure(rows: Sequence[Row], rounds: int = ROUNDS, most_s: float = MOST_S) -> Iterator[tuple[Row, Comparison]]:
    """Each row with its comparison."""
    for row in rows:
        both = sides(row)
        yield row, compare(both.island, both.torch, rounds=rounds, warm_up=5, most_s=most_s)


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object: row to ratio")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="rows whose names begin so")
    parser.add_argument("--seconds", type=float, default=MOST_S, help="the most for one row, about")
    options = parser.parse_args()
    for operation in sorted({operation for operation, _ in LAYERS} - {row.operation for row in ROWS} - VIEWS):
        print(f"benchmarks.layers: no row for {operation}", file=sys.stderr)
    figures = {}
    rows = [row for row in ROWS if row.name.startswith(tuple(options.only))]
    for row, found in measure(rows, most_s=options.seconds):
        figures[row.name] = round(found.ratio, 3)
        if not options.json:
            times = f"{found.first_s * 1e3:8.2f} ms {found.second_s * 1e3:8.2f} ms"
            print(f"{row.name:28} {times}  ratio {found.ratio:5.2f} of {row.bound}", flush=True)
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

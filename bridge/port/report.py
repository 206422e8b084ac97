"""Whether a diagram is the same function in PyTorch and in Julia: measured layer by layer, and as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bridge.diagram.builder import Builder
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import DataType, Diagram, LayerGraph
from bridge.diagram.messages import element, listing
from bridge.diagram.types import component_data_type
from bridge.errors import BatchError, BindingError, UnsupportedError
from bridge.julia.objective import JuliaObjective
from bridge.julia.session import session
from bridge.port.dissected import dissected, random_column
from bridge.torch.batch import DTYPES
from bridge.torch.objective import Objective, compile
from bridge.torch.portable import draw_seed
from bridge.torch.seeds import WORD, seeded
from bridge.train.data import Data, Feed
from bridge.train.fit import fit, require_agreements
from bridge.train.optimizers import make_optimizer
from bridge.train.order import words

__all__ = ["BOUNDS", "Report", "Row", "report"]

BOUNDS: Mapping[DataType, tuple[float, float]] = {DataType.FLOAT64: (1e-10, 1e-6), DataType.FLOAT32: (1e-5, 1e-3)}
"""The largest difference of a layer and of a loss or gradient, and that of a loss after steps, in a dtype."""

STEPS, RATE = 10, 0.01


@dataclass(frozen=True)
class Row:
    """The largest differences at one layer, or at the whole diagram's losses, gradients or steps.

    They are relative to a tensor's largest number where that is above 1.
    """

    element: str
    operation: str
    differences: Mapping[str, float]
    bound: float

    @property
    def within(self) -> bool:
        """Whether nothing is further apart than the bound."""
        return all(difference <= self.bound for difference in self.differences.values())


@dataclass(frozen=True)
class Report:
    """What was compared, in which order, and with which versions. `to` is the runtime that is compared with the other."""

    diagram: str
    to: str
    dtype: str
    torch: str
    julia: str
    engine: str
    rows: tuple[Row, ...]

    @property
    def first(self) -> Row | None:
        """The first row with a difference beyond its bound."""
        return next((row for row in self.rows if not row.within), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        plain = asdict(self)
        for own, row in zip(plain["rows"], self.rows, strict=True):
            own["within"] = row.within
            # JSON has no infinity.
            own["differences"] = {name: x if math.isfinite(x) else None for name, x in row.differences.items()}
        return {**plain, "within": self.first is None, "first": self.first.element if self.first else None}

    def text(self) -> str:
        """A table, and a last line that says where the first difference is."""
        columns = ("weights", "output", "loss", "input gradient", "parameter gradient")
        head = ["", "", *columns, "bound"]
        lines = [head]
        for row in self.rows:
            shown = [f"{row.differences[name]:.1e}" if name in row.differences else "" for name in columns]
            lines.append([row.element, row.operation, *shown, f"{row.bound:.0e}" + ("" if row.within else "  beyond")])
        widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
        sides = f"PyTorch {self.torch} and Julia {self.julia} ({self.engine})"
        title = f"diagram '{self.diagram}' to {self.to}: {sides}, {self.dtype}"
        last = f"first difference: {self.first.element}" if self.first else "no difference beyond the bounds"
        return "\n".join([title, "", *table, "", last])


def report(
    diagram: Diagram | Builder | Objective,
    to: str = "flux",
    *,
    other: Objective | None = None,
    data: Data | None = None,
    seed: int = 0,
    as_it_is: bool = False,
) -> Report:
    """Compare a diagram of portable components in PyTorch and in Julia, with the engine that Julia has.

    First each layer by itself, in the graphs' order: its weights, its output in test mode, and in train mode its loss
    against random numbers and the gradients of its inputs and parameters. Then the losses of the whole diagram, its
    gradients, and ten steps of Adam in each language. All is run in float64, where rounding can't hide what differs,
    unless it is to be `as_it_is`. `data` are samples (default: 8 random ones); `other` has the weights of Julia's side,
    which are the same otherwise. Neither objective changes.

    Raises UnsupportedError for a component that is not portable, DiagramError for a diagram without agreements, and
    BatchError for data that are not its columns or not finite.
    """
    if to not in ("flux", "torch"):
        raise BindingError("runtime", "'flux' or 'torch'", repr(to))
    if not isinstance(diagram, Objective):
        with seeded(seed):
            diagram = compile(diagram)
    for component in diagram.diagram.components:
        if not isinstance(component.body, LayerGraph):
            found = f"a {type(component.body).__name__}"
            raise UnsupportedError(element("component", component.name), "a portable component (bridge.to)", found)
    require_agreements(diagram)
    made = diagram.diagram if as_it_is else in_float64(diagram.diagram)
    both = made, diagram.state_dict(), (other or diagram).state_dict()
    samples = _random_data(made, seed) if data is None else _as_spaces(made, data)
    rows = (*_layers(*both, seed), *_whole(*both, samples, seed))
    julia = session()
    packages = ", ".join(f"{name} {version}" for name, version in julia.packages.items())
    engine = f"engine {julia.engine}: {packages}"
    types = {space.data_type for space in made.spaces if space.data_type.is_float}
    return Report(
        made.name, to, ", ".join(sorted(t.value for t in types)), torch.__version__, str(julia.version), engine, rows
    )


def in_float64(diagram: Diagram) -> Diagram:
    """The diagram with float64 for float32."""
    spaces = [replace(s, data_type=DataType.FLOAT64) if s.data_type.is_float else s for s in diagram.spaces]
    return canonical(replace(diagram, spaces=tuple(spaces)))


def _random_data(diagram: Diagram, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed % WORD)
    return {
        source.name: {c.name: random_column(diagram.space(c.space), 8, generator) for c in source.columns}
        for source in diagram.sources
    }


def _as_spaces(diagram: Diagram, data: Data) -> Data:
    """Data in the dtypes of their spaces. Where they are not finite, all that comes of them is as good as equal."""
    spaces = {(s.name, c.name): diagram.space(c.space) for s in diagram.sources for c in s.columns}
    given = {(source, name): column for source, columns in data.items() for name, column in columns.items()}
    found: dict[str, dict[str, Tensor]] = {source.name: {} for source in diagram.sources}
    for source, name in sorted(spaces.keys() | given.keys()):
        where = f"column '{source}.{name}'"
        if (source, name) not in given:
            raise BatchError(where, "an array of samples", "none")
        if (source, name) not in spaces:
            raise BatchError(where, f"one of the columns {listing('.'.join(key) for key in sorted(spaces))}", "another one")
        tensor, kind = torch.as_tensor(given[source, name]), DTYPES[spaces[source, name].data_type]
        if not tensor.dim():
            raise BatchError(where, "an array of samples", "a scalar")
        if not bool(tensor.isfinite().all()):
            raise BatchError(where, "finite numbers", f"{tensor[~tensor.isfinite()][0].item()}")
        found[source][name] = tensor.to(kind) if kind.is_floating_point else tensor
    return found


def _layers(diagram: Diagram, mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], seed: int) -> Iterator[Row]:
    for component in diagram.components:
        graph = component.body
        assert isinstance(graph, LayerGraph)
        if not graph.nodes:
            continue
        kind = DataType(component_data_type(diagram, component))
        arrow = next(arrow for arrow in diagram.arrows if arrow.component == component.name)
        spaces = [diagram.space(name) for name in arrow.sources]
        start = f"components.{component.name}."
        states = [{k.removeprefix(start): x for k, x in state.items() if k.startswith(start)} for state in (mine, theirs)]
        parts = dissected(graph, kind, spaces, states[0], seed=seed)
        placed = {str(place): "julia" for place in range(len(graph.nodes))}
        sides = []
        for state, placement in zip(states, ({}, placed), strict=True):
            objective = compile(parts.builder, placement=placement)
            objective.load_state_dict(parts.weights(state))
            sides.append(objective)
        found = [_measured(objective, parts.batch["values"], seed) for objective in sides]
        for place, node in enumerate(graph.nodes):
            where = f"{component.name}, {node.name}"
            own = [{k: v for k, v in side.items() if k[1] == place} for side in found]
            differences: dict[str, float] = {}
            for (name, _, part), value in own[0].items():
                apart = difference(value, own[1][name, place, part])
                differences[name] = max(differences.get(name, 0.0), apart)
            yield Row(where, node.layer.operation, differences, BOUNDS[kind][0])


Measured = Mapping["tuple[str, int, str]", Tensor]


def _measured(objective: Objective, columns: Mapping[str, Tensor], seed: int) -> Measured:
    """Everything that is compared at the nodes of a dissected graph: by what it is, the node's place, and its name."""
    found: dict[tuple[str, int, str], Tensor] = {}
    for path, value in objective.state_dict().items():
        _, place, name = path.split(".", 2)
        found["weights", int(place), name] = value.clone()
    for output in objective.diagram.outputs:
        place, value = output.name.split()
        found["output", int(place), value] = objective.evaluate(output.name, {"values": columns})
    given = {n: x.clone().requires_grad_() if x.is_floating_point() else x.clone() for n, x in columns.items()}
    losses = objective.train()({"values": given}, seed=seed)
    if losses.total.requires_grad:
        losses.total.backward()
    for agreement, loss in losses.agreements.items():
        place, value = agreement.split()
        found["loss", int(place), value] = loss.detach()
    for column, x in given.items():
        place, name = column.split(":")
        if name.startswith("in") and x.is_floating_point():
            found["input gradient", int(place), name] = torch.zeros_like(x) if x.grad is None else x.grad
    for path, parameter in objective.named_parameters():
        _, place, name = path.split(".", 2)
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        found["parameter gradient", int(place), name] = gradient
    return found


def difference(one: Tensor, two: Tensor) -> float:
    """The largest difference, relative to the largest number of the first where that is above 1.

    >>> difference(torch.tensor([4.0, 2.0]), torch.tensor([4.0, 1.0]))
    0.25
    """
    if one.shape != two.shape:
        return float("inf")
    if not one.numel():
        return 0.0
    one, two = one.detach().double(), two.detach().double()
    apart = float((one - two).abs().max()) / max(1.0, float(one.abs().max()))
    # Two NaN or two equal infinities are no difference.
    same = ((one == two) | (one.isnan() & two.isnan())).all()
    return 0.0 if bool(same) else float("inf") if apart != apart else apart


def _whole(
    diagram: Diagram, mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], data: Data, seed: int
) -> Iterator[Row]:
    placed = {component.name: "julia" for component in diagram.components}
    one, two = compile(diagram), compile(diagram, placement=placed, driver="julia")
    one.load_state_dict(dict(mine))
    two.load_state_dict(dict(theirs))
    assert isinstance(two, JuliaObjective)
    kinds = {space.data_type for space in diagram.spaces if space.data_type.is_float}
    bounds = BOUNDS[DataType.FLOAT32 if DataType.FLOAT32 in kinds else DataType.FLOAT64]
    feed = Feed(data, max(len(next(iter(columns.values()))) for columns in data.values()), seed)
    state = [{path: value.clone() for path, value in side.state_dict().items()} for side in (one, two)]
    expected = one.train()(feed.batch(0), seed=seed)
    expected.backward()
    two.train()
    found, gradients = two.losses_and_gradients(feed.batch(0), seed=seed)
    for name, loss in expected.agreements.items():
        yield Row(f"agreement '{name}'", "", {"loss": difference(loss, found.agreements[name])}, bounds[0])
    apart = 0.0
    for component, path in two.named_parameters_of_components():
        gradient = one.components[component].get_parameter(path).grad
        other = gradients.get((component, path))
        if gradient is not None or other is not None:
            like = gradient if gradient is not None else other
            assert like is not None
            pair = (torch.zeros_like(like) if x is None else x for x in (gradient, other))
            apart = max(apart, difference(*pair))
    yield Row("gradients", "", {"parameter gradient": apart}, bounds[0])
    for side, before in zip((one, two), state, strict=True):  # buffers changed
        side.load_state_dict(before)
    yield from _steps(one, two, data, feed, seed, bounds[1])


def _steps(one: Objective, two: JuliaObjective, data: Data, feed: Feed, seed: int, bound: float) -> Iterator[Row]:
    """Ten steps of Adam: torch's loop here, Julia's there. What draws does so from the same seeds."""
    optimizer = make_optimizer("adam", one.trainable_parameters(), {"lr": RATE})
    with seeded(seed):
        drawn = draw_seed()
    expected = []
    for number in range(STEPS):
        losses = one(feed.batch(number), seed=int(words(drawn, number, "steps", 1)[0]))
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
        expected.append(losses.total.detach())
    with seeded(seed):
        size = max(len(next(iter(columns.values()))) for columns in data.values())
        history = fit(two, data, epochs=STEPS, batch_size=size, seed=seed, optimizer="adam", lr=RATE, progress=False)
    for number, (loss, other) in enumerate(zip(expected, history.total, strict=True)):
        apart = difference(loss, torch.tensor(other, dtype=torch.float64))
        yield Row(f"step {number}", "adam", {"loss": apart}, bound)
    parameters = {path: parameter for path, parameter in one.named_parameters()}
    apart = max((difference(p, two.get_parameter(path)) for path, p in parameters.items()), default=0.0)
    yield Row(f"parameters after {STEPS} steps", "adam", {"weights": apart}, bound)

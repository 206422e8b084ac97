"""Running the cases of layers in every engine, and how far each is from torch's own functions.

Many cases make one diagram: each is an arrow with a component of its own, on columns of one source, and the loss is the
sum of squares of outputs minus random targets. References compute in float64 whatever the dtype, on the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from layer_cases import Call, Case, Input
from layer_cases_arithmetic import CASES as ARITHMETIC
from layer_cases_attention import CASES as ATTENTION
from layer_cases_convolution import CASES as CONVOLUTION
from layer_cases_elementary import CASES as ELEMENTARY
from layer_cases_indexing import CASES as INDEXING
from layer_cases_normalization import CASES as NORMALIZATION
from layer_cases_pooling import CASES as POOLING
from layer_cases_recurrent import CASES as RECURRENT
from layer_cases_regularization import CASES as REGULARIZATION
from layer_cases_resampling import CASES as RESAMPLING
from layer_cases_shaping import CASES as SHAPING
from torch import Tensor

import bridge
from bridge import layers
from bridge.diagram.ir import Diagram
from bridge.julia.session import Session
from bridge.julia.start import julia_literal
from bridge.layers.build import as_graph
from bridge.layers.graph import infer_shapes
from bridge.plan.program import Operation
from bridge.torch.islands import bind
from bridge.torch.layers import LayerMode
from bridge.train.tensor_file import read_tensors, write_tensors

FAMILIES = {
    "elementary": ELEMENTARY,
    "convolution": CONVOLUTION,
    "pooling": POOLING,
    "resampling": RESAMPLING,
    "normalization": NORMALIZATION,
    "regularization": REGULARIZATION,
    "indexing": INDEXING,
    "arithmetic": ARITHMETIC,
    "shaping": SHAPING,
    "recurrent": RECURRENT,
    "attention": ATTENTION,
}

CASES_OF_AN_OPERATION = 3

Found = dict[str, Tensor]
"""What an engine makes of a case: `output 0`, `input 0`'s gradient, each parameter's gradient, each buffer afterwards."""


@dataclass(frozen=True)
class Trial:
    """Cases that run together: on so many samples, in a mode, with numbers of a seed."""

    cases: Sequence[Case]
    samples: int
    dtype: torch.dtype
    train: bool
    seed: int


@st.composite
def trials(draw: st.DrawFn, family: str, dtype: torch.dtype) -> Trial:
    """Cases of every operation of a family."""
    samples = draw(st.sampled_from([1, 2, 5]))
    cases = [draw(make(samples)) for make in FAMILIES[family].values() for _ in range(CASES_OF_AN_OPERATION)]
    return Trial(cases, samples, dtype, draw(st.booleans()), draw(st.integers(0, 2**32)))


class Bench:
    """A trial made ready: its diagram, an objective that holds parameters and buffers, and a batch."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.cases = trial, trial.cases
        generator = torch.Generator().manual_seed(trial.seed)
        self.diagram = diagram_of(trial)
        with torch.random.fork_rng(()):
            torch.manual_seed(trial.seed)
            self.objective = bridge.compile(self.diagram).train(trial.train)
        with torch.no_grad():
            for parameter in self.objective.parameters():  # ones and zeros would hide mistakes
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(trial.dtype) / 2)
        self.before = {name: buffer.clone() for name, buffer in self.objective.named_buffers()}
        self.columns = {"x": torch.zeros(trial.samples, 1, dtype=trial.dtype)}
        for k, case in enumerate(self.cases):
            for j, given in enumerate(case.inputs):
                self.columns[f"x{k}_{j}"] = given.draw(trial.samples, generator, trial.dtype)
            for j, shape in enumerate(shapes_of(case)):
                self.columns[f"t{k}_{j}"] = Input(shape).draw(trial.samples, generator, trial.dtype)

    def reference(self) -> list[Found]:
        """What torch's own functions make of the cases."""
        made, inputs, parameters, buffers = [], [], [], []
        for k, case in enumerate(self.cases):
            module = self.objective.components[f"c{k}"]
            before = {last(path): self.before[f"components.c{k}.{path}"] for path, _ in module.named_buffers()}
            inputs.append([leaf(wide(x)) for x in self.inputs(k)])
            parameters.append({last(path): leaf(wide(p)) for path, p in module.named_parameters()})
            buffers.append({name: wide(buffer).clone() for name, buffer in before.items()})
            mode = self.trial.train, self.trial.seed, self.application(k)
            made.append(case.reference(Call(inputs[k], parameters[k], buffers[k], *mode)))
        return self.found(made, inputs, parameters, buffers)

    def in_torch(self) -> list[Found]:
        """What torch's engine makes of them."""
        self.put_back(self.objective)
        made, inputs = [], [[leaf(x) for x in self.inputs(k)] for k in range(len(self.cases))]
        for k in range(len(self.cases)):
            mode = LayerMode(self.trial.train, self.trial.seed, self.application(k))
            made.append(self.objective.components[f"c{k}"](*inputs[k], mode=mode))
        return self.found(made, inputs, *variables(self.objective, len(self.cases)))

    def in_island(self, session: Session, engine: str) -> list[Found]:
        """What an island makes of them, all at once."""
        session.use_engine(engine)
        placement = {component.name: "julia" for component in self.diagram.components}
        objective = bridge.compile(self.diagram, placement=placement, julia=session)
        self.put_back(objective, self.objective.state_dict())
        (call,) = bind(self.diagram, objective.plan, dict(objective.components.items()), session, False)
        (island,) = objective.plan.islands
        columns = {name: leaf(x) for name, x in self.columns.items()}
        loads = {i.outputs[0]: columns[i.column] for i in objective.plan.instructions if i.operation is Operation.LOAD}
        values = call(tuple(loads[register] for register in island.inputs), self.trial.train, self.trial.seed)
        registers = dict(zip(island.outputs, values, strict=True))
        arrows = {i.arrow: tuple(registers[r] for r in i.outputs) for i in objective.plan.instructions if i.arrow}
        made = [arrows[f"c{k}"] for k in range(len(self.cases))]
        inputs = [[columns[f"x{k}_{j}"] for j in range(len(case.inputs))] for k, case in enumerate(self.cases)]
        return self.found(made, inputs, *variables(objective, len(self.cases)))

    def in_julia(self, session: Session, engine: str, folder: Path) -> list[Found]:
        """What an objective of Julia alone makes of them. It shows no outputs and no gradients of inputs."""
        session.use_engine(engine)
        self.put_back(self.objective)
        paths = [folder / name for name in ("diagram.pb", "start", "batch", "answer")]
        bridge.save(self.diagram, paths[0])
        bridge.save_checkpoint(paths[1], self.objective)
        write_tensors(paths[2], {f"data/{name}": x for name, x in self.columns.items()}, {})
        arguments = ", ".join(julia_literal(str(path)) for path in paths)
        session.eval(f"Objectives.differentiate({arguments}, {str(self.trial.train).lower()}, UInt({self.trial.seed}))")
        answers: list[Found] = [{} for _ in self.cases]
        for name, value in read_tensors(paths[3])[0].items():
            kind, *where = name.split("/")
            if kind in ("gradient", "buffer") and where[0] != "last":
                answers[int(where[0][1:])][last(where[1])] = value
        return answers

    def found(
        self,
        made: Sequence[Any],
        inputs: Sequence[Sequence[Tensor]],
        parameters: Sequence[dict[str, Tensor]],
        buffers: Sequence[dict[str, Tensor]],
    ) -> list[Found]:
        """Outputs, gradients of the sum of squares, and buffers, for each case."""
        outputs = [values if isinstance(values, tuple) else (values,) for values in made]
        total, over, where = torch.zeros((), dtype=torch.float64), [], []
        for k, values in enumerate(outputs):
            total = total + sum(((y - t.to(y.dtype)) ** 2).sum() for y, t in zip(values, self.targets(k), strict=True))
            named = {f"input {j}": x for j, x in enumerate(inputs[k]) if x.requires_grad} | parameters[k]
            where += [(k, name) for name in named]
            over += named.values()
        answers = [{f"output {j}": y.detach() for j, y in enumerate(values)} for values in outputs]
        gradients = torch.autograd.grad(total, over, allow_unused=True)
        for (k, name), x, gradient in zip(where, over, gradients, strict=True):
            answers[k][name] = torch.zeros_like(x) if gradient is None else gradient
        return [answer | {name: b.clone() for name, b in own.items()} for answer, own in zip(answers, buffers, strict=True)]

    def inputs(self, k: int) -> list[Tensor]:
        """The inputs of a case."""
        return [self.columns[f"x{k}_{j}"] for j in range(len(self.cases[k].inputs))]

    def targets(self, k: int) -> list[Tensor]:
        """What the outputs of a case are measured against."""
        return [x for name, x in self.columns.items() if name.startswith(f"t{k}_")]

    def application(self, k: int) -> int:
        """The number of a case's application."""
        return next(i.application for i in self.objective.plan.instructions if i.arrow == f"c{k}")

    def put_back(self, objective: Any, state: dict[str, Tensor] | None = None) -> None:
        """Let buffers be as they were at first."""
        objective.load_state_dict({**(state or objective.state_dict()), **self.before})


def diagram_of(trial: Trial) -> Diagram:
    """A diagram with an arrow for each case, and one that trains."""
    d = bridge.Builder("layers")
    dtype = str(trial.dtype).removeprefix("torch.")
    spaces = {"x": d.space("x", dtype, k=1)}

    def add(name: str, kind: Input) -> None:
        axes = [(str(axis), size) for axis, size in enumerate(kind.shape)]
        if kind.kind == "index":
            spaces[name] = d.index(name, classes=kind.classes, axes=axes)
        else:
            spaces[name] = d.space(name, {"float": dtype, "length": "int64", "mask": "bool"}[kind.kind], axes=axes)

    for k, case in enumerate(trial.cases):
        for j, given in enumerate(case.inputs):
            add(f"x{k}_{j}", given)
        for j, shape in enumerate(shapes_of(case)):
            add(f"t{k}_{j}", Input(shape))
    data = d.source("data", spaces)
    for k, case in enumerate(trial.cases):
        names = [f"x{k}_{j}" for j in range(len(case.inputs))]
        targets = [f"t{k}_{j}" for j in range(len(shapes_of(case)))]
        arrow = d.arrow(f"c{k}", [spaces[name] for name in names], [spaces[name] for name in targets], case.layer)
        made = arrow(*(data[name] for name in names))
        for name, value in zip(targets, made if isinstance(made, tuple) else (made,), strict=True):
            weight = trial.samples * math.prod(spaces[name].shape)  # a sum rather than a mean
            d.agree(value, data[name], by=bridge.mse(), weight=weight, name=name)
    d.agree(d.arrow("last", spaces["x"], spaces["x"], layers.linear(1, 1))(data["x"]), data["x"], by=bridge.mse())
    return d.build()


def shapes_of(case: Case) -> tuple[tuple[int, ...], ...]:
    """The sample shapes of a case's outputs."""
    graph = as_graph(case.layer, len(case.inputs))
    return infer_shapes(graph, tuple(given.shape for given in case.inputs), "a case")  # type: ignore[return-value]


def variables(objective: Any, count: int) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]]]:
    """The parameters and the buffers of each case, by name."""
    modules = [objective.components[f"c{k}"] for k in range(count)]
    parameters = [{last(path): p for path, p in module.named_parameters()} for module in modules]
    return parameters, [{last(path): b for path, b in module.named_buffers()} for module in modules]


def differences(answer: Found, expected: Found) -> Iterator[tuple[str, float]]:
    """How far each thing that was found is from what was expected, relative to its largest number if that is above 1."""
    for name, value in answer.items():
        wanted = expected[name]
        assert value.shape == wanted.shape, name
        if value.numel():
            off = (value.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1)
            yield name, float("inf") if off.isnan() else float(off)


def leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.is_floating_point())


def wide(tensor: Tensor) -> Tensor:
    return tensor.detach().double() if tensor.is_floating_point() else tensor


def last(path: str) -> str:
    """The name of a parameter in its layer."""
    return path.split(".")[-1]

"""The compiled objective: a diagram as an `nn.Module` whose call on a batch gives its losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bridge.diagram.builder import Builder, Term
from bridge.diagram.check import check
from bridge.diagram.extend import extend
from bridge.diagram.ir import Diagram, Training
from bridge.errors import BindingError, DiagramError
from bridge.plan.compile import plan as make_plan
from bridge.plan.compile import plan_outputs
from bridge.plan.program import Plan, Runtime
from bridge.torch import islands
from bridge.torch.batch import Batch
from bridge.torch.binding import Components, bind, check_binding
from bridge.torch.portable import draw_seed
from bridge.torch.program import Program
from bridge.torch.seeds import WORD, seeded
from bridge.torch.steps import Call

__all__ = ["Losses", "Objective", "compile"]


class Losses(NamedTuple):
    """The weighted total and each agreement's own loss, unweighted, by name; all are scalars."""

    total: Tensor
    agreements: dict[str, Tensor]

    def backward(self, *arguments: Any, **options: Any) -> None:
        """`total.backward`."""
        self.total.backward(*arguments, **options)


class Objective(nn.Module):
    """A diagram bound to modules; made by `bridge.compile`.

    `components` holds the modules by name, so the keys of the `state_dict` are `components.<name>.<path>` under every
    placement. Compiled programs and Julia's handles are made when first needed, and not copied or pickled.
    """

    def __init__(
        self,
        diagram: Diagram,
        plan: Plan,
        components: Mapping[str, nn.Module],
        julia: Any = None,
        allow_device_copy: bool = False,
    ) -> None:
        super().__init__()
        self.diagram = diagram
        self.plan = plan
        self.components = Components(components)
        self._options = {"julia": julia, "allow_device_copy": allow_device_copy}
        self._program: Program | None = None
        self._evaluations: dict[str | Term, tuple[Program, int]] = {}

    def forward(self, batch: Batch, seed: int | None = None) -> Losses:
        """The losses on `{source: {column: array}}`, arrays with the batch axis first.

        `seed` (64 bits) makes the call a function of its arguments; without it one is drawn from torch's default
        generator. Raises `BatchError` for a batch or an output of a component that does not fit its space.
        """
        if self._program is None:
            self._program = self._compile(self.diagram, self.plan, keep_buffers=False)
        if seed is None:
            registers = self._program.run(batch, Call(self.training, draw_seed()))
        else:
            with seeded(seed):
                registers = self._program.run(batch, Call(self.training, seed % WORD))
        *_, total = self.plan.instructions
        names = (agreement.name for agreement in self.plan.agreements)
        agreements = {name: registers[register] for name, register in zip(names, total.inputs, strict=True)}
        return Losses(registers[total.outputs[0]], agreements)

    def evaluate(self, term: str | Term, batch: Batch, seed: int = 0) -> Tensor:
        """The value of a named output, or of any term of the builder's, in test mode and without a tape.

        Only what the term needs is computed, and only its columns have to be in the batch. Neither modes nor buffers
        change, nor does torch's generator: what draws in test mode (a component frozen in train mode) draws from
        `seed`. The shape is (N, *sample), or *sample for a term without columns.
        """
        if term not in self._evaluations:
            diagram, name = self.with_output(term)
            plan, (place,) = plan_outputs(diagram, [name], self.placement(), self.plan.driver)
            self._evaluations[term] = self._compile(diagram, plan, keep_buffers=True), place
        program, register = self._evaluations[term]
        with torch.no_grad(), seeded(seed):
            value: Tensor = program.run(batch, Call(False, seed % WORD))[register]
        return value[0] if program.held[register].source is None else value

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The parameters of the components that are not frozen, each once."""
        found = {
            parameter: None
            for component in self.diagram.components
            if not component.training.is_frozen
            for parameter in self.components[component.name].parameters()
        }
        return list(found)

    def train(self, mode: bool = True) -> Objective:
        """Set the mode, and that of the components that follow it. Frozen ones go where they always run."""
        super().train(mode)
        for component in self.diagram.components:
            if component.training.is_frozen:
                self.components[component.name].train(component.training is Training.FROZEN_TRAIN_MODE)
        return self

    @property
    def julia(self) -> Any:
        """The Julia session that was given to `compile`, None for the process's own."""
        return self._options["julia"]

    def become(self, diagram: Diagram, plan: Plan, components: Components) -> None:
        """Be the objective of another diagram, whose modules and plan these are (`bridge.change` finds them)."""
        self.diagram, self.plan, self.components = diagram, plan, components
        self._program = None
        self._evaluations = {}
        self.train(self.training)

    def __getstate__(self) -> dict[str, Any]:
        options = {**self._options, "julia": None}
        return {**self.__dict__, "_program": None, "_evaluations": {}, "_options": options}

    def _compile(self, diagram: Diagram, plan: Plan, keep_buffers: bool) -> Program:
        components = dict(self.components.items())
        calls = islands.bind(diagram, plan, components, **self._options)
        return Program(diagram, plan, components, calls, keep_buffers)

    def placement(self) -> dict[str, Runtime]:
        """Where each component runs."""
        return {placement.component: placement.runtime for placement in self.plan.placements}

    def with_output(self, term: str | Term) -> tuple[Diagram, str]:
        """The diagram with a term of the builder's among its outputs, and the name of that output."""
        diagram, name = self.diagram, term
        if isinstance(term, Term):
            known = {output.name for output in diagram.outputs}
            name = next(f"evaluated {k}" for k in range(len(known) + 1) if f"evaluated {k}" not in known)
            diagram = extend(diagram, {name: term})
        if not isinstance(name, str):
            raise DiagramError("evaluate", "a term of the builder's, or an output's name", f"a {type(term).__name__}")
        return diagram, name


def compile(
    diagram: Diagram | Builder,
    modules: Mapping[str, nn.Module] | None = None,
    *,
    placement: Mapping[str, str | Runtime] | None = None,
    driver: str | Runtime = Runtime.TORCH,
    trust: Sequence[str] = (),
    julia: Any = None,
    allow_device_copy: bool = False,
) -> Objective:
    """Compile a diagram to an objective.

    `modules` are the PyTorch modules by component (or reference) name; a builder has those that its arrows were given.
    A reference `package.module:Name` is imported, and called without arguments, only if `package.module` is in `trust`.
    `placement` puts portable components on "torch" or "julia". With the driver "julia" the loop runs in Julia, which calls
    torch for what is placed there (`bridge.julia.objective`). Raises `DiagramError` for a diagram that means nothing,
    `BindingError` for modules and placements that contradict it.
    """
    given = dict(modules or {})
    if isinstance(diagram, Builder):
        given = {**diagram.modules, **given}
        diagram = diagram.build()
    check(diagram)
    placed = {name: _runtime(f"placement of {name!r}", runtime) for name, runtime in (placement or {}).items()}
    plan = make_plan(diagram, placed, _runtime("driver", driver))
    components = bind(diagram, given, trust, islands.modules(diagram, plan, julia))
    check_binding(diagram, components)
    if plan.driver is Runtime.TORCH:
        return Objective(diagram, plan, components, julia, allow_device_copy)
    from bridge.julia.objective import JuliaObjective

    return JuliaObjective(diagram, plan, components, julia, allow_device_copy)


def _runtime(element: str, runtime: str | Runtime) -> Runtime:
    try:
        return Runtime(runtime)
    except ValueError:
        expected = f"one of {[runtime.value for runtime in Runtime]}"
        raise BindingError(element, expected, repr(runtime)) from None

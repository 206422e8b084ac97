"""Objectives that Julia drives: it runs the plan, and calls torch for the components that are placed there.

    objective = bridge.compile(diagram, driver="julia", placement={"student": "julia"})
    losses, gradients = objective.losses_and_gradients(batch)
    history = bridge.fit(objective, data, epochs=3, optimizer="adam", lr=0.01)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bridge.diagram.builder import Term
from bridge.diagram.ir import Diagram
from bridge.julia.columns import Columns
from bridge.julia.component import DTYPES, JuliaModel
from bridge.julia.ownership import Held, borrow
from bridge.julia.session import Session, session
from bridge.julia.torch_components import HeldVariable, Instance, describe_variable, variables
from bridge.julia.vtable import vtable
from bridge.plan.compile import plan_outputs
from bridge.plan.program import Plan, Runtime
from bridge.schema import to_bytes
from bridge.schema.generated import control_pb2 as control
from bridge.schema.generated import plan_pb2
from bridge.torch.batch import Batch
from bridge.torch.binding import Components
from bridge.torch.objective import Losses, Objective
from bridge.torch.portable import draw_seed
from bridge.torch.seeds import WORD, seeded

__all__ = ["Compiled", "Gradients", "JuliaObjective"]

Gradients: TypeAlias = dict[tuple[str, str], Tensor]
"""By component and path of the parameter."""

_RUNTIMES = {Runtime.TORCH: plan_pb2.RUNTIME_TORCH, Runtime.JULIA: plan_pb2.RUNTIME_JULIA}


@dataclass(frozen=True)
class Compiled:
    """An objective in Julia, and where the variables that it shares with torch were when it was compiled.

    `written` are buffers that Julia writes in train mode.
    """

    julia: Session
    held: Held
    shared: tuple[tuple[HeldVariable, int], ...]
    written: tuple[Tensor, ...]

    def is_current(self) -> bool:
        """Whether torch's variables are still where Julia has them."""
        return all(variable.lies_at(address) for variable, address in self.shared)


class JuliaObjective(Objective):
    """A diagram bound to modules whose losses Julia computes and differentiates; made by `compile(…, driver="julia")`.

    It is an `nn.Module` like any objective: `components` holds the modules by name, whose parameters stay where they are
    and change in place, and `train()` and `eval()` set the mode. Calling it gives losses whose total can be
    differentiated; `loss` and `losses_and_gradients` leave autograd alone. `bridge.fit` trains it in Julia.

    An exception in a module is raised as it is, one in Julia as a JuliaError. Copies and pickles are compiled anew.
    """

    def __init__(
        self,
        diagram: Diagram,
        plan: Plan,
        components: Mapping[str, nn.Module],
        julia: Any = None,
        allow_device_copy: bool = False,
    ) -> None:
        super().__init__(diagram, plan, components, julia, allow_device_copy)
        self.columns = Columns(diagram, plan, allow_device_copy)
        self._compiled: Compiled | None = None
        self._outputs: dict[str | Term, tuple[str, bytes, Columns]] = {}

    def forward(self, batch: Batch, seed: int | None = None) -> Losses:
        """The losses on `{source: {column: array}}`, arrays with the batch axis first; the total can be differentiated.

        `seed` (64 bits) makes the call a function of its arguments; without it one is drawn from torch's default
        generator. Raises `BatchError` for a batch or an output of a component that does not fit its space.
        """
        if not torch.is_grad_enabled():
            return self.loss(batch, seed)
        losses, gradients = self.losses_and_gradients(batch, seed)
        parameters = self.named_parameters_of_components()
        found = {parameters[key]: gradient for key, gradient in gradients.items()}
        if not found:
            return losses
        total = _Total.apply(losses.total, tuple(found.values()), *found)  # type: ignore[no-untyped-call]
        return Losses(total, losses.agreements)

    def loss(self, batch: Batch, seed: int | None = None) -> Losses:
        """The losses alone, in the mode of the objective; there is nothing to differentiate."""
        return self._losses(self._differentiate(batch, seed, gradients=False))

    def losses_and_gradients(self, batch: Batch, seed: int | None = None) -> tuple[Losses, Gradients]:
        """The losses, and the gradient of the total for each trainable parameter that it depends on.

        Gradients are by component and path; parameters that are tied have one tensor.
        """
        answer = self._differentiate(batch, seed, gradients=True)
        parameters = self.named_parameters_of_components()
        found = {parameters[g.component, g.values.path]: self._take(g.values, g.owner) for g in answer.gradients}
        return self._losses(answer), {key: found[p] for key, p in parameters.items() if p in found}

    def evaluate(self, term: str | Term, batch: Batch, seed: int = 0) -> Tensor:
        """The value of a named output, or of any term of the builder's, in test mode and without a tape.

        As in any objective: only what the term needs is computed, and nothing changes.
        """
        compiled = self.compiled()
        if term not in self._outputs:
            diagram, name = self.with_output(term)
            plan, _ = plan_outputs(diagram, [name], self.placement(), self.plan.driver)
            columns = Columns(diagram, plan, self._options["allow_device_copy"])
            self._outputs[term] = name, b"" if diagram is self.diagram else to_bytes(diagram), columns
        name, extended, columns = self._outputs[term]
        with columns.shared(batch, compiled.julia.copies) as samples, seeded(seed):
            request = control.Evaluate(
                objective=compiled.held.id, output=name, diagram=extended, columns=samples, seed=seed % WORD
            )
            answer = self.ask(control.Request(evaluate=request)).evaluated
        return self._take(answer.values, answer.owner)

    def ask(self, request: control.Request) -> control.Response:
        """Ask Julia something for which it may call torch back. What a module raises is raised as it is."""
        try:
            with vtable().called():
                return self._julia().control(request)
        finally:
            for model in self._models():
                model.buffers_changed()
            for buffer in self._compiled.written if self._compiled else ():
                torch.autograd.graph.increment_version(buffer)

    def compiled(self) -> Compiled:
        """The objective in Julia: a new one where there is none yet, and where parameters were given other memory."""
        for model in self._models():
            model.attach()
            model.arguments()  # its own arrays are the storage, to which such parameters are brought back
        if self._compiled is None or not self._compiled.is_current():
            self._compiled = None
            self._compiled = self._compile_in_julia()
        return self._compiled

    def named_parameters_of_components(self) -> dict[tuple[str, str], nn.Parameter]:
        """The parameters of the components that are not frozen, by component and path."""
        return {
            (component.name, path): parameter
            for component in self.diagram.components
            if not component.training.is_frozen
            for path, parameter in self.components[component.name].named_parameters()
        }

    def become(self, diagram: Diagram, plan: Plan, components: Components) -> None:
        """Be the objective of another diagram, whose modules and plan these are (`bridge.change` finds them)."""
        super().become(diagram, plan, components)
        self.columns = Columns(diagram, plan, self._options["allow_device_copy"])
        self._compiled = None
        self._outputs = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_compiled": None, "_outputs": {}}

    def _julia(self) -> Session:
        return self._options["julia"] or session()

    def _models(self) -> list[JuliaModel]:
        return [module for _, module in self.components.items() if isinstance(module, JuliaModel)]

    def _differentiate(self, batch: Batch, seed: int | None, gradients: bool) -> control.Differentiated:
        compiled = self.compiled()
        drawn, kept = (draw_seed(), nullcontext()) if seed is None else (seed % WORD, seeded(seed))
        with self.columns.shared(batch, compiled.julia.copies) as samples, kept:
            request = control.Differentiate(
                objective=compiled.held.id, columns=samples, train=self.training, seed=drawn, gradients=gradients
            )
            return self.ask(control.Request(differentiate=request)).differentiated

    def _losses(self, answer: control.Differentiated) -> Losses:
        dtype = DTYPES[answer.data_type]
        names = (agreement.name for agreement in self.plan.agreements)
        own = {name: torch.tensor(value, dtype=dtype) for name, value in zip(names, answer.agreements, strict=True)}
        return Losses(torch.tensor(answer.total, dtype=dtype), own)

    def _take(self, values: control.Variable, owner: int) -> Tensor:
        """A tensor over memory that Julia lends."""
        return borrow(values.address, tuple(values.shape), DTYPES[values.data_type], self._julia().hold(owner))

    def _compile_in_julia(self) -> Compiled:
        offered: list[str] = []
        shared: list[HeldVariable] = []
        written: list[Tensor] = []
        bound = []
        for name, module in self.components.items():
            element, runs = f"component {name!r}", self.plan.runtime(name)
            if isinstance(module, JuliaModel):
                bound.append(control.BoundComponent(component=name, instance=module.instance))
                continue
            instance = Instance(element, module)
            shared += instance.parameters()
            if runs is Runtime.TORCH:
                offered.append(vtable().offer(module, element))
                bound.append(control.BoundComponent(component=name, reference=offered[-1]))
            else:
                described = [describe_variable(p, t, f"{p!r} of {element}", b) for p, t, b in variables(module)]
                bound.append(control.BoundComponent(component=name, variables=described))
                shared += instance.buffers()
                written += module.buffers()
        placements = [plan_pb2.Placement(component=p.component, runtime=_RUNTIMES[p.runtime]) for p in self.plan.placements]
        request = control.Compile(diagram=to_bytes(self.diagram), placements=placements, components=bound)
        julia = self._julia()
        try:
            held = julia.hold(self.ask(control.Request(compile=request)).compiled.objective)
        finally:
            for reference in offered:
                vtable().withdraw(reference)
        return Compiled(julia, held, tuple((v, v.tensor.data_ptr()) for v in shared), tuple(written))


class _Total(torch.autograd.Function):
    """The total, with gradients that have been computed already."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, gradients: Sequence[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return total.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dtotal: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(gradient * dtotal for gradient in ctx.gradients)

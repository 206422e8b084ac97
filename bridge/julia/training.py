"""The training loop in Julia: steps of an objective that Julia drives, with the state of a torch optimizer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridge.errors import UnsupportedError
from bridge.julia.objective import JuliaObjective
from bridge.julia.torch_components import describe_variable
from bridge.schema.generated import control_pb2 as control
from bridge.torch.objective import Losses
from bridge.torch.portable import draw_seed
from bridge.torch.seeds import WORD
from bridge.train.data import Feed
from bridge.train.optimizer_state import slot_names
from bridge.train.optimizers import OPTIMIZERS, optimizer_name, optimizer_options

__all__ = ["steps_in_julia"]


def steps_in_julia(
    objective: JuliaObjective, feed: Feed, optimizer: Optimizer, begin: int, end: int, one_by_one: bool
) -> Iterator[tuple[int, Losses]]:
    """Make the steps from `begin` to `end`, counted from 0 over all epochs; gives each one's number and losses.

    The optimizer is torch's, of a kind that Julia has too: its state is the storage, and Julia makes the steps. Between
    steps that are made `one_by_one` its options may be changed, parameters given other memory, and the objective another
    diagram.
    """
    drawn, first = draw_seed(), begin
    while first < end:
        julia = objective.compiled().julia
        with objective.columns.shared(feed.columns, julia.copies) as samples:
            training = _Training(objective, samples, feed, optimizer, drawn)
            while first < end:
                count = 1 if one_by_one else end - first
                for k, losses in enumerate(training.advance(first, count)):
                    yield first + k, losses
                first += count
                if not training.goes_on():
                    break


@dataclass(frozen=True)
class _State:
    """What the optimizer keeps for one parameter; it is the optimizer's own once there was a step."""

    component: str
    path: str
    parameter: nn.Parameter
    slots: dict[str, Tensor]

    def describe(self, steps: int) -> control.ParameterState:
        """Where it lies."""
        element = f"the optimizer's state of parameter '{self.component}/{self.path}'"
        slots = [describe_variable(name, slot, element) for name, slot in self.slots.items()]
        return control.ParameterState(component=self.component, path=self.path, steps=steps, slots=slots)


class _Training:
    """A training that Julia has under way."""

    def __init__(
        self, objective: JuliaObjective, samples: list[control.Samples], feed: Feed, optimizer: Optimizer, drawn: int
    ) -> None:
        name = optimizer_name(optimizer)
        if name not in OPTIMIZERS:
            raise UnsupportedError("the optimizer", f"one of {sorted(OPTIMIZERS)}, which Julia has too", name)
        self._objective, self._optimizer, self._compiled = objective, optimizer, objective.compiled()
        self._options = json.dumps(optimizer_options(optimizer))
        self._slots = sorted((slot_names(optimizer) or set()) - {"step"})
        self._counted = "step" in (slot_names(optimizer) or ())
        self._states = self._all_states()
        request = control.Prepare(
            objective=self._compiled.held.id,
            columns=samples,
            batch_sizes=[control.BatchSize(source=source, size=size) for source, size in feed.sizes.items()],
            order_seed=feed.seed % WORD,
            draw_seed=drawn,
            optimizer=name,
            options=self._options,
            states=[state.describe(self._steps(state)) for state in self._states],
        )
        answer = objective.ask(control.Request(prepare=request)).prepared
        self._held = self._compiled.julia.hold(answer.training)

    def goes_on(self) -> bool:
        """Whether nothing was changed that Julia would not see."""
        names = sorted((slot_names(self._optimizer) or set()) - {"step"})
        return (
            self._objective.compiled() is self._compiled
            and names == self._slots
            and all(self._is_current(state) for state in self._states)
        )

    def advance(self, first: int, count: int) -> list[Losses]:
        """Make `count` steps; the losses before each."""
        options = json.dumps(optimizer_options(self._optimizer))
        changed = "" if options == self._options else options
        self._options = options
        try:
            answer = self._ask(first, count, changed)
        except BaseException:
            self._ask(first, 0, "")  # the steps that were made
            raise
        names = [agreement.name for agreement in self._objective.plan.agreements]
        rows = torch.tensor(answer.agreements, dtype=torch.float64).view(count, len(names))
        totals = torch.tensor(answer.totals, dtype=torch.float64)
        return [Losses(total, dict(zip(names, row, strict=True))) for total, row in zip(totals, rows, strict=True)]

    def _ask(self, first: int, count: int, options: str) -> control.Advanced:
        request = control.Advance(training=self._held.id, first=first, steps=count, options=options)
        try:
            answer = self._objective.ask(control.Request(advance=request)).advanced
        finally:
            for state in self._states:
                torch.autograd.graph.increment_version(state.parameter)
        for state, steps in zip(self._states, answer.steps, strict=True):
            if steps:
                kept = self._optimizer.state[state.parameter]
                kept.update(state.slots)
                if self._counted:
                    kept["step"] = torch.tensor(float(steps))
        return answer

    def _all_states(self) -> list[_State]:
        parameters = {p for group in self._optimizer.param_groups for p in group["params"]}
        named = self._objective.named_parameters_of_components()
        frozen = {*self._objective.components.parameters()} - {*named.values()}  # may be there, and are not stepped
        if parameters - frozen != {*named.values()}:
            found = f"{len(parameters)} others"
            raise UnsupportedError("the optimizer", f"the {len(named)} trainable parameters of the objective", found)
        owners: dict[nn.Parameter, tuple[str, str]] = {}
        for key, parameter in named.items():
            owners.setdefault(parameter, key)
        return [_State(*key, parameter, self._kept(parameter)) for parameter, key in owners.items()]

    def _kept(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """The slots of a parameter: zeros where there are none yet, as in torch's first step."""
        kept = self._optimizer.state.get(parameter, {})
        found = {}
        for name in self._slots:
            slot = kept.get(name)
            found[name] = torch.zeros_like(parameter.detach()) if slot is None else slot
        return found

    def _steps(self, state: _State) -> int:
        kept = self._optimizer.state.get(state.parameter, {})
        # Where torch counts none, what has a state has been stepped.
        return int(kept["step"]) if "step" in kept else int(any(kept.get(name) is not None for name in self._slots))

    def _is_current(self, state: _State) -> bool:
        kept: dict[str, Any] = self._optimizer.state.get(state.parameter, {})
        return all(kept.get(name, slot) is slot for name, slot in state.slots.items())

"""Changing the diagram of a training between two steps: what stays keeps its parameters and its optimizer's state."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Component, Diagram, JuliaReference, LayerGraph
from bridge.diagram.messages import listing
from bridge.diagram.operations.elements import known_elements
from bridge.diagram.types import component_data_type
from bridge.errors import BindingError
from bridge.plan.compile import plan as make_plan
from bridge.plan.program import Runtime
from bridge.torch import islands
from bridge.torch.binding import Components, bind, check_binding
from bridge.torch.objective import Objective

__all__ = ["change"]


def change(
    objective: Objective,
    diagram: Diagram,
    optimizer: Optimizer | None = None,
    *,
    modules: Mapping[str, nn.Module] | None = None,
    origins: Mapping[str, str] | None = None,
    placement: Mapping[str, str | Runtime] | None = None,
    trust: Sequence[str] = (),
) -> None:
    """Make an objective, and the optimizer that steps it, those of another diagram, between two steps of a training.

    A component that has the name and the body of one of the objective's keeps its module, its parameters, what the
    optimizer keeps for them, and where it is placed. `origins` names components of the objective that others of the
    diagram come from, `{new: old}`, after renaming and untying; where several come from one, all but the first get
    copies. All others are new: `modules`, `placement` and `trust` are as in `bridge.compile`, and the optimizer begins
    with them at step 0. What a component that is gone had is dropped. A frozen component keeps its optimizer state
    unchanged, without weight decay, for when it is unfrozen.

    Nothing is changed where something is refused. Raises as `bridge.compile` does, and BindingError for origins that are
    not there or that don't fit.

    >>> import bridge
    >>> d = bridge.Builder("fit")
    >>> x = d.space("x", width=2)
    >>> data = d.source("data", x=x)
    >>> f = d.arrow("f", x, x, bridge.layers.linear(2, 2))
    >>> d.agree(f(data.x), data.x, by=bridge.mse(), name="one")
    >>> objective = bridge.compile(d)
    >>> weight = objective.components["f"].get_parameter("0.weight")
    >>> change(objective, objective.diagram.rename(components={"f": "g"}), origins={"g": "f"})
    >>> objective.components["g"].get_parameter("0.weight") is weight
    True
    """
    diagram = canonical(diagram)
    given = dict(modules or {})
    kept, copies = kept_modules(objective, diagram, given, origins or {})
    placed = old_placement(objective, diagram, kept, origins or {})
    placed |= {name: Runtime(runtime) for name, runtime in (placement or {}).items()}
    plan = make_plan(diagram, placed, objective.plan.driver)
    new = [c for c in diagram.components if isinstance(c.body, JuliaReference) and c.name not in kept]
    made = islands.modules(Diagram("new", components=tuple(new)), plan, objective.julia)
    bound = bind(diagram, {**kept, **given}, trust, made)
    check_binding(diagram, bound)
    objective.become(diagram, plan, Components(bound))
    if optimizer is not None:
        follow(optimizer, objective, copies)


def kept_modules(
    objective: Objective, diagram: Diagram, given: Mapping[str, nn.Module], origins: Mapping[str, str]
) -> tuple[dict[str, nn.Module], dict[nn.Parameter, nn.Parameter]]:
    """The modules that stay, by new name, and the parameters that are copies, with those that they were copied from."""
    known_elements(diagram, {"components": origins})
    kept: dict[str, nn.Module] = {}
    copies: dict[nn.Parameter, nn.Parameter] = {}
    taken: set[str] = set()
    # Those that keep their name come first: a copy is for what is new.
    for component in sorted(diagram.components, key=lambda c: c.name in origins):
        old = origins.get(component.name, component.name)
        if component.name in given:
            continue
        if old not in objective.components:
            if component.name in origins:
                expected = f"one of {listing(objective.components)}"
                raise BindingError(f"origin of component {component.name!r}", expected, repr(old))
            continue
        if not alike(objective.diagram, objective.diagram.component(old), diagram, component):
            if component.name in origins:
                found = f"component {old!r} with another body"
                raise BindingError(f"origin of component {component.name!r}", "a component of its body", found)
            continue
        module = objective.components[old]
        if old in taken:
            source = module
            module = copy.deepcopy(source)
            copies |= dict(zip(module.parameters(), source.parameters(), strict=True))
        taken.add(old)
        kept[component.name] = module
    return kept, copies


def alike(before: Diagram, old: Component, after: Diagram, new: Component) -> bool:
    """Whether a component can have another's module."""
    if isinstance(old.body, LayerGraph) and isinstance(new.body, LayerGraph):
        return old.body == new.body and component_data_type(before, old) == component_data_type(after, new)
    return old.body == new.body


def old_placement(
    objective: Objective, diagram: Diagram, kept: Mapping[str, nn.Module], origins: Mapping[str, str]
) -> dict[str, Runtime]:
    """Where the portable components that stay were."""
    runtimes = {placement.component: placement.runtime for placement in objective.plan.placements}
    portable = (c.name for c in diagram.components if isinstance(c.body, LayerGraph) and c.name in kept)
    return {name: runtimes[origins.get(name, name)] for name in portable}


def follow(optimizer: Optimizer, objective: Objective, copies: Mapping[nn.Parameter, nn.Parameter]) -> None:
    """Let an optimizer step the parameters that the objective has now."""
    every = dict.fromkeys(objective.components.parameters())
    stepped = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    wanted = dict.fromkeys(objective.trainable_parameters())
    groups = optimizer.param_groups
    for group in groups:  # frozen ones stay: without a gradient they are not stepped, and their state waits
        beside = [new for new, old in copies.items() if any(old is parameter for parameter in group["params"])]
        group["params"] = [parameter for parameter in group["params"] if parameter in every] + beside
        stepped.update(beside)
    groups[0]["params"] += [parameter for parameter in wanted if parameter not in stepped]
    for parameter in stepped - every.keys():
        optimizer.state.pop(parameter, None)
    for parameter in every:
        parameter.grad = None
    for new, old in copies.items():
        if old in optimizer.state:
            optimizer.state[new] = {slot: copied(value) for slot, value in optimizer.state[old].items()}


def copied(value: Any) -> Any:
    """A slot's value for a copy of its parameter."""
    return value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)

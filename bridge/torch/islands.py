"""Islands from torch's side: the seam between the compiled objective and the Julia session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Diagram, JuliaReference
from bridge.plan.encode import fragment
from bridge.plan.program import Island as PlannedIsland
from bridge.plan.program import Operation, Plan
from bridge.torch.portable import PortableModule

if TYPE_CHECKING:
    from bridge.julia.session import Session

__all__ = ["IslandCall", "bind", "modules"]

IslandCall: TypeAlias = Callable[[tuple[Tensor, ...], bool, int], tuple[Tensor, ...]]
"""`call(inputs, train, seed)`: from the registers `Island.inputs` to the registers `Island.outputs`, in their order."""


def modules(diagram: Diagram, plan: Plan, julia: Session | None) -> dict[str, nn.Module]:
    """The `nn.Module` of each component that is a `JuliaReference`, whose parameters alias Julia's arrays."""
    references = {c.name: c.body.name for c in diagram.components if isinstance(c.body, JuliaReference)}
    if not references:
        return {}
    from bridge.julia.component import JuliaModel

    return {name: JuliaModel(reference, _session(julia)) for name, reference in references.items()}


def bind(
    diagram: Diagram, plan: Plan, components: Mapping[str, nn.Module], julia: Session | None, allow_device_copy: bool
) -> tuple[IslandCall, ...]:
    """The call of each island of a plan, in order."""
    return tuple(
        _bind(diagram, plan, island, components, _session(julia), allow_device_copy) for island in plan.islands
    )


def _bind(
    diagram: Diagram,
    plan: Plan,
    planned: PlannedIsland,
    components: Mapping[str, nn.Module],
    julia: Session,
    allow_device_copy: bool,
) -> IslandCall:
    from bridge.julia.component import JuliaModel
    from bridge.julia.loading import load

    models = {name: module for name in planned.components if isinstance(module := components[name], JuliaModel)}
    for model in models.values():
        model.attach()
    used = [(diagram.component(name).training.is_frozen, components[name]) for name in planned.components]
    gather = [(frozen, _parameters(module)) for frozen, module in used]
    gather_buffers = [(frozen, module.buffer_getter()) for frozen, module in used if isinstance(module, PortableModule)]
    island = load(
        julia,
        fragment(plan, diagram, planned),
        models,
        [tensor for _, get in gather for tensor in get()],
        [tensor for _, get in gather_buffers for tensor in get()],
        one_batch=_has_one_batch(plan, planned),
        allow_device_copy=allow_device_copy,
    )
    buffered = [model for model in models.values() if any(True for _ in model.buffers())]

    def call(inputs: tuple[Tensor, ...], train: bool, seed: int) -> tuple[Tensor, ...]:
        arguments: list[Tensor] = []
        for frozen, get in gather:
            arguments += [p.detach() for p in get()] if frozen else get()
        written: list[Tensor] = []
        for frozen, get in gather_buffers:
            buffers = get()
            arguments += buffers
            if train and not frozen:
                written += buffers
        outputs = island.call(inputs, tuple(arguments), train, seed)
        for model in buffered:
            model.buffers_changed()
        for buffer in written:
            torch.autograd.graph.increment_version(buffer)
        return outputs

    return call


def _parameters(module: nn.Module) -> Callable[[], Sequence[Tensor]]:
    """A function that gives a module's parameters, as they are at the moment, in the order that Julia knows."""
    from bridge.julia.component import JuliaModel

    if isinstance(module, JuliaModel):
        return module.arguments
    assert isinstance(module, PortableModule)
    return module.parameter_getter()


def _has_one_batch(plan: Plan, island: PlannedIsland) -> bool:
    """Whether everything in an island has as many samples: those of one source."""
    sources: dict[int, set[str]] = {}
    for instruction in plan.instructions:
        below = {instruction.source} if instruction.operation is Operation.LOAD else set()
        below.update(*[sources[register] for register in instruction.inputs])
        sources.update(dict.fromkeys(instruction.outputs, below))
    inside = plan.instructions[island.first : island.first + island.count]
    found = {frozenset(sources[register]) for i in inside for register in (*i.inputs, *i.outputs)}
    return len(found) == 1 and frozenset() not in found


def _session(julia: Session | None) -> Session:
    if julia is not None:
        return julia
    from bridge.julia.session import session

    return session()

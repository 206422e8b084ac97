"""From a diagram, a placement and a driver to a plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bridge.diagram.ir import Component, Diagram, JuliaReference, TorchReference
from bridge.diagram.messages import element, listing, quote, unknown
from bridge.diagram.paths import expand
from bridge.diagram.uncollected import uncollected
from bridge.errors import BindingError
from bridge.plan.program import Instruction, Operation, Placement, Plan, PlannedAgreement, Runtime
from bridge.plan.registers import allocate, bury, islands
from bridge.plan.schedule import Step, schedule, steps_of_agreements, steps_of_terms
from bridge.schema import identity

__all__ = ["place", "plan", "plan_outputs"]


def plan(diagram: Diagram, placement: Mapping[str, Runtime] | None = None, driver: Runtime = Runtime.TORCH) -> Plan:
    """The program that computes every agreement of a diagram once, and their weighted sum.

    `placement` puts portable components on a runtime; those not in it are on TORCH. Commutes are expanded. Raises
    `BindingError` where the placement is impossible.
    """
    with uncollected():
        placed = place(diagram, placement or {})
        expansion = expand(diagram)
        roots = {
            term
            for agreement in expansion.agreements
            for term in (agreement.left, agreement.right, agreement.mask)
            if term is not None
        }
        of_terms = steps_of_terms(diagram, expansion.terms, roots, placed, driver)
        of_agreements = steps_of_agreements(expansion.agreements, of_terms, len(expansion.terms), driver)
        order = schedule([*of_terms.values(), *of_agreements], driver)
        order.append(Step(len(expansion.terms) + len(of_agreements), Operation.SUM, driver))  # all others lead to it
        allocation = allocate(diagram, expansion.terms, order)
        total = allocation.instructions[-1]
        return _assemble(
            diagram,
            placed,
            driver,
            allocation.instructions,
            allocation.registers,
            kept={*total.inputs, *total.outputs},
            agreements=tuple(PlannedAgreement(a.name, a.divergence, a.weight) for a in expansion.agreements),
        )


def plan_outputs(
    diagram: Diagram,
    names: Sequence[str],
    placement: Mapping[str, Runtime] | None = None,
    driver: Runtime = Runtime.TORCH,
) -> tuple[Plan, tuple[int, ...]]:
    """The program that computes only some named outputs of a diagram, and the register of each of them.

    Raises `DiagramError` for a name that is not an output's, `BindingError` where the placement is impossible.
    """
    placed = place(diagram, placement or {})
    known = {output.name: output.term for output in diagram.outputs}
    for name in names:
        if name not in known:
            raise unknown(element("output", name), "output", name, known)
    of_terms = steps_of_terms(diagram, diagram.terms, {known[name] for name in names}, placed, driver)
    allocation = allocate(diagram, diagram.terms, schedule(of_terms.values(), driver))
    wanted = tuple(allocation.of_term[known[name]] for name in names)
    program = _assemble(diagram, placed, driver, allocation.instructions, allocation.registers, kept=set(wanted))
    return program, wanted


def place(diagram: Diagram, placement: Mapping[str, Runtime]) -> dict[str, Runtime]:
    """The runtime of every component of a diagram, sorted by component."""
    components = {component.name: component for component in diagram.components}
    for name in placement:
        if name not in components:
            raise BindingError(f"placement of {quote(name)}", f"one of {listing(sorted(components))}", "no such component")
    return {
        name: _runtime(components[name], placement.get(name)) for name in sorted(components, key=lambda n: n.encode())
    }


def _runtime(component: Component, wanted: Runtime | None) -> Runtime:
    fixed = {TorchReference: Runtime.TORCH, JuliaReference: Runtime.JULIA}.get(type(component.body))
    if fixed is None:
        return wanted or Runtime.TORCH
    if wanted not in (None, fixed):
        kind = "PyTorch module" if fixed is Runtime.TORCH else "Julia component"
        expected, found = f"{fixed.value!r}, since it is a {kind}", f"a placement on {wanted.value!r}"
        raise BindingError(element("component", component.name), expected, found)
    return fixed


def _assemble(
    diagram: Diagram,
    placed: Mapping[str, Runtime],
    driver: Runtime,
    instructions: Sequence[Instruction],
    registers: int,
    kept: Collection[int],
    agreements: tuple[PlannedAgreement, ...] = (),
) -> Plan:
    return Plan(
        diagram=bytes.fromhex(identity(diagram)),
        driver=driver,
        placements=tuple(Placement(name, runtime) for name, runtime in placed.items()),
        registers=registers,
        instructions=tuple(bury(instructions, kept)),
        agreements=agreements,
        islands=islands(diagram, instructions, driver, kept),
    )

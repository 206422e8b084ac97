"""The order in which a plan computes its terms: Kahn's algorithm, reluctant to change runtime (docs/semantics.md).

While a ready step has the current runtime, the one with the smallest id is next; otherwise the ready step with the
smallest id of all. The driver's runtime is current at the start. A step's id is the smallest canonical id among its
terms; agreements come after all terms, in their order, and the sum after them. Applications of a component whose state may
change wait for each other in canonical order, so that the state does not depend on the placement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from bridge.diagram.ir import Agreement, ColumnTerm, Component, Diagram, LayerGraph, OutputTerm, Term, arguments
from bridge.layers.graph import buffers
from bridge.plan.program import Operation, Runtime

__all__ = ["Step", "schedule", "steps_of_agreements", "steps_of_terms"]


@dataclass(slots=True)
class Step:
    """An instruction before it has registers. `terms` are what it reads, `computes` what it makes; `place` is its
    agreement's.

    `after` are the steps that wait for this one, each as often as it reads a value of it; `waits` counts the reads.
    """

    id: int
    operation: Operation
    runtime: Runtime
    terms: tuple[int, ...] = ()
    computes: list[int] = field(default_factory=list)
    column: ColumnTerm | None = None
    arrow: str = ""
    place: int = 0
    waits: int = 0
    after: list[Step] | None = None  # most steps are agreements', which nothing but the sum waits for

    def wait_for(self, others: Iterable[Step]) -> None:
        """Let this step come after others."""
        for other in others:
            if other.after is None:
                other.after = []
            other.after.append(self)
            self.waits += 1


def reachable(terms: Sequence[Term], roots: Iterable[int]) -> bytearray:
    """A flag for each term: whether a root is built on it. Arguments come before the terms that use them."""
    flags = bytearray(len(terms))
    for root in roots:
        flags[root] = 1
    for index in range(len(terms) - 1, -1, -1):
        if flags[index]:
            for argument in arguments(terms[index]):
                flags[argument] = 1
    return flags


def steps_of_terms(
    diagram: Diagram,
    terms: Sequence[Term],
    roots: Iterable[int],
    placement: Mapping[str, Runtime],
    driver: Runtime,
) -> dict[int, Step]:
    """The step of each term of a table that a root is built on. The outputs of one application share theirs."""
    needed = reachable(terms, roots)
    applications: dict[tuple[str, tuple[int, ...]], Step] = {}
    steps: dict[int, Step] = {}
    for index, term in enumerate(terms):
        if isinstance(term, OutputTerm):
            key = (term.arrow, term.arguments)
            step = applications.get(key)
            if step is None:
                runtime = placement[diagram.arrow(term.arrow).component]
                step = applications[key] = Step(index, Operation.APPLY, runtime, term.arguments, arrow=term.arrow)
            if not needed[index]:
                continue
            if not step.computes:
                step.wait_for(steps[argument] for argument in term.arguments)
        elif not needed[index]:
            continue
        elif isinstance(term, ColumnTerm):
            step = Step(index, Operation.LOAD, driver, column=term)
        else:
            step = Step(index, Operation.DETACH, steps[term.argument].runtime, (term.argument,))
            step.wait_for((steps[term.argument],))
        step.computes.append(index)
        steps[index] = step
    keep_order(diagram, steps.values())
    return steps


def keep_order(diagram: Diagram, steps: Iterable[Step]) -> None:
    """Let applications of a component whose state may change wait for each other, in the order of their ids."""
    changing = {component.name for component in diagram.components if changes(component)}
    if not changing:
        return
    latest: dict[str, Step] = {}
    for step in sorted({step.id: step for step in steps}.values(), key=lambda step: step.id):
        component = diagram.arrow(step.arrow).component if step.operation is Operation.APPLY else ""
        if component in changing:
            if component in latest:
                step.wait_for((latest[component],))
            latest[component] = step


def changes(component: Component) -> bool:
    """Whether applying a component may change its state: portable ones say so, others may."""
    return not component.training.is_frozen and not (isinstance(component.body, LayerGraph) and not buffers(component.body))


def steps_of_agreements(
    agreements: Sequence[Agreement], steps: Mapping[int, Step], first: int, driver: Runtime
) -> list[Step]:
    """A step for each agreement, whose ids begin at `first`."""
    diverges = []
    for place, agreement in enumerate(agreements):
        sides = (agreement.left, agreement.right, *(() if agreement.mask is None else (agreement.mask,)))
        step = Step(first + place, Operation.DIVERGE, driver, sides, place=place)
        step.wait_for(steps[side] for side in sides)
        diverges.append(step)
    return diverges


def schedule(steps: Iterable[Step], driver: Runtime) -> list[Step]:
    """Order steps by Kahn's algorithm as described above, all but the sum, which is last."""
    by_id = {step.id: step for step in steps}
    ready: dict[Runtime, list[int]] = {runtime: [] for runtime in Runtime}  # heaps of ids
    for step in by_id.values():
        if not step.waits:
            heappush(ready[step.runtime], step.id)
    order: list[Step] = []
    current = driver
    while ready[current] or any(ready.values()):
        if not ready[current]:
            current = min((heap[0], runtime.value, runtime) for runtime, heap in ready.items() if heap)[2]
        step = by_id[heappop(ready[current])]
        order.append(step)
        for other in step.after or ():
            other.waits -= 1
            if not other.waits:
                heappush(ready[other.runtime], other.id)
    return order

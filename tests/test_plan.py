"""Plans against a second reading of docs/semantics.md: quadratic, recursive, and knowing nothing of bridge.plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainable_diagrams import trainable_diagrams

import bridge
from bridge import layers
from bridge.diagram.builder import Builder
from bridge.diagram.ir import (
    ColumnTerm,
    Component,
    DetachTerm,
    Diagram,
    LayerGraph,
    Output,
    OutputTerm,
    Term,
    TorchReference,
)
from bridge.diagram.paths import expand
from bridge.errors import BindingError, DiagramError
from bridge.plan import Operation, Plan, Runtime, fragment, plan, plan_outputs
from bridge.schema import identity
from bridge.schema.generated import plan_pb2

TORCH, JULIA = Runtime.TORCH, Runtime.JULIA


def key_of(node: Term) -> tuple:
    """What computes a term: outputs of one application have the same key."""
    if isinstance(node, ColumnTerm):
        return ("load", node.source, node.column)
    if isinstance(node, DetachTerm):
        return ("detach", node.argument)
    return ("apply", node.arrow, node.arguments)


def naive_nodes(diagram: Diagram, placed: dict[str, Runtime], driver: Runtime) -> dict[tuple, tuple]:
    """What there is to compute: key → (id, runtime, keys that it waits for)."""
    expansion = expand(diagram)
    terms = expansion.terms
    nodes: dict[tuple, tuple] = {}

    def visit(term: int) -> tuple:
        node = terms[term]
        key = key_of(node)
        if key in nodes:
            return key
        number = min(t for t in range(len(terms)) if key_of(terms[t]) == key)
        if isinstance(node, ColumnTerm):
            nodes[key] = (number, driver, [])
        elif isinstance(node, DetachTerm):
            below = visit(node.argument)
            nodes[key] = (number, nodes[below][1], [below])
        else:
            waits = [visit(argument) for argument in node.arguments]
            nodes[key] = (number, placed[diagram.arrow(node.arrow).component], waits)
        return key

    diverges: list[tuple] = []
    for place, agreement in enumerate(expansion.agreements):
        sides = [agreement.left, agreement.right] + ([agreement.mask] if agreement.mask is not None else [])
        key = ("diverge", place)
        nodes[key] = (len(terms) + place, driver, [visit(side) for side in sides])
        diverges.append(key)
    nodes[("sum",)] = (len(terms) + len(diverges), driver, diverges)
    for component in diagram.components:
        if has_state(component):
            applied = [key for key in nodes if key[0] == "apply" and diagram.arrow(key[1]).component == component.name]
            for before, after in pairwise(sorted(applied, key=lambda key: nodes[key][0])):
                nodes[after][2].append(before)
    return nodes


def has_state(component: Component) -> bool:
    """Whether an application may change what the next one finds."""
    if component.training.is_frozen or not isinstance(component.body, LayerGraph):
        return not component.training.is_frozen
    return any(node.layer.operation == "batch_norm" for node in component.body.nodes)


def naive_order(nodes: dict[tuple, tuple], driver: Runtime) -> list[tuple]:
    done: list[tuple] = []
    current = driver
    while len(done) < len(nodes):
        ready = [key for key in nodes if key not in done and all(w in done for w in nodes[key][2])]
        here = [key for key in ready if nodes[key][1] is current] or ready
        chosen = min(here, key=lambda key: nodes[key][0])
        current = nodes[chosen][1]
        done.append(chosen)
    return done


def planned_order(made: Plan, terms: Sequence[Term]) -> list[tuple]:
    """The plan's instructions by the same keys, from following its registers."""
    places = {term: place for place, term in enumerate(terms)}
    values: dict[int, int | None] = {}
    keys = []
    for i in made.instructions:
        arguments = tuple(values.get(r) for r in i.inputs)
        if i.operation is Operation.LOAD:
            outputs: list[Any] = [ColumnTerm(i.source, i.column)]
        elif i.operation is Operation.DETACH:
            outputs = [DetachTerm(arguments[0])]
        elif i.operation is Operation.APPLY:
            outputs = [OutputTerm(i.arrow, arguments, k) for k in range(len(i.outputs))]
        else:
            keys.append(("diverge", i.agreement) if i.operation is Operation.DIVERGE else ("sum",))
            continue
        keys.append(key_of(outputs[0]))
        values.update(zip(i.outputs, (places.get(term) for term in outputs), strict=True))
    return keys


def check_registers(made: Plan, kept: set[int]) -> None:
    written: list[int] = []
    for place, i in enumerate(made.instructions):
        assert set(i.inputs) <= set(written)
        assert not set(i.outputs) & set(written)
        written += i.outputs
        later = {r for other in made.instructions[place + 1 :] for r in other.inputs}
        gone = {r for other in made.instructions[:place] for r in other.dead}
        expected = [r for r in sorted(written) if r not in later and r not in gone and r not in kept]
        assert list(i.dead) == expected
        assert not set(i.inputs) & gone
    assert written == list(range(made.registers))


def check_islands(made: Plan, diagram: Diagram, kept: set[int]) -> None:
    away = [i.runtime is not made.driver for i in made.instructions]
    covered = [False] * len(away)
    for island in made.islands:
        places = range(island.first, island.first + island.count)
        assert all(away[p] and not covered[p] for p in places)
        assert island.first == 0 or not away[island.first - 1]
        assert places.stop == len(away) or not away[places.stop]
        inside = [made.instructions[p] for p in places]
        outside_after = {r for i in made.instructions[places.stop :] for r in i.inputs} | kept
        made_here = {r for i in inside for r in i.outputs}
        assert list(island.inputs) == sorted({r for i in inside for r in i.inputs} - made_here)
        assert list(island.outputs) == sorted(made_here & outside_after)
        components = [diagram.arrow(i.arrow).component for i in inside if i.operation is Operation.APPLY]
        assert list(island.components) == list(dict.fromkeys(components))
        for p in places:
            covered[p] = True
    assert covered == away


def check_tapes(made: Plan, diagram: Diagram) -> None:
    values: dict[int, bool] = {}
    for i in made.instructions:
        below = any(values[r] for r in i.inputs)
        if i.operation is Operation.APPLY:
            component = diagram.component(diagram.arrow(i.arrow).component)
            below = below or (component.has_parameters and not component.training.is_frozen)
        if i.operation in (Operation.LOAD, Operation.DETACH):
            below = False
        assert i.tape is below
        values.update(dict.fromkeys(i.outputs, below))


def check_plan(diagram: Diagram, placement: dict[str, Runtime], driver: Runtime) -> Plan:
    made = plan(diagram, placement, driver)
    placed = {p.component: p.runtime for p in made.placements}
    assert list(placed) == sorted((c.name for c in diagram.components), key=str.encode)
    assert all(placed[name] is runtime for name, runtime in placement.items())
    assert planned_order(made, expand(diagram).terms) == naive_order(naive_nodes(diagram, placed, driver), driver)
    total = made.instructions[-1]
    check_registers(made, {*total.inputs, *total.outputs})
    check_islands(made, diagram, {*total.inputs, *total.outputs})
    check_tapes(made, diagram)
    keys = dict(zip(planned_order(made, expand(diagram).terms), made.instructions, strict=True))
    for key, (number, _, _) in naive_nodes(diagram, placed, driver).items():
        assert keys[key].application == (number if key[0] == "apply" else 0)
    return made


@st.composite
def portable_diagrams(draw):
    """Diagrams of portable components only, which can be placed anywhere."""
    d = Builder("portable")
    x = d.space("x", "float32", k=2)
    data = d.source("data", a=x, b=x)
    unary = [d.arrow(f"f{k}", x, x, layers.linear(2, 2)) for k in range(draw(st.integers(1, 3)))]
    add = d.arrow("add", (x, x), x, layers.add())
    terms = [data.a, data.b]
    for _ in range(draw(st.integers(1, 10))):
        one, two = draw(st.sampled_from(terms)), draw(st.sampled_from(terms))
        made = draw(st.sampled_from(unary))(one) if draw(st.integers(0, 2)) else add(one, two)
        terms.append(bridge.detach(made) if draw(st.integers(0, 4)) == 0 else made)
    d.agree(unary[0](terms[-1]), data.b, by=bridge.mse(), name="first")
    for k in range(draw(st.integers(0, 4))):
        left, right = draw(st.sampled_from(terms)), draw(st.sampled_from(terms))
        d.agree(left, right, by=bridge.mse(), name=f"more{k}")
    if draw(st.booleans()):
        d.commute(data.a, x, by=bridge.mse(), max_length=2, arrows=unary)
    placement = {c.name: draw(st.sampled_from([TORCH, JULIA])) for c in d.build().components}
    return d.build(), placement


@settings(max_examples=80, deadline=None)
@given(portable_diagrams(), st.sampled_from([TORCH, JULIA]))
def test_any_placement_and_driver(case, driver):
    diagram, placement = case
    check_plan(diagram, placement, driver)


@settings(max_examples=40, deadline=None)
@given(trainable_diagrams())
def test_modules_of_several_outputs_and_sources(case):
    made = check_plan(case.diagram, {}, TORCH)
    assert not made.islands


@settings(max_examples=50, deadline=None)
@given(portable_diagrams(), st.sampled_from([TORCH, JULIA]), st.data())
def test_outputs_compute_what_they_need_only(case, driver, data):
    diagram, placement = case
    terms = data.draw(st.lists(st.sampled_from(range(len(diagram.terms))), min_size=1, max_size=3, unique=True))
    wanted = replace(diagram, commutes=(), outputs=tuple(Output(f"o{k}", term) for k, term in enumerate(terms)))
    names = [f"o{k}" for k in range(len(terms))]
    made, registers = plan_outputs(wanted, names, placement, driver)
    assert not made.agreements
    assert {i.operation for i in made.instructions} <= {Operation.LOAD, Operation.APPLY, Operation.DETACH}
    check_registers(made, set(registers))
    check_islands(made, wanted, set(registers))
    read = {r for i in made.instructions for r in i.inputs} | set(registers)
    assert all(set(i.outputs) & read for i in made.instructions)
    keys = planned_order(made, wanted.terms)
    maker = {r: (keys[p], k) for p, i in enumerate(made.instructions) for k, r in enumerate(i.outputs)}
    for term, register in zip(terms, registers, strict=True):
        node = diagram.terms[term]
        assert maker[register] == (key_of(node), node.output if isinstance(node, OutputTerm) else 0)


def two_paths() -> tuple[Builder, Diagram]:
    d = Builder("distillation")
    x = d.space("x", "float32", k=4)
    y = d.space("y", "float32", k=2)
    data = d.source("data", x=x)
    student = d.arrow("student", x, y, layers.linear(4, 2))
    teacher = d.arrow("teacher", x, y, layers.linear(4, 2), frozen=True)
    d.agree(student(data.x), teacher(data.x), by=bridge.mse(), weight=0.5)
    d.output("prediction", student(data.x))
    return d, d.build()


def test_a_plan_by_hand():
    _, diagram = two_paths()
    made = plan(diagram, {"student": JULIA})
    rows = [(i.operation.value, i.runtime.value, i.inputs, i.outputs, i.dead, i.tape) for i in made.instructions]
    assert rows == [
        ("load", "torch", (), (0,), (), False),
        ("apply", "torch", (0,), (1,), (), False),
        ("apply", "julia", (0,), (2,), (0,), True),
        ("diverge", "torch", (2, 1), (3,), (1, 2), True),
        ("sum", "torch", (3,), (4,), (), True),
    ]
    (island,) = made.islands
    assert (island.first, island.count, island.inputs, island.outputs) == (2, 1, (0,), (2,))
    assert island.components == ("student",)


def test_bytes():
    _, diagram = two_paths()
    made = plan(diagram, {"student": JULIA})
    message = plan_pb2.Plan.FromString(made.to_bytes())
    assert message.format == "diagram_bridge.plan"
    assert message.schema_version == 1
    assert message.diagram.hex() == identity(diagram)
    assert message.registers == 5
    assert [(p.component, p.runtime) for p in message.placements] == [("student", 2), ("teacher", 1)]
    assert [list(i.dead) for i in message.instructions] == [[], [], [0], [1, 2], []]
    assert [i.tape for i in message.instructions] == [False, False, True, True, True]
    assert (message.agreements[0].name, message.agreements[0].weight) == ("student~teacher", 0.5)
    assert message.islands[0].components == ["student"]
    assert made.to_bytes() == plan(diagram, {"student": JULIA}).to_bytes()
    assert made.to_bytes() != plan(diagram, {}).to_bytes()


def test_fragment():
    _, diagram = two_paths()
    made = plan(diagram, {"student": JULIA})
    message = plan_pb2.Fragment.FromString(fragment(made, diagram, made.islands[0]))
    assert [c.name for c in message.components] == ["student"]
    assert message.components[0].has_parameters
    assert [a.name for a in message.arrows] == ["student"]
    assert [s.name for s in message.spaces] == ["x", "y"]
    assert [(i.operation, i.arrow) for i in message.instructions] == [(plan_pb2.OPERATION_APPLY, "student")]
    assert (list(message.inputs), list(message.outputs)) == ([0], [2])


def test_refusals():
    _, diagram = two_paths()
    with pytest.raises(BindingError, match="studen'"):
        plan(diagram, {"studen": JULIA})
    with pytest.raises(DiagramError, match="output 'predicted'"):
        plan_outputs(diagram, ["predicted"])
    d = Builder("modules")
    x = d.space("x", "float32", k=4)
    data = d.source("data", x=x)
    f = d.arrow("f", x, x, TorchReference("f"))
    d.agree(f(data.x), data.x, by=bridge.mse())
    with pytest.raises(BindingError, match="PyTorch module"):
        plan(d.build(), {"f": JULIA})
    assert plan(d.build(), {"f": TORCH}).placements[0].runtime is TORCH


def test_a_commute_shares_what_its_paths_share():
    d = Builder("commute")
    x = d.space("x", "float32", k=2)
    y = d.space("y", "float32", k=2)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, y, layers.linear(2, 2)), d.arrow("g", x, y, layers.linear(2, 2))
    h = d.arrow("h", y, y, layers.linear(2, 2))
    d.commute(data, y, by=bridge.mse(), max_length=2, arrows=[f, g, h], pairing="all")
    made = check_plan(d.build(), {}, TORCH)
    assert len(made.agreements) == 6  # f, fh, g, gh
    assert sum(i.operation is Operation.APPLY for i in made.instructions) == 4


def ladder(rungs: int) -> Diagram:
    d = Builder("ladder")
    x = d.space("x", "float32", k=2)
    data = d.source("data", x=x)
    f, g = d.arrow("f", x, x, layers.linear(2, 2)), d.arrow("g", x, x, layers.linear(2, 2))
    add = d.arrow("add", (x, x), x, layers.add())
    term = data.x
    for _ in range(rungs):
        term = add(f(term), g(term))
    d.agree(term, data.x, by=bridge.mse())
    return d.build()


def test_cost_is_linear_in_distinct_terms():
    made = check_plan(ladder(30), {"add": JULIA}, TORCH)
    assert sum(i.operation is Operation.APPLY for i in made.instructions) == 90
    assert len(made.islands) == 30
    deep = plan(ladder(3000), {})
    assert len(deep.instructions) == 9003
    assert all(one.outputs[0] < two.outputs[0] for one, two in pairwise(deep.instructions))

"""The canonical form: one diagram for all ways of writing the same thing down, in time linear in the terms."""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
from diagrams import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st

import bridge
from bridge import layers
from bridge.diagram.builder import Builder, Term
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import DetachTerm, Diagram, OutputTerm, arguments
from bridge.diagram.ir import Term as TermNode
from bridge.diagram.types import term_sources, term_spaces
from bridge.errors import DiagramError


def shuffled(diagram: Diagram, random_: random.Random) -> Diagram:
    """The same diagram written down in another order: tables, columns, attributes, and terms with useless ones."""

    def mixed(elements: Sequence[object]) -> tuple[object, ...]:
        return tuple(random_.sample(elements, len(elements)))

    terms: list[TermNode] = []
    place: dict[int, int] = {}
    waiting = set(range(len(diagram.terms)))
    while waiting:
        ready = sorted(t for t in waiting if all(a in place for a in arguments(diagram.terms[t])))
        term = random_.choice(ready)
        for _ in range(random_.randint(1, 2)):  # equal terms may come twice
            node = diagram.terms[term]
            if isinstance(node, OutputTerm):
                node = replace(node, arguments=tuple(place[a] for a in node.arguments))
            elif isinstance(node, DetachTerm):
                node = DetachTerm(place[node.argument])
            place[term] = len(terms)
            terms.append(node)
        waiting.remove(term)
    sources = [replace(source, columns=mixed(source.columns)) for source in diagram.sources]
    agreements = [
        replace(
            agreement,
            left=place[agreement.left],
            right=place[agreement.right],
            mask=None if agreement.mask is None else place[agreement.mask],
            divergence=replace(agreement.divergence, attributes=mixed(agreement.divergence.attributes)),
            weight=agreement.weight if agreement.weight != 0 else -0.0,
        )
        for agreement in diagram.agreements
    ]
    commutes = [replace(c, start=place[c.start] if isinstance(c.start, int) else c.start) for c in diagram.commutes]
    outputs = [replace(output, term=place[output.term]) for output in diagram.outputs]
    tables = (diagram.spaces, sources, diagram.components, diagram.arrows, terms, agreements, commutes, outputs)
    return Diagram(diagram.name, *(tuple(t) if t is terms else mixed(t) for t in tables))


@settings(max_examples=50, deadline=None)
@given(diagrams(), st.randoms(use_true_random=False))
def test_order_of_declaration_does_not_matter(diagram: Diagram, random_: random.Random) -> None:
    other = canonical(shuffled(diagram, random_))
    assert other == diagram
    assert hash(other) == hash(diagram)
    assert bridge.schema.identity(other) == bridge.schema.identity(diagram)


@settings(max_examples=50, deadline=None)
@given(diagrams())
def test_what_is_canonical(diagram: Diagram) -> None:
    for table in (diagram.spaces, diagram.sources, diagram.components, diagram.arrows, diagram.agreements):
        names = [element.name.encode() for element in table]
        assert names == sorted(set(names))
    assert len(set(diagram.terms)) == len(diagram.terms)
    order: list[int] = []  # post-order, by recursion

    def visit(term: int) -> None:
        for argument in arguments(diagram.terms[term]):
            visit(argument)
        if term not in order:
            order.append(term)

    for agreement in diagram.agreements:
        for term in (agreement.left, agreement.right, agreement.mask):
            if term is not None:
                visit(term)
    for root in [c.start for c in diagram.commutes if isinstance(c.start, int)] + [o.term for o in diagram.outputs]:
        visit(root)
    assert order == list(range(len(diagram.terms)))
    fresh = replace(diagram)  # forgets that it is canonical
    assert canonical(fresh) == diagram
    assert canonical(diagram) is diagram


@settings(max_examples=15, deadline=None)
@given(diagrams())
def test_copies_are_equal(diagram: Diagram) -> None:
    term_spaces(diagram)
    assert pickle.loads(pickle.dumps(diagram)) == deepcopy(diagram) == diagram


def endomorphism(inputs: int = 1) -> tuple[Builder, Term]:
    """A builder with an arrow `f` from x (× x) to x, and a column of x."""
    d = Builder("deep")
    x = d.space("x", k=2)
    data = d.source("data", x=x)
    d.arrow("f", (x,) * inputs, x, layers.linear(2, 2) if inputs == 1 else layers.add())
    d.arrow("g", x, x, layers.linear(2, 2))
    return d, data.x


def test_deep_terms() -> None:
    d, x = endomorphism()
    term = x
    for _ in range(100_000):
        (term,) = d.apply("f", (term,))
    d.agree(term, x, by=bridge.mse())
    assert len(repr(term)) < 300
    diagram = d.build()
    assert len(diagram.terms) == 100_001
    assert set(term_sources(diagram)) == {"data"}
    assert bridge.schema.from_bytes(bridge.schema.to_bytes(diagram)) == diagram
    detached = x
    for _ in range(10_000):
        detached = bridge.detach(detached)
    d.agree(term, detached, by=bridge.mse())
    assert d.build().agreements[1].name == "f~detach(data.x)"


def test_terms_are_counted_once_however_many_routes_lead_to_them() -> None:
    rungs = 20_000  # 2^20000 routes: whatever went along each of them would never end
    d, term = endomorphism(2)
    for _ in range(rungs):
        (term,) = d.apply("f", (term, term))
    (left,) = d.apply("g", (term,))
    d.agree(left, term, by=bridge.mse())
    assert len(d.build().terms) == rungs + 2


def test_signed_zero_and_numbers() -> None:
    d, x = endomorphism()
    d.agree(d.apply("f", (x,))[0], x, by=bridge.huber(1), weight=-0.0, name="a")
    (agreement,) = d.build().agreements
    assert str(agreement.weight) == "0.0"
    assert repr(agreement.divergence.attributes) == "(('delta', 1.0),)"


def test_useless_terms_are_dropped() -> None:
    d, x = endomorphism()
    fx = d.apply("f", (x,))[0]
    d.apply("f", (fx,))
    d.agree(fx, x, by=bridge.mse())
    assert d.build().terms == tuple(d.terms[:2])


def test_default_names() -> None:
    d, x = endomorphism()
    y = d.spaces["x"]
    pair = d.arrow("pair", y, (y, y), bridge.TorchReference("pair"))
    first, second = pair(x)
    d.agree(first, second, by=bridge.mse())
    d.agree(first, bridge.detach(bridge.detach(second)), by=bridge.mse())
    d.agree(first, second, by=bridge.mae())
    d.agree(first, x, by=bridge.mse(), name="pair.0~pair.1#2")
    d.agree(first, second, by=bridge.mse())
    d.commute(x, y, by=bridge.mse(), max_length=1)
    d.commute(x, y, by=bridge.mse(), max_length=1)
    diagram = d.build()
    assert [agreement.name for agreement in diagram.agreements] == [
        "pair.0~detach(pair.1)",
        "pair.0~pair.1",
        "pair.0~pair.1#2",
        "pair.0~pair.1#3",
        "pair.0~pair.1#4",
    ]
    assert [agreement.divergence.name for agreement in diagram.agreements] == ["mse", "mse", "mse", "mae", "mse"]
    assert [commute.name for commute in diagram.commutes] == ["data.x->x", "data.x->x#2"]


def test_identity_is_of_content_only() -> None:
    def build(name: str, weight: float, frozen: bool) -> str:
        d, x = endomorphism()
        d.name = name
        term = d.arrow("h", "x", "x", layers.linear(2, 2), frozen=frozen)(d.apply("f", (x,))[0])
        d.agree(term, x, by=bridge.mse(), weight=weight)
        return bridge.schema.identity(d.build())

    first = build("d", 1.0, False)
    assert first == build("d", 1.0, False)
    assert len({first, build("e", 1.0, False), build("d", 2.0, False), build("d", 1.0, True)}) == 4


def test_a_hand_made_diagram_is_checked() -> None:
    d, x = endomorphism()
    d.agree(d.apply("f", (x,))[0], x, by=bridge.mse())
    broken = replace(d.build(), arrows=())
    with pytest.raises(DiagramError, match="arrow"):
        bridge.schema.to_bytes(broken)

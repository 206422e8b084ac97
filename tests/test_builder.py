"""The builder: what it writes down, and that it refuses mistakes where they are made."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import pytest
import torch
from diagrams import builders
from hypothesis import given, settings
from torch import nn

import bridge
from bridge import layers
from bridge.diagram.builder import ArrowHandle, Builder, SourceHandle, Term
from bridge.diagram.extend import diagram_term_id, extend
from bridge.diagram.ir import (
    Axis,
    Column,
    ColumnTerm,
    Commute,
    Component,
    DataType,
    DetachTerm,
    OutputTerm,
    Pairing,
    Source,
    Space,
    TorchReference,
    Training,
)
from bridge.diagram.paths import expand
from bridge.errors import DiagramError


class Setup:
    """A small diagram with something of everything."""

    def __init__(self) -> None:
        self.d = d = Builder("setup")
        self.x = d.space("x", "float32", row=2, column=3)
        self.y = d.space("y", "float32", k=4)
        self.label = d.index("label", classes=4)
        self.data = d.source("data", x=self.x, label=self.label)
        self.other = d.source("other", {"my-x": self.x}, label="label")
        self.f = d.arrow("f", self.x, self.y, layers.chain(layers.flatten(), layers.linear(6, 4)))
        self.split = d.arrow("split", self.y, (self.y, self.y), TorchReference("split"), frozen="train")
        self.add = d.arrow("add", ("y", "y"), "y", layers.add())
        self.make = d.arrow("make", (), self.y, bridge.JuliaReference("make"), has_parameters=False)


@pytest.fixture
def s() -> Setup:
    return Setup()


def test_what_is_written(s: Setup) -> None:
    a, b = s.split(s.f(s.data.x))
    total = s.add(a, bridge.detach(b))
    s.d.agree(total, s.data["label"], by=bridge.cross_entropy(0.1), weight=2, where=None)
    s.d.commute(s.data, "y", by=bridge.mse(), pairing="all", max_length=None, arrows=[s.f], name="never built")
    s.d.output("total", total)
    commute, _ = s.d._commutes.pop()
    assert commute == Commute("never built", "data", "y", ("f",), bridge.mse(), 1.0, Pairing.ALL, 0, 4096)
    diagram = s.d.build()
    assert diagram.space("x") == Space("x", DataType.FLOAT32, (Axis("row", 2), Axis("column", 3)))
    assert diagram.space("label") == Space("label", DataType.INT64, (), 4)
    assert diagram.source("other") == Source("other", (Column("label", "label"), Column("my-x", "x")))
    assert diagram.component("split") == Component("split", TorchReference("split"), True, Training.FROZEN_TRAIN_MODE)
    assert diagram.arrow("split").targets == ("y", "y")
    assert not diagram.component("make").has_parameters
    assert diagram.terms == (
        ColumnTerm("data", "x"),
        OutputTerm("f", (0,)),
        OutputTerm("split", (1,), 0),
        OutputTerm("split", (1,), 1),
        DetachTerm(3),
        OutputTerm("add", (2, 4)),
        ColumnTerm("data", "label"),
    )
    (agreement,) = diagram.agreements
    assert (agreement.name, agreement.left, agreement.right, agreement.weight) == ("add~data.label", 5, 6, 2.0)
    assert dict(agreement.divergence.attributes) == {"axis": "k", "label_smoothing": 0.1}
    assert diagram.output("total").term == 5
    with pytest.raises(KeyError):
        diagram.arrow("g")


def test_terms_are_hash_consed(s: Setup) -> None:
    assert s.data.x is s.data["x"]
    assert s.f(s.data.x) is s.f(s.data.x)
    assert s.f(s.data.x) is not s.f(s.other["my-x"])
    assert s.split(s.f(s.data.x))[1] is s.split(s.f(s.data.x))[1]
    assert bridge.detach(s.data.x) is bridge.detach(s.data.x) is not s.data.x
    assert isinstance(s.data.x, Term)
    assert (s.f(s.data.x).space, s.f(s.data.x).source) == (s.y, "data")
    assert s.make().source is None
    assert s.add(s.make(), s.f(s.data.x)).source == "data"


def test_what_things_look_like(s: Setup) -> None:
    a, b = s.split(s.f(s.data.x))
    assert repr(s.add(a, bridge.detach(b))) == "add(split(f(data.x))[0], detach(split(f(data.x))[1]))"
    assert repr(s.make()) == "make()"
    assert repr(s.split) == "<arrow split: y → y × y>"
    assert repr(s.make) == "<arrow make: 1 → y>"
    assert repr(s.data) == "<source data: x, label>"
    assert repr(s.f.component) == "<component f>"
    assert "my-x" in dir(s.other)
    assert copy(s.data).x is s.data.x


def test_modules_are_kept_and_shared(s: Setup) -> None:
    module, empty = nn.Linear(4, 4), nn.ReLU()
    first = s.d.arrow("first", "y", "y", module, frozen=True)
    second = s.d.arrow("second", "y", "y", module)
    third = s.d.arrow("third", "y", "y", first.component)
    s.d.arrow("relu", "y", "y", empty)
    assert {s.d.arrows[a.name].component for a in (first, second, third)} == {"first"}
    assert s.d.modules == {"first": module, "relu": empty}
    assert s.d.components["first"] == Component("first", TorchReference("first"), True, Training.FROZEN)
    assert s.d.components["relu"].has_parameters is False
    with pytest.raises(DiagramError, match="frozen for all of its arrows") as caught:
        s.d.arrow("fourth", "y", "y", module, frozen=False)
    assert caught.value.element == "arrow 'fourth'"
    assert isinstance(next(module.parameters()), torch.Tensor)


def test_shared_portable_component(s: Setup) -> None:
    shared = s.d.component("shared", layers.linear(4, 4), frozen=True)
    for name in ("left", "right"):
        s.d.arrow(name, "y", "y", shared)
    assert s.d.components["shared"].training is Training.FROZEN
    assert {s.d.arrows[name].component for name in ("left", "right")} == {"shared"}
    three = s.d.arrow("three", ("y", "y", "y"), "y", layers.add())
    assert s.d.components["three"].body.inputs == 3
    assert three(*[s.f(s.data.x)] * 3).space == s.y


def test_commute_takes_all_straight_arrows_in_order_of_declaration(s: Setup) -> None:
    s.d.commute(s.data, s.y, by=bridge.mse(), name="c", max_length=2)
    s.d.arrow("a", "x", "y", layers.chain(layers.flatten(), layers.linear(6, 4)))
    s.d.arrow("e", "y", "y", layers.linear(4, 4))
    assert s.d.build().commutes[0].arrows == ("f", "a", "e")


def test_names_that_are_no_python_names() -> None:
    d = Builder("ünïcode – with spaces")
    space = d.space("Bild🖼", axes=[("höhe-in-px", 2), ("axes", "n")])
    source = d.source("0", {"spalte:1": space, "_x": space})
    arrow = d.arrow("≈", space, space, layers.relu())
    assert arrow(source["spalte:1"]).space.shape == (2, "n")
    with pytest.raises(AttributeError):
        _ = source._x
    assert source["_x"].space == space


def columns(d: Builder) -> SourceHandle:
    """A source of another builder with the same names."""
    return d.source("data", x=d.space("x", "float32", row=2, column=3))


# Each mistake, with the element and a part of the message.
MISTAKES: dict[str, tuple[Callable[[Setup], object], str, str]] = {
    "space twice": (lambda s: s.d.space("x"), "space 'x'", "one space of that name"),
    "space name": (lambda s: s.d.space("a.b"), "space 'a.b'", "a name of 1 to 200"),
    "dtype": (lambda s: s.d.space("z", "float16"), "space 'z'", "'float32', 'float64'"),
    "axis size": (lambda s: s.d.space("z", k=0), "space 'z', axis 'k'", "a size from 1"),
    "axis size kind": (lambda s: s.d.space("z", k=2.0), "space 'z', axis 'k'", "2.0"),
    "axis twice": (lambda s: s.d.space("z", axes=[("k", 1), ("k", 2)]), "space 'z'", "two named 'k'"),
    "variable": (lambda s: s.d.space("z", k="a b"), "space 'z', axis 'k', its variable", "a name"),
    "classes": (lambda s: s.d.index("z", classes=0), "space 'z'", "at least one class"),
    "float index": (lambda s: s.d.index("z", classes=2, dtype="float32"), "space 'z'", "int32 or int64"),
    "source twice": (lambda s: s.d.source("data", x=s.x), "source 'data'", "one source"),
    "no columns": (lambda s: s.d.source("empty"), "source 'empty'", "at least one column"),
    "column space": (lambda s: s.d.source("z", a="w"), "column 'z.a'", "('x', 'y', 'label'), found 'w'"),
    "column name": (lambda s: s.d.source("z", {"a b": s.x}), "source 'z', a column's name", "'a b'"),
    "foreign space": (lambda s: s.d.source("z", a=Space("x", DataType.BOOL)), "column 'z.a'", "bool ()"),
    "no column": (lambda s: s.data["y"], "source 'data'", "the name of a column ('x', 'label')"),
    "arrow twice": (lambda s: s.d.arrow("f", s.x, s.y, layers.relu()), "arrow 'f'", "one arrow"),
    "arrow space": (lambda s: s.d.arrow("g", s.x, 3, layers.relu()), "arrow 'g'", "found an int"),
    "body": (lambda s: s.d.arrow("g", s.x, s.y, lambda x: x), "component 'g'", "found a function"),
    "body kind": (lambda s: s.d.arrow("g", s.x, s.y, s.data), "component 'g'", "found a SourceHandle"),
    "component twice": (lambda s: s.d.component("f", layers.relu()), "component 'f'", "one component"),
    "frozen": (lambda s: s.d.component("g", layers.relu(), frozen="test"), "component 'g'", "True, False or 'train'"),
    "foreign component": (lambda s: s.d.arrow("g", "y", "y", Setup().f.component), "arrow 'g'", "of this builder"),
    "argument space": (lambda s: s.f(s.data.label), "arrow 'f', argument 0", "space 'label' (int64 () with 4 classes)"),
    "arguments": (lambda s: s.add(s.f(s.data.x)), "arrow 'add'", "2 arguments, found 1"),
    "argument kind": (lambda s: s.f(s.x), "arrow 'f', argument 0", "a term, found a Space"),
    "argument tuple": (lambda s: s.split(s.split(s.f(s.data.x))), "arrow 'split', argument 0", "a tuple of 2"),
    "foreign term": (lambda s: s.f(columns(Builder("b")).x), "arrow 'f', argument 0", "data.x of another one"),
    "two sources": (lambda s: s.add(s.f(s.data.x), s.f(s.other["my-x"])), "arrow 'add'", "'data', 'other'"),
    "detach": (lambda s: bridge.detach(s.x), "detach", "a term"),
    "divergence": (lambda s: s.d.agree(s.data.x, s.data.x, by=bridge.mse), "agreement 0", "function mse"),
    "weight": (lambda s: s.d.agree(s.data.x, s.data.x, by=bridge.mse(), weight="a"), "agreement 0", "'a'"),
    "side": (lambda s: s.d.agree(s.data.x, s.x, by=bridge.mse(), name="n"), "agreement 'n', right", "a Space"),
    "mask": (lambda s: s.d.agree(s.data.x, s.data.x, by=bridge.mse(), where=3), "agreement 0, mask", "an int"),
    "label": (lambda s: s.d.agree(s.data.x, s.data.x, by=bridge.mse(), name=" n"), "agreement ' n'", "white space"),
    "start": (lambda s: s.d.commute(s.x, s.y, by=bridge.mse()), "commute 0, start", "several columns may lie"),
    "target": (lambda s: s.d.commute(s.data, "w", by=bridge.mse()), "commute 0, target", "'w'"),
    "pairing": (lambda s: s.d.commute(s.data, "y", by=bridge.mse(), pairing="ring"), "commute 0, pairing", "'ring'"),
    "length": (lambda s: s.d.commute(s.data, "y", by=bridge.mse(), max_length=0), "commute 0, max_length", "1 or more"),
    "output": (lambda s: s.d.output("o", s.y), "output 'o'", "a Space"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(s: Setup, name: str) -> None:
    make, element, part = MISTAKES[name]
    before = s.d.__dict__ | {"_table": list(s.d.terms)}
    with pytest.raises(DiagramError) as caught:
        make(s)
    assert caught.value.element == element
    assert part in str(caught.value)
    after = s.d.__dict__ | {"_table": list(s.d.terms)}
    for key in ("arrows", "components", "_agreements", "_commutes", "_outputs", "modules"):
        assert before[key] == after[key]


def test_a_label_twice(s: Setup) -> None:
    s.d.agree(s.data.x, s.data.x, by=bridge.mse(), name="n")
    s.d.output("o", s.data.x)
    s.d.commute(s.data, "y", by=bridge.mse(), name="c")
    for again in (
        lambda: s.d.agree(s.data.x, s.data.x, by=bridge.mse(), name="n"),
        lambda: s.d.output("o", s.data.x),
        lambda: s.d.commute(s.data, "y", by=bridge.mse(), name="c"),
    ):
        with pytest.raises(DiagramError, match="of that name, found two"):
            again()


@settings(max_examples=30, deadline=None)
@given(builders())
def test_terms_in_a_built_diagram(d: Builder) -> None:
    diagram = d.build()
    found = [diagram_term_id(diagram, handle) for handle in d._handles]
    assert {place for place in found if place is not None} == set(range(len(diagram.terms)))
    extended = extend(diagram, {f"new {place}": handle for place, handle in enumerate(d._handles)})
    assert len(extended.terms) == len(d.terms)
    assert [a.name for a in extended.agreements] == [a.name for a in diagram.agreements]
    for place, handle in enumerate(d._handles):
        assert extended.output(f"new {place}").term == diagram_term_id(extended, handle)
    assert len(expand(extended).agreements) == len(expand(diagram).agreements)


def test_extend_refuses(s: Setup) -> None:
    s.d.agree(s.f(s.data.x), s.data.label, by=bridge.cross_entropy())
    s.d.output("y", s.f(s.data.x))
    diagram = s.d.build()
    with pytest.raises(DiagramError, match="output 'y'"):
        extend(diagram, {"y": s.data.x})
    late: ArrowHandle = s.d.arrow("late", "y", "y", layers.relu())
    with pytest.raises(DiagramError, match="name of an arrow") as caught:
        extend(diagram, {"z": late(s.f(s.data.x))})
    assert caught.value.kind == "unknown"

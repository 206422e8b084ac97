"""The checker: names, the pairs of spaces that divergences accept, masks, sources, hand-made diagrams."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge
from bridge import layers
from bridge.diagram import limits, messages
from bridge.diagram.attributes import resolve
from bridge.diagram.builder import Builder
from bridge.diagram.divergences import DIVERGENCES
from bridge.diagram.ir import (
    Agreement,
    Arrow,
    Axis,
    Column,
    ColumnTerm,
    Component,
    DataType,
    DetachTerm,
    Diagram,
    Divergence,
    Output,
    OutputTerm,
    Source,
    Space,
    TorchReference,
    Training,
)
from bridge.diagram.names import is_label, is_name
from bridge.errors import BridgeError, DiagramError

ROOT = Path(__file__).resolve().parent.parent

FLOATS = {
    "scalar": Space("scalar", DataType.FLOAT32),
    "logits": Space("logits", DataType.FLOAT32, (Axis("k", 3),)),
    "other": Space("other", DataType.FLOAT32, (Axis("k", 3),)),
    "renamed": Space("renamed", DataType.FLOAT32, (Axis("q", 3),)),
    "wide": Space("wide", DataType.FLOAT64, (Axis("k", 3),)),
    "rows": Space("rows", DataType.FLOAT32, (Axis("row", 2), Axis("k", 3))),
    "steps": Space("steps", DataType.FLOAT32, (Axis("step", "n"), Axis("k", 3))),
    "open": Space("open", DataType.FLOAT32, (Axis("k", "n"),)),
}
OTHERS = {
    "label": Space("label", DataType.INT64, (), 3),
    "short": Space("short", DataType.INT32, (), 3),
    "four": Space("four", DataType.INT64, (), 4),
    "row_label": Space("row_label", DataType.INT64, (Axis("row", 2),), 3),
    "step_label": Space("step_label", DataType.INT64, (Axis("step", "n"),), 3),
    "count": Space("count", DataType.INT64),
    "flag": Space("flag", DataType.BOOL),
    "row_flag": Space("row_flag", DataType.BOOL, (Axis("row", 2),)),
    "k_weight": Space("k_weight", DataType.FLOAT64, (Axis("k", 3),)),
    "row_k_weight": Space("row_k_weight", DataType.FLOAT64, (Axis("row", 2), Axis("k", 3))),
}
SPACES = FLOATS | OTHERS


def agreement_of(left: str, right: str, by: Divergence, mask: str | None = None) -> Diagram:
    """A diagram where `f` of left agrees with right, both columns of one source."""
    spaces = tuple(SPACES.values())
    source = Source("data", tuple(Column(name, name) for name in SPACES))
    component = Component("f", TorchReference("f"), True)
    arrow = Arrow("f", (left,), (left,), "f")
    terms = [ColumnTerm("data", left), OutputTerm("f", (0,)), ColumnTerm("data", right)]
    terms += [ColumnTerm("data", mask)] if mask else []
    agreement = Agreement("a", 1, 2, by, 1.0, 3 if mask else None)
    return Diagram("d", spaces, (source,), (component,), (arrow,), tuple(terms), (agreement,))


SAME = {"mse", "mae", "huber", "cosine", "info_nce"}


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("left", SPACES)
def test_accepted_pairs(name: str, left: str) -> None:
    """semantics.md's rows, space by space; the class axis is `k` or the only one."""
    for right in SPACES:
        row, from_, to = DIVERGENCES[name], SPACES[left], SPACES[right]
        axis = {"axis": "k"} if row.has_class_axis and len(from_.axes) > 1 else {}
        by = Divergence(name, resolve("d", row.attributes, axis, "divergence"))
        rest = tuple(a for a in from_.axes if a.name not in ("k", "q"))
        if not from_.data_type.is_float or (row.has_class_axis and not from_.axes):
            accepted = False
        elif name in SAME:
            accepted = left == right
        elif name == "cross_entropy" and to.is_index:
            accepted = to.axes == rest and to.classes == 3 == next((a.size for a in from_.axes if a not in rest), None)
        else:
            accepted = (from_.data_type, from_.axes) == (to.data_type, to.axes)
        try:
            bridge.check(agreement_of(left, right, by))
        except DiagramError as error:
            assert not accepted, error
            assert error.kind in ("divergence", "parallel")
        else:
            assert accepted, (left, right)


@pytest.mark.parametrize(
    ("left", "by", "accepted"),
    [
        ("rows", bridge.mse(), {"scalar", "count", "flag", "rows", "row_k_weight"}),
        ("rows", bridge.cosine("k"), {"scalar", "count", "flag", "row_flag"}),
        ("rows", bridge.info_nce(axis="row"), {"scalar", "count", "flag", "logits", "other", "wide", "k_weight"}),
        ("logits", bridge.kl(), {"scalar", "count", "flag"}),
        ("logits", bridge.mae(), {"scalar", "count", "flag", "logits", "other", "wide", "k_weight"}),
    ],
)
def test_accepted_masks(left: str, by: Divergence, accepted: set[str]) -> None:
    for mask in SPACES:
        diagram = agreement_of(left, left, by, mask)
        if mask in accepted:
            bridge.check(diagram)
        else:
            with pytest.raises(DiagramError) as caught:
                bridge.check(diagram)
            assert (caught.value.element, caught.value.kind) == ("agreement 'a', mask", "mask")


def test_class_axis() -> None:
    with pytest.raises(DiagramError, match="to name one of its axes \\('row', 'k'\\), found ''"):
        bridge.check(agreement_of("rows", "rows", bridge.kl()))
    with pytest.raises(DiagramError, match="found 'q'"):
        bridge.check(agreement_of("rows", "rows", bridge.kl(axis="q")))
    resolved = bridge.canonical(agreement_of("logits", "logits", bridge.kl()))
    assert resolved.agreements[0].divergence == bridge.kl(axis="k")


@pytest.mark.parametrize("make", [bridge.huber, bridge.kl, bridge.info_nce, bridge.cross_entropy])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "1", True])
def test_divergence_attributes(make: object, value: object) -> None:
    with pytest.raises(DiagramError) as caught:
        make(value)
    assert caught.value.kind == "divergence"


def base() -> Diagram:
    """A sound diagram to spoil."""
    d = Builder("base")
    x = d.space("x", k=2)
    data, more = d.source("data", x=x), d.source("more", x=x)
    f = d.arrow("f", x, x, layers.linear(2, 2))
    constant = d.arrow("constant", (), x, TorchReference("constant"))
    add = d.arrow("add", (x, x), x, layers.add())
    d.agree(f(data.x), data.x, by=bridge.mse(), name="a")
    d.output("more", more.x)
    d.output("sum", add(constant(), data.x))
    return d.build()


def test_a_side_without_columns() -> None:
    diagram = base()
    constant = diagram.terms.index(OutputTerm("constant", ()))
    for side in ("left", "right", "mask"):
        spoilt = replace(diagram, agreements=(replace(diagram.agreements[0], **{side: constant}),))
        with pytest.raises(DiagramError, match="a column below it, found a term without columns") as caught:
            bridge.check(spoilt)
        assert (caught.value.element, caught.value.kind) == (f"agreement 'a', {side}", "source")


def test_no_trainable_component() -> None:
    diagram = base()
    frozen = tuple(replace(c, training=Training.FROZEN) for c in diagram.components)
    with pytest.raises(DiagramError) as caught:
        bridge.check(replace(diagram, components=frozen))
    assert (caught.value.element, caught.value.kind) == ("diagram 'base'", "trainable")
    bridge.check(replace(diagram, components=frozen, agreements=()))  # a model, with nothing to train
    detached = replace(diagram, terms=(*diagram.terms, DetachTerm(diagram.agreements[0].left)))
    agreement = replace(diagram.agreements[0], left=len(diagram.terms))
    with pytest.raises(DiagramError, match="no detach in between"):
        bridge.check(replace(detached, agreements=(agreement,)))


def test_float_types_of_a_shared_component() -> None:
    d = Builder("d")
    single, double = d.space("single", "float32", k=2), d.space("double", "float64", k=2)
    shared = d.component("shared", layers.linear(2, 2))
    d.arrow("f", single, single, shared)
    d.arrow("g", double, double, shared)
    with pytest.raises(DiagramError, match="float32, as in arrow 'f', found float64") as caught:
        d.build()
    assert caught.value.element == "arrow 'g', of component 'shared'"
    e = Builder("e")
    e.arrow("f", e.space("single", k=2), e.space("double", "float64", k=2), layers.linear(2, 2))
    with pytest.raises(DiagramError, match="one dtype, float64"):
        e.build()
    i = Builder("i")
    i.arrow("f", i.index("label", classes=2), "label", layers.identity())
    with pytest.raises(DiagramError, match="float spaces, for portable layers"):
        i.build()


def test_shapes_of_arrows() -> None:
    d = Builder("d")
    d.arrow("f", d.space("x", k=2), d.space("y", k=3), layers.linear(2, 4))
    with pytest.raises(DiagramError) as caught:
        d.build()
    assert str(caught.value) == (
        "arrow 'f', component 'f', output 0: expected shape (3,), of space 'y' (float32 (k=3)), found shape (4,)"
    )


@pytest.mark.parametrize(
    ("table", "limit", "elements"),
    [
        ("spaces", limits.MAX_ELEMENTS, (Space("x", DataType.BOOL),)),
        ("terms", limits.MAX_TERMS, (ColumnTerm("s", "c"),)),
        ("agreements", limits.MAX_AGREEMENTS, (Agreement("a", 0, 0, bridge.mse()),)),
        ("outputs", limits.MAX_ELEMENTS, (Output("o", 0),)),
    ],
)
def test_too_many_elements(table: str, limit: int, elements: tuple[object, ...]) -> None:
    with pytest.raises(DiagramError, match=f"at most {limit} {table}, found {limit + 1}"):
        bridge.check(Diagram("d", **{table: elements * (limit + 1)}))


@pytest.mark.parametrize(
    ("name", "name_is_fine", "label_is_fine"),
    [
        ("student", True, True),
        ("0", True, True),
        ("größe×2", True, True),
        ("", False, False),
        ("a b", False, True),
        ("a~b.c#2", False, True),
        (" a", False, False),
        ("a ", False, False),
        ("a\n", False, False),
        ("a\x7f", False, False),
        ("a\tb", False, False),
        ("\ud800", False, False),
        ("é" * 100, True, True),
        ("é" * 101, False, True),
        ("x" * 500, False, True),
        ("x" * 501, False, False),
    ],
)
def test_names(name: str, name_is_fine: bool, label_is_fine: bool) -> None:
    assert (is_name(name), is_label(name)) == (name_is_fine, label_is_fine)


@given(st.text(max_size=4))
def test_names_can_be_keys_of_a_state_dict(name: str) -> None:
    forbidden = set(".,()[]{}~#/\\\"'`;") | {chr(c) for c in range(0x21)} | {"\x7f"}
    encodable = not any(0xD800 <= ord(c) < 0xE000 for c in name)
    assert is_name(name) == (len(name) > 0 and encodable and not forbidden & set(name))


def test_errors_name_everything() -> None:
    diagram = base()
    with pytest.raises(BridgeError) as caught:
        bridge.check(replace(diagram, sources=(replace(diagram.source("data"), columns=()), diagram.source("more"))))
    error = caught.value
    assert (error.element, error.expected, error.found) == ("source 'data'", "1 to 100000 columns", "0")
    assert str(error) == "source 'data': expected 1 to 100000 columns, found 0"


def test_every_kind_of_refusal_is_in_the_table() -> None:
    used = set()
    for path in [*ROOT.glob("bridge/diagram/*.py"), *ROOT.glob("bridge/layers/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "DiagramError" and len(node.args) == 4:
                used |= {leaf.value for leaf in ast.walk(node.args[3]) if isinstance(leaf, ast.Constant)}
    assert messages.__doc__ is not None
    assert used - set(re.findall(r"^\| `(\w+)`", messages.__doc__, re.MULTILINE)) == set()
    assert len(used) > 10

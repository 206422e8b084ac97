"""Generated diagrams, for every test that wants to hold for all of them.

All components are portable layer graphs. The diagrams have several sources, shared, frozen and detached parts, arrows
with several inputs and outputs, masks, every divergence, index spaces, axis variables and commutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

import bridge
from bridge import layers
from bridge.diagram.builder import ArrowHandle, Builder, SourceHandle, Term
from bridge.diagram.divergences import DIVERGENCES, element_axes
from bridge.diagram.handles import detach
from bridge.diagram.ir import Axis, Commute, Diagram, Divergence, Layer, LayerGraph, Space, ties
from bridge.diagram.routes import count_paths
from bridge.errors import DiagramError
from bridge.layers.build import GraphBuilder, Value
from bridge.layers.graph import parameters

FORBIDDEN = ".,()[]{}~#/\\\"'`;\x7f"
NAME_CHARACTERS = st.characters(min_codepoint=0x21, exclude_characters=FORBIDDEN, exclude_categories=["Cs"])
LABEL_CHARACTERS = st.characters(min_codepoint=0x21, exclude_characters="\x7f", exclude_categories=["Cs"])

names = st.text(NAME_CHARACTERS, min_size=1, max_size=6)
labels = st.text(LABEL_CHARACTERS, min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def elementwise(draw: st.DrawFn) -> Layer:
    """A layer that keeps any shape."""
    plain = [layers.relu, layers.sigmoid, layers.tanh, layers.relu6, layers.silu, layers.hardsigmoid, layers.mish]
    plain += [layers.softplus, layers.identity]
    with_number = [layers.leaky_relu, layers.elu, layers.celu]
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return draw(st.sampled_from(plain))()
    if kind == 1:
        return draw(st.sampled_from(with_number))(draw(st.floats(0.01, 2.0)))
    return layers.gelu(draw(st.sampled_from(["none", "tanh"])))


@st.composite
def along_last(draw: st.DrawFn, size: int) -> Layer:
    """A layer that keeps the shape of samples whose last axis has this size."""
    return draw(
        st.one_of(
            elementwise(),
            st.builds(layers.softmax),
            st.builds(layers.log_softmax),
            st.builds(layers.layer_norm, st.just(size), eps=st.sampled_from([1e-5, 1e-3]), affine=st.booleans()),
        )
    )


@st.composite
def layer_graphs(draw: st.DrawFn, sources: Sequence[Space], targets: Sequence[Space]) -> LayerGraph:
    """A graph from samples of the sources to samples of the targets; each target uses some of the sources.

    Sources and targets have no variable axes, or all have the same axes but for the last one's size.
    """
    graph = GraphBuilder(len(sources))
    outputs = [draw(to_target(graph, sources, target)) for target in targets]
    return draw(with_ties(graph.build(*outputs)))


@st.composite
def with_ties(draw: st.DrawFn, graph: LayerGraph) -> LayerGraph:
    """The graph with some parameters that are earlier ones of their shape."""
    first: dict[tuple[int, ...], str] = {}
    alike = [(p.name, first[p.shape]) for p in parameters(graph) if first.setdefault(p.shape, p.name) != p.name]
    return replace(graph, ties=ties(tie for tie in alike if draw(st.booleans())))


@st.composite
def to_target(draw: st.DrawFn, graph: GraphBuilder, sources: Sequence[Space], target: Space) -> Value:
    """A value of the target's shape, made of one or more of the graph's inputs."""
    variable = any(isinstance(size, str) for size in target.shape)
    used = draw(st.lists(st.sampled_from(range(len(sources))), min_size=1, max_size=3))
    width = numbers(target, variable)
    parts = []
    for source in used:
        value = graph.inputs[source]
        size = numbers(sources[source], variable)
        if not variable:
            value = graph(layers.flatten(), value)
        if draw(st.booleans()):
            value = graph(draw(along_last(size)), value)
        bias, init = draw(st.booleans()), draw(st.sampled_from(["kaiming_uniform", "glorot_uniform"]))
        parts.append(graph(layers.linear(size, width, bias=bias, init=init), value))
    value = parts[0]
    if len(parts) == 2 and draw(st.booleans()):
        value = graph(layers.multiply(), *parts)
    elif len(parts) > 1:
        value = graph(layers.add(), *parts)
    if draw(st.booleans()):
        value = graph(draw(elementwise()), value)
    return value if variable else graph(layers.reshape(*map(int, target.shape)), value)


def numbers(space: Space, only_last: bool) -> int:
    """How many numbers a sample has, or how long its last axis is."""
    return int(space.shape[-1]) if only_last else math.prod(map(int, space.shape))


@st.composite
def divergences(draw: st.DrawFn, left: Space, name: str) -> Divergence:
    """A divergence of that name for a prediction in `left`, which has an axis if the divergence wants one."""
    axis = ""
    if DIVERGENCES[name].has_class_axis:
        axis = draw(st.sampled_from(left.axes)).name
        if len(left.axes) == 1 and draw(st.booleans()):
            axis = ""
    positive = st.floats(0.05, 8.0)
    made: dict[str, Callable[[], Divergence]] = {
        "mse": bridge.mse,
        "mae": bridge.mae,
        "binary_cross_entropy": bridge.binary_cross_entropy,
        "huber": lambda: bridge.huber(draw(positive)),
        "cross_entropy": lambda: bridge.cross_entropy(draw(st.floats(0, 1)), axis),
        "kl": lambda: bridge.kl(draw(positive), axis),
        "cosine": lambda: bridge.cosine(axis),
        "info_nce": lambda: bridge.info_nce(draw(positive), draw(st.booleans()), axis),
    }
    return made[name]()


class Pool:
    """Sources and terms made so far."""

    def __init__(self) -> None:
        self.sources: dict[str, SourceHandle] = {}
        self.terms: list[Term] = []

    def add(self, *terms: Term) -> None:
        self.terms += terms

    def of(self, source: str, spaces: Sequence[Space]) -> list[Term]:
        return [term for term in self.terms if term.source == source and term.space in spaces]


@st.composite
def builders(draw: st.DrawFn, max_arrows: int = 5, max_terms: int = 10, max_agreements: int = 6) -> Builder:
    """A builder whose diagram is sound; see the module's description of what it may have."""
    d = Builder(draw(labels))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    sizes = st.integers(1, 4)
    rows, klass = draw(sizes), draw(st.integers(2, 4))
    fixed = [
        d.space("x" + draw(names), dtype, row=rows, column=draw(sizes)),
        d.space("logits", dtype, row=rows, klass=klass),
        d.space("probability", dtype, row=rows, klass=klass),
        d.space("v", dtype, axes=[(draw(names), draw(sizes))]),
        d.space("scalar", dtype),
    ]
    variable = [d.space("steps", dtype, step="length", klass=klass), d.space("states", dtype, step="length", state=3)]
    row_label = d.index("row_label", classes=klass, row=rows, dtype=draw(st.sampled_from(["int32", "int64"])))
    step_label = d.index("step_label", classes=klass, step="length")
    masks = [
        d.space("keep", "bool"),
        d.space("weights", draw(st.sampled_from(["float32", "float64", "int32", "int64"])), row=rows),
        d.space("keep_steps", "bool", step="length"),
    ]
    pool = Pool()
    sources = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    for number, name in enumerate(sources):
        every = [*fixed, *variable, row_label, step_label, *masks]
        kept = every if number == 0 else draw(st.lists(st.sampled_from(every), unique=True, min_size=1))
        columns = {f"c{place}{draw(names)}": space for place, space in enumerate(kept)}
        pool.sources[name] = d.source(name, columns)
        pool.add(*(pool.sources[name][column] for column in columns))
    student = d.arrow("student", fixed[0], fixed[1], draw(layer_graphs(fixed[:1], fixed[1:2])))
    arrows: list[ArrowHandle] = [student]
    for number in range(draw(st.integers(0, max_arrows - 1))):
        arrows.append(draw(new_arrow(d, f"f{number}", fixed, variable, arrows)))
    start = pool.of(sources[0], fixed[:1])[0]
    prediction = student(start)
    pool.add(prediction)
    for _ in range(draw(st.integers(0, max_terms))):
        draw(new_term(d, pool, arrows, sources))
    d.agree(prediction, draw(st.sampled_from(pool.of(sources[0], [fixed[1]]))), by=bridge.mse(), weight=draw(finite))
    for _ in range(draw(st.integers(0, max_agreements - 1))):
        draw(new_agreement(d, pool, [row_label, step_label], masks))
    for number in range(draw(st.integers(0, 2))):
        draw(new_commute(d, pool, arrows, [*fixed, *variable], number))
    for name in draw(st.lists(labels, max_size=2, unique=True)):
        d.output(name, draw(st.sampled_from(pool.terms)))
    return d


@st.composite
def new_arrow(
    draw: st.DrawFn, d: Builder, name: str, fixed: list[Space], variable: list[Space], arrows: list[ArrowHandle]
) -> ArrowHandle:
    """An arrow with a component of its own, or with that of an earlier arrow between the same spaces."""
    if draw(st.integers(0, 3)) == 0:
        shared = draw(st.sampled_from(arrows))
        arrow = d.arrows[shared.name]
        return d.arrow(name + draw(names), arrow.sources, arrow.targets, shared.component)
    among = variable if draw(st.integers(0, 3)) == 0 else fixed
    sources = draw(st.lists(st.sampled_from(among), min_size=1, max_size=2))
    targets = draw(st.lists(st.sampled_from(among), min_size=1, max_size=2))
    body = draw(layer_graphs(sources, targets))
    return d.arrow(name, sources, targets, body, frozen=draw(st.sampled_from([False, False, True, "train"])))


@st.composite
def new_term(draw: st.DrawFn, d: Builder, pool: Pool, arrows: list[ArrowHandle], sources: list[str]) -> None:
    """One more application or detach, where there are arguments for it."""
    if draw(st.integers(0, 3)) == 0:
        pool.add(detach(draw(st.sampled_from(pool.terms))))
        return
    arrow, source = draw(st.sampled_from(arrows)), draw(st.sampled_from(sources))
    choices = [pool.of(source, [d.spaces[space]]) for space in d.arrows[arrow.name].sources]
    if all(choices):
        made = arrow(*(draw(st.sampled_from(terms)) for terms in choices))
        pool.add(*(made if isinstance(made, tuple) else (made,)))


@st.composite
def new_agreement(draw: st.DrawFn, d: Builder, pool: Pool, indices: list[Space], masks: list[Space]) -> None:
    """One more agreement, with a name or a mask or without, where two terms are parallel."""
    left = draw(st.sampled_from([term for term in pool.terms if term.space.data_type.is_float]))
    source, space = left.source, left.space
    assert source is not None
    fitting = [row.name for row in DIVERGENCES.values() if space.axes or not row.has_class_axis]
    by = draw(divergences(space, draw(st.sampled_from(fitting))))
    rest = element_axes(by, space)
    if by.name == "cross_entropy":
        wanted = [index for index in indices if index.axes == rest and index.classes == class_size(space, rest)]
        rights = pool.of(source, [*wanted, space])
    elif by.name in ("kl", "binary_cross_entropy"):
        rights = [t for t in pool.terms if t.source == source and same_type(t.space, space)]
    else:
        rights = pool.of(source, [space])
    where = draw(st.sampled_from([None, *pool.of(source, [mask for mask in masks if mask.axes in ((), rest)])]))
    name = draw(st.one_of(st.none(), labels))
    try:
        d.agree(left, draw(st.sampled_from(rights)), by=by, weight=draw(finite), name=name, where=where)
    except DiagramError as error:
        assert error.kind == "duplicate"  # the drawn name is taken


def class_size(space: Space, rest: tuple[Axis, ...]) -> int | str:
    """The size of the axis that is not among the rest."""
    return next(axis.size for axis in space.axes if axis not in rest)


def same_type(a: Space, b: Space) -> bool:
    """Whether two spaces differ in nothing but their names."""
    return (a.data_type, a.axes, a.classes) == (b.data_type, b.axes, b.classes)


@st.composite
def new_commute(
    draw: st.DrawFn, d: Builder, pool: Pool, arrows: list[ArrowHandle], spaces: list[Space], number: int
) -> None:
    """One more commute, where some space has between 2 and 6 paths to it."""
    straight = [a.name for a in arrows if len(d.arrows[a.name].sources) == len(d.arrows[a.name].targets) == 1]
    listed = draw(st.lists(st.sampled_from(straight), unique=True, min_size=1))
    start = draw(st.sampled_from(pool.terms))
    from_source = draw(st.booleans())
    place = start.source if from_source else start.place
    assert place is not None
    max_length = draw(st.one_of(st.none(), st.integers(1, 4)))
    probe = Commute("probe", place, "", tuple(listed), bridge.mse(), max_length=max_length or 0, max_paths=6)
    targets = [space for space in spaces if has_paths(d, replace(probe, target=space.name))]
    if not targets:
        return
    target = draw(st.sampled_from(targets))
    fitting = [row.name for row in DIVERGENCES.values() if target.axes or not row.has_class_axis]
    d.commute(
        pool.sources[str(place)] if from_source else start,
        target,
        by=draw(divergences(target, draw(st.sampled_from(fitting)))),
        weight=draw(finite),
        pairing=draw(st.sampled_from(["star", "all"])),
        max_length=max_length,
        arrows=listed,
        name=draw(st.one_of(st.none(), st.just(f"commute {number}"))),
    )


def has_paths(d: Builder, commute: Commute) -> bool:
    """Whether a commute of this builder would be accepted for its paths."""
    tables = (tuple(d.spaces.values()), tuple(d.sources.values()), (), tuple(d.arrows.values()), tuple(d.terms))
    try:
        count_paths(Diagram("probe", *tables), commute, "probe")
    except DiagramError:
        return False
    return True


@st.composite
def diagrams(draw: st.DrawFn, max_arrows: int = 5, max_terms: int = 10, max_agreements: int = 6) -> Diagram:
    """A sound diagram in canonical form."""
    return draw(builders(max_arrows, max_terms, max_agreements)).build()

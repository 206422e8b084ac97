"""Morphisms and isomorphism, against networkx's matchers and exhaustive search; gluing is a pushout."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from random import Random

import networkx
import pytest
from hypothesis import assume, given, settings
from networkx.algorithms.isomorphism import DiGraphMatcher
from small_diagrams import seeds, small_diagram, small_diagrams
from test_operations import CASES, EXACT, common, part, random_names, refusal, two_tasks

import bridge
from bridge import layers
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import ColumnTerm, DetachTerm, Diagram, OutputTerm, arguments
from bridge.diagram.operations.elements import all_elements
from bridge.diagram.operations.morphisms import Morphism
from bridge.errors import DiagramError


def graph_of(diagram: Diagram) -> networkx.DiGraph:
    """A diagram without names, weights, frozenness, attributes and detach as a graph: labelled vertices and edges.

    Edges with several meanings (such as both arguments of an arrow) have the set of them as their label.
    """
    graph = networkx.DiGraph()

    def edge(start: object, end: object, meaning: object) -> None:
        meanings = graph.edges[start, end]["label"] if graph.has_edge(start, end) else frozenset()
        graph.add_edge(start, end, label=meanings | {meaning})

    for kind in ("spaces", "sources", "components", "arrows", "agreements", "commutes"):
        graph.add_nodes_from(((kind, item.name) for item in getattr(diagram, kind)), label=kind)
    for source in diagram.sources:
        for column in source.columns:
            graph.add_node(("columns", source.name, column.name), label="columns")
            edge(("columns", source.name, column.name), ("sources", source.name), "source")
            edge(("columns", source.name, column.name), ("spaces", column.space), "space")
    for arrow in diagram.arrows:
        edge(("arrows", arrow.name), ("components", arrow.component), "component")
        for kind, spaces in (("in", arrow.sources), ("out", arrow.targets)):
            for number, space in enumerate(spaces):
                edge(("arrows", arrow.name), ("spaces", space), (kind, number))
    written: dict[int, object] = {}

    def vertex(place: int) -> object:
        """The vertex of a term; terms that are written alike without their detaches are one."""
        term = diagram.terms[place]
        while isinstance(term, DetachTerm):
            place = term.argument
            term = diagram.terms[place]
        if place not in written:
            if isinstance(term, ColumnTerm):
                written[place] = ("columns", term.source, term.column)
                return written[place]
            assert isinstance(term, OutputTerm)
            below = [vertex(argument) for argument in term.arguments]
            written[place] = ("term", term.arrow, term.output, tuple(below))
            graph.add_node(written[place], label=("term", term.output))
            edge(written[place], ("arrows", term.arrow), "arrow")
            for number, argument in enumerate(below):
                edge(written[place], argument, number)
        return written[place]

    for agreement in diagram.agreements:
        graph.nodes["agreements", agreement.name]["label"] = ("agreement", agreement.divergence.name)
        for side in ("left", "right", "mask"):
            if (place := getattr(agreement, side)) is not None:
                edge(("agreements", agreement.name), vertex(place), side)
    for commute in diagram.commutes:
        graph.nodes["commutes", commute.name]["label"] = ("commute", commute.divergence.name, commute.pairing)
        start = ("sources", commute.start) if isinstance(commute.start, str) else vertex(commute.start)
        edge(("commutes", commute.name), start, "start")
        edge(("commutes", commute.name), ("spaces", commute.target), "target")
        for number, arrow in enumerate(commute.arrows):
            edge(("commutes", commute.name), ("arrows", arrow), number)
    return graph


def same_label(one: dict, other: dict) -> bool:
    return one["label"] == other["label"]


def matched(left: Diagram, right: Diagram) -> bool:
    """networkx's answer."""
    return DiGraphMatcher(graph_of(left), graph_of(right), same_label, same_label).is_isomorphic()


def matched_with_hashes(left: Diagram, right: Diagram) -> bool:
    """networkx's answer for large diagrams: its hashes of neighbourhoods as labels spare its matcher most of the search."""
    graphs = [hashed(graph_of(diagram)) for diagram in (left, right)]
    labels = [Counter(label for _, label in graph.nodes(data="label")) for graph in graphs]
    return labels[0] == labels[1] and DiGraphMatcher(*graphs, same_label, same_label).is_isomorphic()


def hashed(graph: networkx.DiGraph) -> networkx.DiGraph:
    """The graph with the hashes of its vertices' neighbourhoods as labels, and no components that one arrow alone has."""
    for vertex in [vertex for vertex in graph if vertex[0] == "components" and graph.in_degree(vertex) == 1]:
        ((arrow, _),) = graph.in_edges(vertex)
        graph.nodes[arrow]["label"] = "arrow with a component of its own"
        graph.remove_node(vertex)
    undirected = networkx.Graph()
    undirected.add_nodes_from((vertex, {"label": repr(label)}) for vertex, label in graph.nodes(data="label"))
    for start, end, label in graph.edges(data="label"):
        first, second = (start, end, "first"), (start, end, "second")
        undirected.add_node(first, label=repr(sorted(map(str, label))))
        undirected.add_node(second, label="")
        undirected.add_edges_from([(start, first), (first, second), (second, end)])
    hashes = networkx.weisfeiler_lehman_subgraph_hashes(undirected, node_attr="label", iterations=9)
    for vertex in graph:
        graph.nodes[vertex]["label"] = hashes[vertex][-1]
    return graph


def changed(diagram: Diagram, random: Random) -> Diagram:
    """The diagram with one reference to something else, where that is sound."""
    for _ in range(20):
        arrow = random.randrange(len(diagram.arrows))
        changes: list[Diagram] = []
        if diagram.agreements:
            place = random.randrange(len(diagram.agreements))
            item = replace(
                diagram.agreements[place], **{random.choice(["left", "right"]): random.randrange(len(diagram.terms))}
            )
            agreements = (*diagram.agreements[:place], item, *diagram.agreements[place + 1 :])
            changes.append(replace(diagram, agreements=agreements))
        component = random.choice(diagram.components).name
        moved = replace(diagram.arrows[arrow], component=component)
        changes.append(replace(diagram, arrows=(*diagram.arrows[:arrow], moved, *diagram.arrows[arrow + 1 :])))
        candidate = random.choice(changes)
        try:
            result = canonical(candidate)
        except DiagramError:
            continue
        if result != diagram:
            return result
    return diagram


@CASES
@given(seeds)
def test_isomorphic_as_networkx_says(seed: int) -> None:
    random, diagram = Random(seed), small_diagram(seed)
    renamed = bridge.rename(diagram, **random_names(diagram, random))
    found = bridge.isomorphic(diagram, renamed)
    assert found is not None and found.is_injective
    check_morphism(found, diagram, renamed)
    other = changed(renamed, random)
    assert (bridge.isomorphic(diagram, other) is not None) == matched(diagram, other)


def check_morphism(found: Morphism, first: Diagram, second: Diagram) -> None:
    """Boundaries and terms are preserved, looked up name by name."""
    for arrow in first.arrows:
        image = second.arrow(found.arrows[arrow.name])
        assert image.sources == tuple(found.spaces[space] for space in arrow.sources)
        assert image.targets == tuple(found.spaces[space] for space in arrow.targets)
        assert image.component == found.components[arrow.component]
    for source in first.sources:
        for column in source.columns:
            image_source, _, image = found.columns[f"{source.name}.{column.name}"].partition(".")
            assert image_source == found.sources[source.name]
            assert second.column(image_source, image).space == found.spaces[column.space]
    written = {}
    for which, diagram in (("first", first), ("second", second)):
        texts: list[object] = []
        for term in diagram.terms:
            below = tuple(texts[argument] for argument in arguments(term))
            if isinstance(term, ColumnTerm):
                name = f"{term.source}.{term.column}"
                texts.append(found.columns[name] if which == "first" else name)
            elif isinstance(term, OutputTerm):
                texts.append((found.arrows[term.arrow] if which == "first" else term.arrow, term.output, below))
            else:
                texts.append(below[0])
        written[which] = texts
    images = {agreement.name: agreement for agreement in second.agreements}
    for agreement in first.agreements:
        image = images[found.agreements[agreement.name]]
        assert image.divergence.name == agreement.divergence.name
        assert written["second"][image.left] == written["first"][agreement.left]
        assert written["second"][image.right] == written["first"][agreement.right]
        assert (image.mask is None) == (agreement.mask is None)


def all_morphisms(first: Diagram, second: Diagram) -> int:
    """How many there are, by trying every map of columns, arrows, components, spaces, sources and agreements."""
    kinds = ("spaces", "sources", "columns", "components", "arrows", "agreements", "commutes")
    ours, theirs = all_elements(first), all_elements(second)
    count = 0
    names = [(kind, name) for kind in kinds for name in sorted(ours[kind])]
    for images in product(*(sorted(theirs[kind]) for kind, _ in names)):
        maps: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
        for (kind, name), image in zip(names, images, strict=True):
            maps[kind][name] = image
        try:
            check_morphism(Morphism(**maps), first, second)
        except AssertionError:
            continue
        count += 1
    return count


@settings(max_examples=500, deadline=None)
@given(seeds)
def test_as_many_morphisms_as_an_exhaustive_search_finds(seed: int) -> None:
    first, second = small_diagram(seed, plain=True, size=1), small_diagram(seed + 1, plain=True, size=2)
    sizes = 1.0
    ours, theirs = all_elements(first), all_elements(second)
    for kind in ("spaces", "sources", "columns", "components", "arrows", "agreements"):
        sizes *= len(theirs[kind]) ** len(ours[kind])
    found = bridge.morphisms(first, second, limit=100_000)
    for morphism in found:
        check_morphism(morphism, first, second)
    if sizes <= 300:
        assert len(found) == all_morphisms(first, second)


def few_morphisms(left: Diagram, right: Diagram) -> list[Morphism]:
    """All morphisms, where there are no more than a thousand."""
    try:
        return bridge.morphisms(left, right, limit=1000)
    except DiagramError as error:
        assume(error.kind != "limit")
        raise


@CASES
@given(seeds)
def test_gluing_is_a_pushout(seed: int) -> None:
    """Pairs of morphisms that agree on the shared part are, each in one way, a morphism out of the glue."""
    random, diagram = Random(seed), small_diagram(seed, plain=True, size=3)
    left, right = part(diagram, random), part(diagram, random)
    shared = common(left, right)
    if random.random() < 0.5:  # a smaller part is shared, and the rest gets other names
        shared = {kind: {name for name in names if random.random() < 0.5} for kind, names in shared.items()}
        shared.pop("outputs")
    glued = bridge.glue(left, right, shared, prefix="r")
    # Half of the targets are what the parts are of, into which there are morphisms for certain.
    target = random.choice((diagram, small_diagram(seed + 1, plain=True, size=2)))
    into, inclusion = inclusions(left, right, glued)
    check_morphism(into, left, glued)
    check_morphism(inclusion, right, glued)
    first, second = few_morphisms(left, target), few_morphisms(right, target)
    assume(len(first) * len(second) <= 10_000)  # out of the glue there are as many at most
    needed = [
        (kind, name)
        for kind, names in into.kinds().items()
        for name in sorted(names)
        if inclusion.kinds()[kind].get(name) == name
    ]
    alike: dict[tuple[str, ...], list[Key]] = {}
    for g in second:
        alike.setdefault(tuple(g.kinds()[kind][name] for kind, name in needed), []).append(key(g))
    pairs = {
        (key(f), other) for f in first for other in alike.get(tuple(f.kinds()[kind][name] for kind, name in needed), ())
    }
    out = bridge.morphisms(glued, target, limit=100_000)
    through = [(key(into.then(h)), key(inclusion.then(h))) for h in out]
    assert len(through) == len(set(through))
    assert set(through) == pairs


def inclusions(left: Diagram, right: Diagram, glued: Diagram) -> tuple[Morphism, Morphism]:
    """Where the elements of the parts are in the glue: those of the right one that collided have an r in front."""
    ours, theirs, both = all_elements(left), all_elements(right), all_elements(glued)
    kinds = [*Morphism.__dataclass_fields__]
    names = {kind: {name: f"r{name}" if f"r{name}" in both[kind] else name for name in theirs[kind]} for kind in kinds}
    for name in theirs["columns"]:
        source, _, column = name.partition(".")
        names["columns"][name] = f"{names['sources'][source]}.{column}"
    return Morphism(**{kind: {name: name for name in ours[kind]} for kind in kinds}), Morphism(**names)


Key = tuple[object, ...]


def key(morphism: Morphism) -> Key:
    return tuple((kind, *sorted(of.items())) for kind, of in morphism.kinds().items())


@CASES
@given(small_diagrams(plain=True))
def test_morphisms_compose_and_the_identity_is_one(diagram: Diagram) -> None:
    try:
        found = bridge.morphisms(diagram, diagram)
    except DiagramError as error:
        assert error.kind == "limit"
        return
    identity = {kind: {name: name for name in all_elements(diagram)[kind]} for kind in Morphism.__dataclass_fields__}
    assert Morphism(**identity) in found
    keys = {key(morphism) for morphism in found}
    for one, other in product(found[:5], found[-5:]):
        assert key(one.then(other)) in keys
    assert [m.is_injective for m in found].count(True) == len(bridge.morphisms(diagram, diagram, injective=True))


def big_diagram(seed: int, arrows: int = 200) -> Diagram:
    """A random diagram of so many arrows, between few spaces, some of which share their component."""
    random = Random(seed)
    d = bridge.Builder("big")
    spaces = [d.space(f"x{n}", width=2) for n in range(random.choice([2, 10]))]
    data = [d.source(f"s{n}", {f"c{m}": random.choice(spaces) for m in range(4)}) for n in range(3)]
    made = []
    for n in range(arrows):
        body = random.choice(made).component if made and random.random() < 0.2 else layers.linear(2, 2)
        made.append(d.arrow(f"f{n}", random.choice(spaces), random.choice(spaces), body))
    terms = [source[f"c{m}"] for source in data for m in range(4)]
    for _ in range(arrows):
        arrow = random.choice(made)
        fitting = [term for term in terms if term.space.name == d.arrows[arrow.name].sources[0]]
        if fitting:
            terms.append(arrow(random.choice(fitting)))
    for _ in range(arrows):
        left = random.choice(terms)
        parallel = [term for term in terms if (term.space, term.source) == (left.space, left.source)]
        d.agree(left, random.choice(parallel), by=random.choice([bridge.mse(), bridge.mae()]))
    return d.build()


@pytest.mark.parametrize("seed", range(3))
def test_isomorphism_of_diagrams_with_200_arrows(seed: int) -> None:
    random, diagram = Random(seed), big_diagram(seed)
    names = {kind: [*sorted(of)] for kind, of in all_elements(diagram).items() if kind not in ("columns", "variables")}
    shuffled = bridge.rename(
        diagram, **{kind: dict(zip(of, random.sample(of, len(of)), strict=True)) for kind, of in names.items()}
    )
    other = changed(shuffled, random)
    for candidate in (shuffled, other):
        found = bridge.isomorphic(diagram, candidate)
        assert (found is not None) == matched_with_hashes(diagram, candidate)
        if found is not None:
            check_morphism(found, diagram, candidate)


def cycles(*lengths: int) -> Diagram:
    """Arrows of one component round cycles of spaces: colours don't tell them apart."""
    d = bridge.Builder("cycles")
    f = d.component("f", layers.linear(2, 2))
    for number, length in enumerate(lengths):
        spaces = [d.space(f"x{number}_{n}", width=2) for n in range(length)]
        for n, space in enumerate(spaces):
            d.arrow(f"f{number}_{n}", space, spaces[(n + 1) % length], f)
    return d.build()


def test_isomorphism_that_needs_a_search() -> None:
    assert bridge.isomorphic(cycles(6, 4), cycles(4, 6))
    assert bridge.isomorphic(cycles(6), cycles(3, 3)) is None
    assert bridge.isomorphic(cycles(5, 5, 5, 5, 5, 5), cycles(5, 5, 5, 5, 5, 5))
    assert bridge.isomorphic(cycles(8, 4, 4), cycles(6, 5, 5)) is None
    assert len(bridge.morphisms(cycles(6), cycles(3))) == 3
    assert bridge.morphisms(cycles(3), cycles(6)) == ()


def test_strictness() -> None:
    d = two_tasks()
    assert len(bridge.morphisms(d, d)) > 1
    assert len(bridge.morphisms(d, d, strict=True)) == 1
    frozen = bridge.freeze(d, "f")
    assert bridge.isomorphic(d, frozen) and bridge.isomorphic(d, frozen, strict=["weights", "attributes", "detach"])
    assert bridge.isomorphic(d, frozen, strict="frozenness") is None
    wide = bridge.substitute(d, "f", layers.chain(layers.linear(3, 5), layers.linear(5, 2)))
    assert bridge.isomorphic(d, wide) and bridge.isomorphic(d, wide, strict=EXACT) is None
    heavier = replace(d, agreements=tuple(replace(a, weight=2.0) for a in d.agreements))
    assert bridge.isomorphic(d, heavier) and bridge.isomorphic(d, heavier, strict="weights") is None
    tied = bridge.tie(d, "f", "g")
    assert bridge.isomorphic(d, tied) is None
    assert bridge.morphisms(d, tied) and not bridge.embeds(d, tied)


def test_detach_counts_where_it_is_asked_for() -> None:
    def diagram(stopped: bool) -> Diagram:
        d = bridge.Builder("d")
        x = d.space("x", width=3)
        data = d.source("data", left=x, right=x)
        f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
        right = bridge.detach(g(data.right)) if stopped else g(data.right)
        d.agree(f(data.left), right, by=bridge.mse())
        return d.build()

    assert bridge.isomorphic(diagram(True), diagram(False))
    assert bridge.isomorphic(diagram(True), diagram(False), strict="detach") is None


def test_what_morphisms_refuse() -> None:
    d = two_tasks()
    where = "morphisms from diagram 'two' to diagram 'two'"
    assert refusal(bridge.morphisms, d, d, limit=1) == (where, "limit")
    assert refusal(bridge.morphisms, d, d, strict="name") == ("strict", "diagram")

"""Commutes: their paths, counted and listed, against a search that knows nothing of our code."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bridge
from bridge import layers
from bridge.diagram.builder import Builder, SourceHandle
from bridge.diagram.ir import Agreement, ColumnTerm, Diagram, OutputTerm, Pairing
from bridge.diagram.limits import MAX_TERMS
from bridge.diagram.paths import Expansion, expand
from bridge.errors import DiagramError

Path = tuple[int, ...]


@dataclass
class Graph:
    """Spaces by number, edges between them, and the space of each column of a source."""

    spaces: int
    edges: list[tuple[int, int]]
    columns: list[int]

    def search(self, target: int, bound: int) -> list[Path]:
        """All paths of up to `bound` edges, each the number of its column and then of its edges, in Python's order."""
        found = []
        grown: list[tuple[Path, int]] = [((number,), space) for number, space in enumerate(self.columns)]
        for _ in range(bound + 1):
            found += [path for path, space in grown if space == target]
            steps = [(number, source, end) for number, (source, end) in enumerate(self.edges)]
            grown = [((*path, number), end) for path, here in grown for number, source, end in steps if source == here]
        return sorted(found)

    def has_cycle(self, target: int) -> bool:
        """Whether a cycle lies on some path to the target."""
        graph = nx.MultiDiGraph(self.edges)
        graph.add_nodes_from(range(self.spaces))
        reached = set(self.columns).union(*(nx.descendants(graph, column) for column in self.columns))
        return not nx.is_directed_acyclic_graph(graph.subgraph(reached & (nx.ancestors(graph, target) | {target})))

    def build(self) -> tuple[Builder, SourceHandle]:
        """A diagram with an arrow for each edge; their names sort in the reverse of their order."""
        d = Builder("graph")
        spaces = [d.space(f"s{number}", k=2) for number in range(self.spaces)]
        source = d.source("data", {f"c{number:03}": spaces[space] for number, space in enumerate(self.columns)})
        for number, (start, end) in enumerate(self.edges):
            d.arrow(f"f{len(self.edges) - number:03}", spaces[start], spaces[end], layers.linear(2, 2))
        return d, source

    def path(self, term: int, expansion: Expansion) -> Path:
        """The path of a term, as `search` has it."""
        numbers: list[int] = []
        node = expansion.terms[term]
        while isinstance(node, OutputTerm):
            numbers.append(len(self.edges) - int(node.arrow[1:]))
            node = expansion.terms[node.arguments[0]]
        assert isinstance(node, ColumnTerm)
        return (int(node.column[1:]), *reversed(numbers))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs, with cycles and parallel edges."""
    spaces = draw(st.integers(1, 5))
    space = st.integers(0, spaces - 1)
    edges = draw(st.lists(st.tuples(space, space), max_size=7))
    return Graph(spaces, edges, draw(st.lists(space, min_size=1, max_size=3)))


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(0, 4), st.integers(0, 5), st.sampled_from(Pairing))
def test_paths_and_their_order(graph: Graph, target: int, bound: int, pairing: Pairing) -> None:
    target %= graph.spaces
    d, data = graph.build()
    d.commute(data, f"s{target}", by=bridge.mse(), pairing=pairing, max_length=bound or None, max_paths=50, name="c")
    endless = bound == 0 and graph.has_cycle(target)
    expected = [] if endless else graph.search(target, bound or len(graph.edges))
    trains = any(len(path) > 1 for path in expected)
    kind = "cycle" if endless else "paths" if not 2 <= len(expected) <= 50 else None if trains else "trainable"
    if kind is not None:
        with pytest.raises(DiagramError) as caught:
            d.build()
        assert caught.value.kind == kind
        assert kind != "paths" or caught.value.found == str(len(expected))
        return
    expansion = expand(d.build())
    pairs = [(graph.path(a.left, expansion), graph.path(a.right, expansion)) for a in expansion.agreements]
    if pairing is Pairing.STAR:
        assert pairs == [(path, expected[0]) for path in expected[1:]]
    else:
        assert pairs == [(later, earlier) for earlier, later in combinations(expected, 2)]
    assert [a.name for a in expansion.agreements] == [f"c#{k}" for k in range(1, len(pairs) + 1)]


def ladder(rungs: int) -> Graph:
    """2^rungs paths from space 0 to the last: two arrows between each two spaces."""
    return Graph(rungs + 1, [(rung, rung + 1) for rung in range(rungs) for _ in range(2)], [0])


def refusal(graph: Graph, target: int, **options: int) -> DiagramError:
    """The error of a commute over a graph."""
    d, data = graph.build()
    d.commute(data, f"s{target}", by=bridge.mse(), name="c", **options)
    with pytest.raises(DiagramError) as caught:
        d.build()
    assert caught.value.element == "commute 'c'"
    return caught.value


@pytest.mark.parametrize(("rungs", "found"), [(13, "8192"), (40, str(2**40)), (1500, "more than 10")])
def test_too_many_paths_are_counted_and_not_listed(rungs: int, found: str) -> None:
    error = refusal(ladder(rungs), rungs)
    assert (error.kind, error.expected) == ("paths", "at most 4096 paths (max_paths)")
    assert error.found.startswith(found)


def test_exactly_max_paths() -> None:
    d, data = ladder(5).build()
    d.commute(data, "s5", by=bridge.mse(), max_paths=32)
    assert len(expand(d.build()).agreements) == 31
    assert refusal(ladder(5), 5, max_paths=31).found == "32"


def test_counts_with_a_cycle() -> None:
    two_loops = Graph(1, [(0, 0), (0, 0)], [0])
    assert refusal(two_loops, 0, max_length=12).found == str(2**13 - 1)
    assert refusal(two_loops, 0, max_length=50).found == str(2**51 - 1)
    assert refusal(two_loops, 0, max_length=MAX_TERMS).found == "more than 1000000000000000000"
    error = refusal(two_loops, 0)
    assert (error.kind, error.found) == ("cycle", "none, and a cycle of arrows 'f001'")


def test_one_long_path_is_too_many_terms() -> None:
    loop = Graph(1, [(0, 0)], [0])
    error = refusal(loop, 0, max_length=MAX_TERMS, max_paths=MAX_TERMS)
    assert error.kind in ("paths", "limit")
    tail = Graph(3, [(0, 0), (0, 1), (1, 2), (2, 2)], [0])
    assert refusal(tail, 2, max_length=3000, max_paths=MAX_TERMS).kind == "paths"


def test_a_cycle_beside_the_paths_needs_no_bound() -> None:
    # A loop at a space that does not lead to the target, and one that the start does not lead to.
    graph = Graph(5, [(0, 1), (0, 1), (0, 2), (2, 2), (3, 3), (3, 1)], [0])
    d, data = graph.build()
    d.commute(data, "s1", by=bridge.mse())
    assert len(expand(d.build()).agreements) == 1


def test_the_cycle_is_named_in_order() -> None:
    graph = Graph(5, [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4), (0, 4)], [0])
    assert refusal(graph, 4).found == "none, and a cycle of arrows 'f005', 'f004', 'f003'"


def test_arrows_choose_and_order_the_paths() -> None:
    d, data = Graph(2, [(0, 1), (0, 1), (0, 1)], [0]).build()
    d.commute(data, "s1", by=bridge.mae(), arrows=["f001", "f003"], weight=0.5, name="two")
    expansion = expand(d.build())
    (agreement,) = expansion.agreements
    assert expansion.terms[agreement.right] == OutputTerm("f001", (0,))
    assert expansion.terms[agreement.left] == OutputTerm("f003", (0,))
    assert (agreement.name, agreement.weight, agreement.divergence) == ("two#1", 0.5, bridge.mae())


def test_the_empty_path_counts() -> None:
    d, data = Graph(2, [(0, 1), (1, 0)], [0]).build()
    d.commute(data.c000, "s0", by=bridge.mse(), max_length=2, name="round trip")
    diagram = d.build()
    assert diagram.commutes[0].start == 0
    (agreement,) = expand(diagram).agreements
    assert (agreement.left, agreement.right) == (2, 0)


def by_hand(arrange: bool) -> Diagram:
    """The same loss with a commute, or with its agreements written out."""
    d, data = Graph(3, [(0, 1), (0, 1), (1, 2)], [0]).build()
    first, second, last = (d.arrows[name] for name in ("f003", "f002", "f001"))
    if not arrange:
        d.commute(data, "s2", by=bridge.mse(), weight=2.0, name="c")
        return d.build()
    left = d.apply(last.name, d.apply(second.name, (data.c000,)))[0]
    right = d.apply(last.name, d.apply(first.name, (data.c000,)))[0]
    d.agree(left, right, by=bridge.mse(), weight=2.0, name="c#1")
    return d.build()


def test_a_commute_is_not_its_expansion_but_means_it() -> None:
    written, short = by_hand(True), by_hand(False)
    assert written != short
    assert bridge.schema.identity(written) != bridge.schema.identity(short)
    assert expand(written) == expand(short)


def test_terms_of_the_diagram_are_not_added_again() -> None:
    d, data = Graph(2, [(0, 1), (0, 1)], [0]).build()
    d.output("known", d.apply("f001", (data.c000,))[0])
    d.commute(data, "s1", by=bridge.mse(), name="c")
    diagram = d.build()
    expansion = expand(diagram)
    assert expansion.terms == (*diagram.terms, OutputTerm("f002", (0,)))
    assert expansion.agreements == (Agreement("c#1", 1, 2, bridge.mse()),)


def test_names_of_expansions_are_unique() -> None:
    d, data = Graph(2, [(0, 1), (0, 1)], [0]).build()
    d.commute(data, "s1", by=bridge.mse(), name="c")
    term = d.apply("f001", (data.c000,))[0]
    d.agree(term, term, by=bridge.mse(), name="c#1")
    with pytest.raises(DiagramError, match="'c#1' twice"):
        d.build()

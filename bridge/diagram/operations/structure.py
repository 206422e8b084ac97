"""A diagram as a structure of sets and functions, which is what morphisms preserve.

Its *vertices* are the spaces, sources, columns, components, arrows, agreements and commutes, and the terms that
agreements and commutes are made of. Each vertex has a *label* and a row of *edges*, functions to other vertices: a column
has its source and its space, an arrow its component and its spaces, a term its arrow and its arguments, an agreement its
sides. The term that is a column is the column. Outputs only give names to terms and are left out. Where attributes
count, the variables of axes are vertices too.

Labels hold the kind of a vertex, how many edges of which meaning it has, and a divergence's name; names, weights,
frozenness and attributes are in them, and detached terms are vertices, where they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from bridge.diagram.ir import ColumnTerm, DetachTerm, Diagram, OutputTerm
from bridge.diagram.messages import listing, quote
from bridge.diagram.operations.elements import all_elements, roots_of
from bridge.diagram.terms import post_order
from bridge.errors import DiagramError

__all__ = ["ASPECTS", "VERTEX_KINDS", "Structure", "aspects", "structure"]

#: What morphisms ignore unless they are strict about it.
ASPECTS = ("names", "weights", "frozenness", "attributes", "detach")

#: The kinds of vertices that are elements, in the order in which they are listed.
VERTEX_KINDS = ("spaces", "sources", "columns", "components", "arrows", "agreements", "commutes")


def aspects(strict: bool | str | Collection[str]) -> frozenset[str]:
    """The aspects that `strict` names: all of them for True, none for False."""
    if isinstance(strict, bool):
        return frozenset(ASPECTS if strict else ())
    named = {strict} if isinstance(strict, str) else set(strict)
    for name in sorted(named - {*ASPECTS}):
        raise DiagramError("strict", f"True, False or some of {listing(ASPECTS)}", quote(name))
    return frozenset(named)


@dataclass(frozen=True)
class Structure:
    """Vertices by number: their labels, their edges, and for those that are elements the kind and name."""

    labels: list[Hashable]
    edges: list[tuple[int, ...]]
    elements: list[tuple[str, str] | None]

    def __len__(self) -> int:
        return len(self.labels)


def structure(diagram: Diagram, strict: frozenset[str] = frozenset()) -> Structure:
    """The structure of a canonical diagram, with the aspects that count."""
    return _Maker(diagram, strict).made


class _Maker:
    """Numbers the vertices: elements before those that have edges to them."""

    def __init__(self, diagram: Diagram, strict: frozenset[str]) -> None:
        self.strict = strict
        self.made = Structure([], [], [])
        self.places: dict[tuple[str, str], int] = {}
        edges: tuple[int, ...]
        label: tuple[Hashable, ...]
        if "attributes" in strict:
            for name in sorted(all_elements(diagram)["variables"]):
                self.element("variables", name, ())
        for space in diagram.spaces:
            axes = tuple((axis.name, axis.size if isinstance(axis.size, int) else None) for axis in space.axes)
            label = self.where("attributes", space.data_type, axes, space.classes)
            variables = (self.places["variables", size] for size in space.shape if isinstance(size, str) and label)
            self.element("spaces", space.name, tuple(variables), label)
        for source in diagram.sources:
            self.element("sources", source.name, ())
            for column in source.columns:
                edges = (self.places["sources", source.name], self.places["spaces", column.space])
                self.element("columns", f"{source.name}.{column.name}", edges)
        for component in diagram.components:
            label = self.where("attributes", component.body, component.has_parameters)
            label += self.where("frozenness", component.training)
            self.element("components", component.name, (), label)
        for arrow in diagram.arrows:
            spaces = tuple(self.places["spaces", space] for space in arrow.sources + arrow.targets)
            edges = (self.places["components", arrow.component], *spaces)
            self.element("arrows", arrow.name, edges, (len(arrow.sources), len(arrow.targets)))
        place = self.terms(diagram)
        for agreement in diagram.agreements:
            sides = (agreement.left, agreement.right, *(() if agreement.mask is None else (agreement.mask,)))
            label = (agreement.divergence.name, len(sides))
            label += self.where("attributes", agreement.divergence.attributes) + self.where("weights", agreement.weight)
            self.element("agreements", agreement.name, tuple(place[side] for side in sides), label)
        for commute in diagram.commutes:
            at_source = isinstance(commute.start, str)
            start = self.places["sources", commute.start] if isinstance(commute.start, str) else place[commute.start]
            arrows = tuple(self.places["arrows", name] for name in commute.arrows)
            label = (commute.divergence.name, commute.pairing, at_source, len(arrows))
            label += self.where("weights", commute.weight)
            label += self.where("attributes", commute.divergence.attributes, commute.max_length, commute.max_paths)
            edges = (start, self.places["spaces", commute.target], *arrows)
            self.element("commutes", commute.name, edges, label)

    def where(self, aspect: str, *values: Hashable) -> tuple[Hashable, ...]:
        """The values where an aspect counts, else nothing."""
        return values if aspect in self.strict else ()

    def element(self, kind: str, name: str, edges: tuple[int, ...], label: tuple[Hashable, ...] = ()) -> None:
        """One more vertex, which is an element."""
        own = name.rpartition(".")[2] if kind == "columns" else name
        self.places[kind, name] = len(self.made)
        self.made.labels.append((kind, *label, *self.where("names", own)))
        self.made.edges.append(edges)
        self.made.elements.append((kind, name))

    def terms(self, diagram: Diagram) -> dict[int, int]:
        """The vertex of each term that is needed; equal ones have the same."""
        needed = post_order(diagram.terms, roots_of(diagram.agreements, diagram.commutes, ()))[1]
        found: dict[tuple[Hashable, tuple[int, ...]], int] = {}
        place: dict[int, int] = {}
        for number, term in enumerate(diagram.terms):
            if needed[number] < 0:
                continue
            if isinstance(term, ColumnTerm):
                place[number] = self.places["columns", f"{term.source}.{term.column}"]
                continue
            if isinstance(term, DetachTerm) and "detach" not in self.strict:
                place[number] = place[term.argument]
                continue
            label: Hashable = ("terms", "detach")
            edges: tuple[int, ...]
            if isinstance(term, OutputTerm):
                label = ("terms", term.output, len(term.arguments))
                edges = (self.places["arrows", term.arrow], *(place[argument] for argument in term.arguments))
            else:
                edges = (place[term.argument],)
            vertex = found.setdefault((label, edges), len(self.made))
            if vertex == len(self.made):
                self.made.labels.append(label)
                self.made.edges.append(edges)
                self.made.elements.append(None)
            place[number] = vertex
        return place

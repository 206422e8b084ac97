"""Terms of a builder in a diagram that is built or read already: they are found, or added, by the names they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridge.diagram.canonical import canonical
from bridge.diagram.handles import Term
from bridge.diagram.ir import Diagram, Output
from bridge.diagram.ir import Term as TermNode
from bridge.diagram.terms import TermTable, below, moved_term

__all__ = ["diagram_term_id", "extend"]


def diagram_term_id(diagram: Diagram, term: Term) -> int | None:
    """The place of a builder's term in a diagram's table, None where the diagram doesn't have it."""
    places: dict[TermNode, int] | None = diagram.memo.get("term_places")
    if places is None:
        places = diagram.memo["term_places"] = {node: place for place, node in enumerate(diagram.terms)}
    terms = term.builder.terms
    moved: dict[int, int] = {}
    for place in below(terms, term.place):
        found = places.get(moved_term(terms[place], moved))
        if found is None:
            return None
        moved[place] = found
    return moved[term.place]


def extend(diagram: Diagram, outputs: Mapping[str, Term]) -> Diagram:
    """The diagram with more named outputs, checked and canonical; terms that it doesn't have are added.

    Raises DiagramError for names that are taken, and for terms with arrows or columns that the diagram doesn't have.
    """
    table = TermTable(diagram.terms)
    added: list[Output] = []
    for name, term in outputs.items():
        terms = term.builder.terms
        moved: dict[int, int] = {}
        for place in below(terms, term.place):
            moved[place] = table.intern(moved_term(terms[place], moved))
        added.append(Output(name, moved[term.place]))
    return canonical(replace(diagram, terms=tuple(table.terms), outputs=(*diagram.outputs, *added)))

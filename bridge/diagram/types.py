"""The type of each term: its space, and the one source of the columns below it. One pass over the table each."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.diagram.ir import ColumnTerm, Component, Diagram, LayerGraph, OutputTerm, Term, arguments
from bridge.diagram.messages import quote
from bridge.errors import DiagramError

__all__ = ["component_data_type", "term_element", "term_sources", "term_spaces", "term_trains"]


def term_spaces(diagram: Diagram, terms: Sequence[Term] | None = None) -> tuple[str, ...]:
    """The space of each term of a table (by default the diagram's own) whose references are sound."""
    if terms is None:
        spaces: tuple[str, ...] | None = diagram.memo.get("term_spaces")
        if spaces is None:
            spaces = diagram.memo["term_spaces"] = term_spaces(diagram, diagram.terms)
        return spaces
    found: list[str] = []
    for term in terms:
        if isinstance(term, ColumnTerm):
            found.append(diagram.column(term.source, term.column).space)
        elif isinstance(term, OutputTerm):
            found.append(diagram.arrow(term.arrow).targets[term.output])
        else:
            found.append(found[term.argument])
    return tuple(found)


def term_sources(diagram: Diagram, terms: Sequence[Term] | None = None) -> tuple[str | None, ...]:
    """The source of each term, None where no column is below it; two sources below one term are refused."""
    if terms is None:
        sources: tuple[str | None, ...] | None = diagram.memo.get("term_sources")
        if sources is None:
            sources = diagram.memo["term_sources"] = term_sources(diagram, diagram.terms)
        return sources
    found: list[str | None] = []
    for place, term in enumerate(terms):
        if isinstance(term, ColumnTerm):
            found.append(term.source)
            continue
        below = {found[argument]: None for argument in arguments(term) if found[argument] is not None}
        if len(below) > 1:
            names = " and ".join(quote(name) for name in below)
            where = term_element(diagram, terms, place)
            raise DiagramError(where, "columns of one source below it", f"columns of {names}", "source")
        found.append(next(iter(below), None))
    return tuple(found)


def term_trains(diagram: Diagram, terms: Sequence[Term]) -> tuple[bool, ...]:
    """Whether a trainable parameter is at or below each term, with no detach in between."""
    found: list[bool] = []
    for term in terms:
        if isinstance(term, OutputTerm):
            component = diagram.component(diagram.arrow(term.arrow).component)
            trains = component.has_parameters and not component.training.is_frozen
            found.append(trains or any(found[argument] for argument in term.arguments))
        else:
            found.append(False)
    return tuple(found)


def term_element(diagram: Diagram, terms: Sequence[Term], place: int) -> str:
    """How an error calls a term, which has no name: by its place and what it is made of first.

    >>> diagram = Diagram("d", terms=(ColumnTerm("digits", "image"),))
    >>> term_element(diagram, diagram.terms, 0)
    "term 0 (column 'digits.image')"
    """
    term = terms[place]
    if isinstance(term, ColumnTerm):
        return f"term {place} (column {quote(f'{term.source}.{term.column}')})"
    if isinstance(term, OutputTerm):
        return f"term {place} (arrow {quote(term.arrow)})"
    return f"term {place} (detach)"


def component_data_type(diagram: Diagram, component: Component) -> str:
    """The dtype of a portable component's parameters: that of its arrows' float spaces, else float32."""
    assert isinstance(component.body, LayerGraph)
    data_types: dict[str, str] | None = diagram.memo.get("component_data_types")
    if data_types is None:
        data_types = diagram.memo["component_data_types"] = {}
        for arrow in diagram.arrows:
            for name in arrow.sources + arrow.targets:
                data_type = diagram.space(name).data_type
                if data_type.is_float:
                    data_types.setdefault(arrow.component, data_type.value)
    return data_types.get(component.name, "float32")

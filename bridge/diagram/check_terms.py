"""The part of the checker that looks at terms (see `bridge.diagram.check`)."""

from __future__ import annotations

from bridge.diagram.ir import ColumnTerm, DetachTerm, Diagram, OutputTerm, arguments
from bridge.diagram.messages import element, quote, show_space, type_text, unknown
from bridge.diagram.types import term_element, term_sources, term_spaces
from bridge.errors import DiagramError

__all__ = ["check_composition", "check_outputs", "check_terms", "require_term"]


def check_terms(diagram: Diagram) -> None:
    """Terms refer to what there is, and to terms before them."""
    for place, term in enumerate(diagram.terms):
        if isinstance(term, ColumnTerm):
            check_column(diagram, term, place)
        elif isinstance(term, OutputTerm):
            check_output_term(diagram, term, place)
        elif not isinstance(term, DetachTerm):
            raise DiagramError(f"term {place}", "a column, an output or a detach", type_text(term), "type")
        for argument in arguments(term):
            if not 0 <= argument < place:
                where = term_element(diagram, diagram.terms, place)
                raise DiagramError(where, "arguments that come before it", f"term {argument}", "unknown")


def check_column(diagram: Diagram, term: ColumnTerm, place: int) -> None:
    """The source and its column exist."""
    try:
        diagram.column(term.source, term.column)
    except KeyError:
        where = term_element(diagram, diagram.terms, place)
        columns = {source.name: [column.name for column in source.columns] for source in diagram.sources}
        if term.source not in columns:
            raise unknown(where, "source", term.source, columns) from None
        kind = f"column of source {quote(term.source)}"
        raise unknown(where, kind, term.column, columns[term.source]) from None


def check_output_term(diagram: Diagram, term: OutputTerm, place: int) -> None:
    """The arrow exists, has that output, and takes that many arguments."""
    try:
        arrow = diagram.arrow(term.arrow)
    except KeyError:
        where = term_element(diagram, diagram.terms, place)
        raise unknown(where, "arrow", term.arrow, (arrow.name for arrow in diagram.arrows)) from None
    outputs, inputs = len(arrow.targets), len(arrow.sources)
    if not 0 <= term.output < outputs:
        where = term_element(diagram, diagram.terms, place)
        raise DiagramError(where, f"an output from 0 to {outputs - 1}", f"output {term.output}", "unknown")
    if len(term.arguments) != inputs:
        where = term_element(diagram, diagram.terms, place)
        raise DiagramError(where, f"{inputs} arguments", f"{len(term.arguments)}", "type")


def check_composition(diagram: Diagram) -> None:
    """Each argument lies in the space that its arrow wants there, and all columns below a term are of one source."""
    spaces = term_spaces(diagram)
    for place, term in enumerate(diagram.terms):
        if not isinstance(term, OutputTerm):
            continue
        sources = diagram.arrow(term.arrow).sources
        for position, (argument, wanted) in enumerate(zip(term.arguments, sources, strict=True)):
            if spaces[argument] != wanted:
                where = f"{term_element(diagram, diagram.terms, place)}, argument {position}"
                found = show_space(diagram.space(spaces[argument]))
                raise DiagramError(where, show_space(diagram.space(wanted)), found, "type")
    term_sources(diagram)


def require_term(diagram: Diagram, term: int, where: str, part: str = "") -> None:
    """Refuse the number of a term that there isn't; the error is about `where`, or some part of it."""
    if not 0 <= term < len(diagram.terms):
        where = f"{where}, {part}" if part else where
        raise DiagramError(where, f"one of {len(diagram.terms)} terms", f"term {term}", "unknown")


def check_outputs(diagram: Diagram) -> None:
    """Outputs are terms."""
    for output in diagram.outputs:
        require_term(diagram, output.term, element("output", output.name))

"""Sets of a diagram's elements by kind, and what elements need.

A column is called `source.column` here. An element *needs* what it is made of: an arrow its component and its spaces, a
column its source and its space, a space the variables of its axes, an agreement, a commute or an output the columns and
arrows of its terms.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from bridge.diagram.ir import Agreement, ColumnTerm, Commute, Diagram, OutputTerm, arguments
from bridge.diagram.messages import element, listing, quote, unknown
from bridge.diagram.routes import find_routes
from bridge.errors import DiagramError

__all__ = ["KINDS", "Elements", "all_elements", "columns_of", "known_elements", "roots_of", "same_paths", "with_needs"]

Elements: TypeAlias = "dict[str, set[str]]"

#: Each kind of element: the word for several, and for one.
KINDS: Mapping[str, str] = {
    "spaces": "space",
    "variables": "variable",
    "sources": "source",
    "columns": "column",
    "components": "component",
    "arrows": "arrow",
    "agreements": "agreement",
    "commutes": "commute",
    "outputs": "output",
}


def all_elements(diagram: Diagram) -> Elements:
    """The names of everything in a diagram.

    >>> from bridge.diagram.ir import Axis, DataType, Space
    >>> found = all_elements(Diagram("d", (Space("x", DataType.FLOAT32, (Axis("step", "length"),)),)))
    >>> found["spaces"], found["variables"]
    ({'x'}, {'length'})
    """
    return {
        "spaces": {space.name for space in diagram.spaces},
        "variables": {size for space in diagram.spaces for size in space.shape if isinstance(size, str)},
        "sources": {source.name for source in diagram.sources},
        "columns": {f"{source.name}.{column.name}" for source in diagram.sources for column in source.columns},
        "components": {component.name for component in diagram.components},
        "arrows": {arrow.name for arrow in diagram.arrows},
        "agreements": {agreement.name for agreement in diagram.agreements},
        "commutes": {commute.name for commute in diagram.commutes},
        "outputs": {output.name for output in diagram.outputs},
    }


def known_elements(
    diagram: Diagram, given: Mapping[str, str | Iterable[str]], kinds: Collection[str] = tuple(KINDS)
) -> Elements:
    """The names that were given for some kinds, as sets; unknown kinds and names are refused. A text is one name."""
    known = all_elements(diagram)
    chosen: Elements = {}
    for kind in sorted(given):
        names = given[kind]
        if kind not in kinds:
            raise DiagramError(element("diagram", diagram.name), f"kinds of elements ({listing(kinds)})", quote(kind))
        chosen[kind] = {names} if isinstance(names, str) else set(names)
        for name in sorted(chosen[kind] - known[kind]):
            raise unknown(element("diagram", diagram.name), KINDS[kind], name, sorted(known[kind]))
    return chosen


def columns_of(diagram: Diagram, commute: Commute) -> list[str]:
    """The columns with which the paths of a commute that starts at a source begin, in the order of the paths."""
    starts = (start for start, _ in find_routes(diagram, commute).starts)
    return [f"{start.source}.{start.column}" for start in starts if isinstance(start, ColumnTerm)]


def same_paths(diagram: Diagram, commute: Commute, wanted: Sequence[str]) -> None:
    """Refuse a diagram in which the paths of a commute begin with other columns than before, or in another order."""
    found = columns_of(diagram, commute)
    if found != list(wanted):
        expected = f"the paths to begin with columns {listing(wanted)}, in that order"
        raise DiagramError(element("commute", commute.name), expected, listing(found), "paths")


def roots_of(agreements: Iterable[Agreement], commutes: Iterable[Commute], outputs: Iterable[int]) -> list[int]:
    """The terms that agreements and commutes name, and those of outputs."""
    roots = [root for item in agreements for root in (item.left, item.right, item.mask) if root is not None]
    return [*roots, *(commute.start for commute in commutes if isinstance(commute.start, int)), *outputs]


def with_needs(diagram: Diagram, chosen: Mapping[str, Collection[str]]) -> Elements:
    """The chosen elements of a sound diagram and all that they need, for every kind."""
    found: Elements = {kind: set(chosen.get(kind, ())) for kind in KINDS}
    commutes = [commute for commute in diagram.commutes if commute.name in found["commutes"]]
    roots = roots_of(
        (agreement for agreement in diagram.agreements if agreement.name in found["agreements"]),
        commutes,
        (output.term for output in diagram.outputs if output.name in found["outputs"]),
    )
    needed = bytearray(len(diagram.terms))
    for root in roots:
        needed[root] = 1
    for place in range(len(diagram.terms) - 1, -1, -1):
        if not needed[place]:
            continue
        term = diagram.terms[place]
        if isinstance(term, ColumnTerm):
            found["columns"].add(f"{term.source}.{term.column}")
        elif isinstance(term, OutputTerm):
            found["arrows"].add(term.arrow)
        for argument in arguments(term):
            needed[argument] = 1
    for commute in commutes:
        found["arrows"].update(commute.arrows)
        found["spaces"].add(commute.target)
        if isinstance(commute.start, str):
            found["sources"].add(commute.start)
            found["columns"].update(columns_of(diagram, commute))
    for name in found["arrows"]:
        arrow = diagram.arrow(name)
        found["components"].add(arrow.component)
        found["spaces"].update(arrow.sources, arrow.targets)
    for name in found["columns"]:
        source, _, column = name.partition(".")
        found["sources"].add(source)
        found["spaces"].add(diagram.column(source, column).space)
    for name in found["spaces"]:
        found["variables"].update(size for size in diagram.space(name).shape if isinstance(size, str))
    return found

"""What commutes stand for: agreements between paths, in an order that every engine has.

Paths are ordered by their columns (by name), then element by element by the place of the arrow in the commute's list, a
proper prefix first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.diagram.ir import Agreement, ColumnTerm, Diagram, OutputTerm, Pairing, Term
from bridge.diagram.limits import MAX_AGREEMENTS, MAX_TERMS
from bridge.diagram.messages import element
from bridge.diagram.routes import Routes, find_routes
from bridge.diagram.terms import TermTable
from bridge.errors import DiagramError

__all__ = ["Expansion", "expand"]


@dataclass(frozen=True)
class Expansion:
    """A diagram's terms followed by those that commutes add, and its agreements followed by those of each commute."""

    terms: tuple[Term, ...]
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Trail:
    """A path, or the beginning of one: a start, or another trail with one more arrow. Compared by identity."""

    last: ColumnTerm | int | str
    before: Trail | None = None


def list_paths(routes: Routes, max_length: int) -> Iterator[Trail]:
    """The paths in order. Trails that begin alike share their beginning, and each belongs to some path."""
    bound = max_length or float("inf")
    for start, space in routes.starts:
        if routes.distance[space] > bound:
            continue
        trails = [Trail(start)]
        following = [iter(routes.steps[space])]
        if space == routes.target:
            yield trails[0]
        while following:
            step = next(following[-1], None)
            if step is None:
                following.pop()
                trails.pop()
                continue
            arrow, reached = step
            if len(trails) + routes.distance[reached] <= bound:
                trails.append(Trail(arrow, trails[-1]))
                following.append(iter(routes.steps[reached]))
                if reached == routes.target:
                    yield trails[-1]


def paired(count: int, pairing: Pairing) -> Iterator[tuple[int, int]]:
    """Places of the left and the right path of each agreement, in order.

    >>> list(paired(3, Pairing.STAR)), list(paired(3, Pairing.ALL))
    ([(1, 0), (2, 0)], [(1, 0), (2, 0), (2, 1)])
    """
    if pairing is Pairing.STAR:
        yield from ((left, 0) for left in range(1, count))
    else:
        yield from ((left, right) for right in range(count) for left in range(right + 1, count))


def follow(table: TermTable, trail: Trail, found: dict[Trail, int]) -> int:
    """The place of a trail's term; `found` has those of the trails that were followed before."""
    following = []
    here: Trail | None = trail
    while here is not None and here not in found:
        following.append(here)
        here = here.before
    for here in reversed(following):
        if isinstance(here.last, int):
            found[here] = here.last
        elif isinstance(here.last, ColumnTerm):
            found[here] = table.intern(here.last)
        else:
            assert here.before is not None
            found[here] = table.intern(OutputTerm(here.last, (found[here.before],)))
    return found[trail]


def expand(diagram: Diagram) -> Expansion:
    """Write the commutes of a sound diagram out as agreements, named `name#1`, `name#2`, ….

    The terms that they add follow the diagram's own, in the order of the agreements, left before right, arguments
    first; a term that is there already is not added again. Raises DiagramError where they are too many.
    """
    known: Expansion | None = diagram.memo.get("expansion")
    if known is not None:
        return known
    if not diagram.commutes:
        return Expansion(diagram.terms, diagram.agreements)
    table = TermTable(diagram.terms)
    listed = len(diagram.terms)
    agreements = list(diagram.agreements)
    for commute in diagram.commutes:
        where = element("commute", commute.name)
        paths = list(list_paths(find_routes(diagram, commute), commute.max_length))
        check_total(where, "agreements", len(agreements) + number_of_pairs(len(paths), commute.pairing), MAX_AGREEMENTS)
        found: dict[Trail, int] = {}
        for number, (left, right) in enumerate(paired(len(paths), commute.pairing), 1):
            name = f"{commute.name}#{number}"
            sides = follow(table, paths[left], found), follow(table, paths[right], found)
            agreements.append(Agreement(name, *sides, commute.divergence, commute.weight))
        listed += len(found)
        check_total(where, "terms", listed, MAX_TERMS)
    expansion = diagram.memo["expansion"] = Expansion(tuple(table.terms), tuple(agreements))
    return expansion


def number_of_pairs(paths: int, pairing: Pairing) -> int:
    """How many agreements a commute stands for."""
    return paths - 1 if pairing is Pairing.STAR else paths * (paths - 1) // 2


def check_total(where: str, what: str, count: int, limit: int) -> None:
    """Refuse more terms or agreements in all than there may be."""
    if count > limit:
        raise DiagramError(where, f"at most {limit} {what} in all, with those of commutes", f"{count}", "limit")

"""The paths of a commute, counted before any is listed.

A path begins at the start term, or at any column of the start source, and follows arrows of the commute's list; columns
are no arrows of it. Counting is dynamic programming over spaces: it takes one step per arrow, however many paths there
are, or one per arrow and length where a cycle makes a bound on the length count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.diagram.ir import ColumnTerm, Commute, Diagram
from bridge.diagram.limits import MAX_TERMS
from bridge.diagram.messages import listing, quote
from bridge.diagram.types import term_spaces
from bridge.errors import DiagramError

__all__ = ["Routes", "count_paths", "find_routes"]

# Counting with a bound on the length takes a step per arrow and length. Where there are too many paths to be listed it
# goes on for so many steps, to say how many.
COUNTING_STEPS = 1_000_000

# Counts above this are shown as "more than" it: they can have any number of digits.
LARGEST_SHOWN = 10**18


@dataclass(frozen=True)
class Routes:
    """The part of a commute's graph of spaces that lies on some path.

    `starts` are the possible beginnings, in order, with their spaces. `steps` are, for each space, the arrows that
    leave it towards the target, in the commute's order, with the spaces they lead to. `distance` is the least number
    of arrows from a space to the target, and has exactly the spaces that lie on some path.
    """

    starts: tuple[tuple[ColumnTerm | int, str], ...]
    steps: Mapping[str, tuple[tuple[str, str], ...]]
    distance: Mapping[str, int]
    target: str


def find_routes(diagram: Diagram, commute: Commute) -> Routes:
    """The spaces and arrows that lie on some path of a commute whose names are known."""
    starts: tuple[tuple[ColumnTerm | int, str], ...]
    if isinstance(commute.start, str):
        columns = sorted(diagram.source(commute.start).columns, key=lambda column: column.name.encode())
        starts = tuple((ColumnTerm(commute.start, column.name), column.space) for column in columns)
    else:
        starts = ((commute.start, term_spaces(diagram)[commute.start]),)
    forward: dict[str, list[tuple[str, str]]] = {}
    backward: dict[str, list[str]] = {}
    for name in commute.arrows:
        arrow = diagram.arrow(name)
        (source,), (target,) = arrow.sources, arrow.targets
        forward.setdefault(source, []).append((name, target))
        backward.setdefault(target, []).append(source)
    ahead = {space: [target for _, target in steps] for space, steps in forward.items()}
    reached = distances(ahead, [space for _, space in starts])
    distance = {s: d for s, d in distances(backward, [commute.target]).items() if s in reached}
    steps = {s: tuple(step for step in forward.get(s, ()) if step[1] in distance) for s in distance}
    return Routes(tuple(start for start in starts if start[1] in distance), steps, distance, commute.target)


def distances(following: Mapping[str, Sequence[str]], starts: Sequence[str]) -> dict[str, int]:
    """The least number of steps from any start to each space that can be reached (breadth first)."""
    found = dict.fromkeys(starts, 0)
    queue = list(found)
    for space in queue:
        for target in following.get(space, ()):
            if target not in found:
                found[target] = found[space] + 1
                queue.append(target)
    return found


def topological(routes: Routes) -> list[str]:
    """The spaces in an order in which arrows lead forward, without those on a cycle or behind one (Kahn)."""
    missing = dict.fromkeys(routes.distance, 0)
    for steps in routes.steps.values():
        for _, target in steps:
            missing[target] += 1
    order = [space for space, count in missing.items() if count == 0]
    for space in order:
        for _, target in routes.steps[space]:
            missing[target] -= 1
            if missing[target] == 0:
                order.append(target)
    return order


def cycle(routes: Routes, order: Sequence[str]) -> list[str]:
    """The arrows of a cycle, where there is one: backwards from a space that has no place in the order."""
    left_over = sorted(routes.distance.keys() - set(order))
    before = {target: (name, space) for space in left_over for name, target in routes.steps[space]}
    space = left_over[0]
    seen: dict[str, str] = {}
    while space not in seen:
        seen[space], space = before[space]
    arrows = list(seen.values())[list(seen).index(space) :]
    return arrows[::-1]


@dataclass(frozen=True)
class Count:
    """How many paths there are, and how many paths and beginnings of paths: as many terms they need.

    Both end at `LARGEST_SHOWN` + 1. If the count is not exact there are at least so many.
    """

    paths: int
    terms: int
    exact: bool = True


def count_acyclic(routes: Routes, order: Sequence[str]) -> Count:
    """Paths of any length: for each space, in topological order, how many ways lead to it."""
    ways = dict.fromkeys(order, 0)
    for _, space in routes.starts:
        ways[space] += 1
    for space in order:
        for _, target in routes.steps[space]:
            ways[target] = min(ways[target] + ways[space], LARGEST_SHOWN + 1)
    return Count(ways.get(routes.target, 0), min(sum(ways.values()), LARGEST_SHOWN + 1))


def count_bounded(routes: Routes, max_length: int) -> Count:
    """Paths of at most `max_length` arrows: for each length and space, how many ways lead there.

    Only spaces from which the target is still near enough count, so that each way is the beginning of some path.
    """
    ways: dict[str, int] = {}
    for _, space in routes.starts:
        if routes.distance[space] <= max_length:
            ways[space] = ways.get(space, 0) + 1
    paths = ways.get(routes.target, 0)
    terms = sum(ways.values())
    work = 0
    for left in reversed(range(max_length)):
        if not ways:
            break
        if terms > MAX_TERMS and work > COUNTING_STEPS:
            return Count(max(paths, *ways.values()), terms, exact=False)
        following: dict[str, int] = {}
        for space, number in ways.items():
            for _, target in routes.steps[space]:
                work += 1
                if routes.distance[target] <= left:
                    following[target] = min(following.get(target, 0) + number, LARGEST_SHOWN + 1)
        ways = following
        paths = min(paths + ways.get(routes.target, 0), LARGEST_SHOWN + 1)
        terms = min(terms + sum(ways.values()), LARGEST_SHOWN + 1)
    return Count(paths, terms)


def count_paths(diagram: Diagram, commute: Commute, where: str) -> int:
    """The number of paths of a commute whose names are known, without listing any.

    Raises DiagramError for a cycle on some path where there is no `max_length`, for fewer than two paths, for more than
    `max_paths`, and for more terms than there may be.
    """
    routes = find_routes(diagram, commute)
    order = topological(routes)
    has_cycle = len(order) < len(routes.distance)
    if has_cycle and commute.max_length == 0:
        found = f"none, and a cycle of arrows {listing(cycle(routes, order))}"
        raise DiagramError(where, "max_length, since a cycle lies on some path", found, "cycle")
    bounded = has_cycle or 0 < commute.max_length < len(order) - 1
    count = count_bounded(routes, commute.max_length) if bounded else count_acyclic(routes, order)
    if count.paths > commute.max_paths:
        raise DiagramError(where, f"at most {commute.max_paths} paths (max_paths)", count_text(count), "paths")
    if count.terms > MAX_TERMS:
        raise DiagramError(where, f"paths of at most {MAX_TERMS} terms in all", f"{count.terms} terms", "limit")
    if count.paths < 2:
        start = f"source {quote(commute.start)}" if isinstance(commute.start, str) else f"term {commute.start}"
        expected = f"at least two paths from {start} to space {quote(commute.target)}"
        raise DiagramError(where, expected, f"{count.paths}", "paths")
    return count.paths


def count_text(count: Count) -> str:
    """A count of paths as an error shows it."""
    if count.paths > LARGEST_SHOWN:
        return f"more than {LARGEST_SHOWN}"
    return f"{count.paths}" if count.exact else f"at least {count.paths}"

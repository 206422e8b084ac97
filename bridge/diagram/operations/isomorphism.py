"""Isomorphism, decided by colour refinement and, where colours don't tell vertices apart, by search.

The colours of both structures' vertices are refined together: vertices of one colour come to have edges to, and from,
vertices of the same colours. If a colour then has different numbers of vertices in the two there is no isomorphism; if
every colour has one in each, they correspond. Otherwise a vertex is given a new colour together with each of its
possible images in turn (McKay and Piperno, Practical graph isomorphism II, arXiv 1301.1493, without its pruning).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from bridge.diagram.operations.structure import Structure
from bridge.errors import DiagramError

__all__ = ["MAX_STEPS", "find_isomorphism"]

#: Vertices that are looked at before the search gives up.
MAX_STEPS = 20_000_000


class Colours:
    """A colouring of the vertices of two structures, the second's counted after the first's."""

    def __init__(self, left: Structure, right: Structure) -> None:
        self.first = len(left)
        count = len(left) + len(right)
        self.edges = [*left.edges, *(tuple(end + self.first for end in edges) for edges in right.edges)]
        self.back: list[list[tuple[int, int]]] = [[] for _ in range(count)]  # which edge of which vertex ends here
        for vertex, edges in enumerate(self.edges):
            for place, end in enumerate(edges):
                self.back[end].append((place, vertex))
        self.colour = [-1] * count
        self.members: list[set[int]] = []
        self.steps = 0
        by_label: dict[Hashable, set[int]] = {}
        for vertex, label in enumerate([*left.labels, *right.labels]):
            by_label.setdefault(label, set()).add(vertex)
        for members in by_label.values():
            self.new(members)

    def copy(self) -> tuple[list[int], list[set[int]]]:
        """What `restore` takes."""
        return self.colour.copy(), [members.copy() for members in self.members]

    def restore(self, saved: tuple[list[int], list[set[int]]]) -> None:
        """Make the colouring what it was."""
        self.colour, self.members = saved[0].copy(), [members.copy() for members in saved[1]]

    def new(self, members: set[int]) -> bool:
        """Give some vertices a new colour; whether it has as many in both structures."""
        for vertex in members:
            self.colour[vertex] = len(self.members)
        self.members.append(members)
        return 2 * sum(vertex < self.first for vertex in members) == len(members)

    def signature(self, vertex: int) -> Hashable:
        """What colours a vertex has edges to and from."""
        colour = self.colour
        ahead = tuple(colour[end] for end in self.edges[vertex])
        return ahead, tuple(sorted((place, colour[start]) for place, start in self.back[vertex]))

    def refine(self, changed: Iterable[int]) -> bool:
        """Refine until vertices of one colour have the same signatures, where only some vertices' colours are new.

        False as soon as a colour has more vertices in one structure than in the other.
        """
        waiting = set(changed)
        while waiting:
            near = {end for vertex in waiting for end in self.edges[vertex]}
            near.update(start for vertex in waiting for _, start in self.back[vertex])
            self.steps += len(near)
            split: dict[int, dict[Hashable, set[int]]] = {}
            for vertex in sorted(near):  # the numbers of colours depend on it, and with them the isomorphism that is found
                if len(self.members[self.colour[vertex]]) > 1:
                    groups = split.setdefault(self.colour[vertex], {})
                    groups.setdefault(self.signature(vertex), set()).add(vertex)
            waiting = set()
            for colour, groups in split.items():
                parts = list(groups.values())
                rest = self.members[colour].difference(*parts)
                if not rest:
                    parts.remove(max(parts, key=len))  # the largest keeps the colour, so that least has to be looked at
                for part in parts:
                    self.members[colour] -= part
                    waiting |= part
                    if not self.new(part):
                        return False
                if parts and 2 * sum(vertex < self.first for vertex in self.members[colour]) != len(self.members[colour]):
                    return False
        return True

    def open_colour(self) -> int | None:
        """A colour with several vertices in each structure, as few as possible; None where there is none."""
        several = [(len(members), colour) for colour, members in enumerate(self.members) if len(members) > 2]
        return min(several)[1] if several else None

    def mapping(self) -> list[int]:
        """The image of each vertex of the first structure, where each colour has one in each."""
        image = [0] * self.first
        for members in self.members:
            if members:
                vertex, other = sorted(members)
                image[vertex] = other - self.first
        return image


def find_isomorphism(left: Structure, right: Structure, where: str) -> list[int] | None:
    """The images of the left structure's vertices under some isomorphism, None where there is none.

    Raises DiagramError about `where` where the search takes more than `MAX_STEPS`.
    """
    if len(left) != len(right):
        return None
    colours = Colours(left, right)
    balanced = all(2 * sum(v < colours.first for v in members) == len(members) for members in colours.members)
    if not balanced or not colours.refine(range(2 * len(left))):
        return None
    tries: list[tuple[tuple[list[int], list[set[int]]], int, list[int]]] = []  # a colouring, a vertex, images to try
    while True:
        chosen = colours.open_colour()
        if chosen is None:
            return colours.mapping()
        members = sorted(colours.members[chosen])
        vertex = members[0]
        tries.append((colours.copy(), vertex, [other for other in reversed(members) if other >= colours.first]))
        while not try_next(colours, tries):
            if not tries:
                return None
            if colours.steps > MAX_STEPS:
                raise DiagramError(where, f"an isomorphism to be decided in {MAX_STEPS} steps", "more", "limit")


def try_next(colours: Colours, tries: list[tuple[tuple[list[int], list[set[int]]], int, list[int]]]) -> bool:
    """Map the vertex chosen last to its next image; whether that can be. Without another image it is given up."""
    saved, vertex, images = tries[-1]
    if not images:
        tries.pop()
        return False
    image = images.pop()
    colours.restore(saved)
    colours.steps += 1
    pair = {vertex, image}
    colours.members[colours.colour[vertex]] -= pair
    colours.new(pair)
    return colours.refine(pair)

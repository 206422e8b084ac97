"""The maps between two structures that preserve labels and edges, by search with arc consistency.

A vertex's domain is the images that it can still have. Arc consistency (Mackworth's AC-3) takes away what has no
support across some edge; since edges are functions, one pass over a domain revises both ends. Then a vertex with fewest
images left is given one, and what follows is taken back before the next.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from bridge.diagram.operations.structure import Structure
from bridge.errors import DiagramError

__all__ = ["MAX_STEPS", "homomorphisms"]

#: Domains that are revised before a search gives up.
MAX_STEPS = 1_000_000


class Domains:
    """The images that each vertex can still have, and how to take changes back."""

    def __init__(self, left: Structure, right: Structure, injective: bool, where: str) -> None:
        self.left, self.right, self.injective, self.where = left, right, injective, where
        by_label: dict[Hashable, set[int]] = {}
        for vertex, label in enumerate(right.labels):
            by_label.setdefault(label, set()).add(vertex)
        self.of = [
            by_label.get(label, set()) for label in left.labels
        ]  # replaced, never changed, so that they can be shared
        self.users: list[list[int]] = [[] for _ in left.labels]
        for vertex, edges in enumerate(left.edges):
            for end in {*edges}:
                self.users[end].append(vertex)
        self.alike: dict[Hashable, list[int]] = {}  # the vertices that could have the same image
        for vertex, label in enumerate(left.labels):
            self.alike.setdefault(label, []).append(vertex)
        self.trail: list[tuple[int, set[int]]] = []
        self.steps = 0

    def narrow(self, vertex: int, images: set[int]) -> None:
        """Let a vertex have no other images than these, which are some of those it had."""
        self.trail.append((vertex, self.of[vertex]))
        self.of[vertex] = images

    def back_to(self, length: int) -> None:
        """Take back what was narrowed since the trail had this length."""
        while len(self.trail) > length:
            vertex, images = self.trail.pop()
            self.of[vertex] = images

    def propagate(self, changed: Iterable[int]) -> bool:
        """Take away all images without support, after some domains became smaller; False where a vertex has none left."""
        waiting = dict.fromkeys(changed)
        while waiting:
            vertex, _ = waiting.popitem()
            if not self.of[vertex]:
                return False
            for user in self.users[vertex]:
                self.revise(user, waiting)
            if self.left.edges[vertex]:
                self.revise(vertex, waiting)
            if self.injective and len(self.of[vertex]) == 1:
                self.take(vertex, waiting)
            if self.steps > MAX_STEPS:
                expected = f"morphisms that are found in {MAX_STEPS} steps"
                raise DiagramError(self.where, expected, "more", "limit")
        return True

    def revise(self, vertex: int, waiting: dict[int, None]) -> None:
        """Make a vertex' domain and those of what it has edges to consistent; what became smaller is waiting then."""
        edges, targets = self.left.edges[vertex], self.right.edges
        domains = [self.of[end] for end in edges]
        self.steps += 1
        kept = {
            image
            for image in self.of[vertex]
            if all(end in domain for end, domain in zip(targets[image], domains, strict=True))
        }
        if len(kept) < len(self.of[vertex]):
            self.narrow(vertex, kept)
            waiting[vertex] = None
        for place, end in enumerate(edges):
            both = self.of[end] & {targets[image][place] for image in kept}
            if len(both) < len(self.of[end]):
                self.narrow(end, both)
                waiting[end] = None

    def take(self, vertex: int, waiting: dict[int, None]) -> None:
        """No other vertex has the only image of this one."""
        (image,) = self.of[vertex]
        for other in self.alike[self.left.labels[vertex]]:
            if other != vertex and image in self.of[other]:
                self.narrow(other, self.of[other] - {image})
                waiting[other] = None

    def open_vertex(self) -> int | None:
        """A vertex with several images, as few as possible; None where all have one."""
        several = [(len(images), vertex) for vertex, images in enumerate(self.of) if len(images) > 1]
        return min(several)[1] if several else None


def homomorphisms(left: Structure, right: Structure, where: str, injective: bool = False) -> Iterator[list[int]]:
    """Every map of the left structure's vertices to the right's that preserves labels and edges.

    Raises DiagramError about `where` where the search takes more than `MAX_STEPS`.
    """
    domains = Domains(left, right, injective, where)
    if not domains.propagate(range(len(left))):
        return
    tries: list[tuple[int, int, list[int]]] = []  # the trail's length, a vertex, images to try
    while True:
        chosen = domains.open_vertex()
        if chosen is None:
            yield [next(iter(images)) for images in domains.of]
        else:
            named = left.elements[chosen]  # an image of the same name is tried first
            images = sorted(domains.of[chosen], key=lambda image: (right.elements[image] == named, -image))
            tries.append((len(domains.trail), chosen, images))
        while True:
            if not tries:
                return
            length, vertex, images = tries[-1]
            domains.back_to(length)
            if not images:
                tries.pop()
                continue
            domains.narrow(vertex, {images.pop()})
            if domains.propagate([vertex]):
                break

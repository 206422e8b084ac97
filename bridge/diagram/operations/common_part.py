"""The largest part that two diagrams have in common, by branch and bound."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram
from bridge.diagram.operations.morphisms import Morphism, made_morphism
from bridge.diagram.operations.structure import Structure, structure

__all__ = ["MAX_STEPS", "Common", "common_part"]

#: Pairs of elements that are tried before the search stops with the best that it has.
MAX_STEPS = 100_000


@dataclass(frozen=True)
class Common:
    """A part of one diagram that is in another: where its elements go, and whether no larger one exists for certain."""

    morphism: Morphism
    is_largest: bool


class Pairs:
    """Pairs of vertices, an injective map that is closed under edges, and how to take pairs back."""

    def __init__(self, left: Structure, right: Structure) -> None:
        self.left, self.right = left, right
        self.image: dict[int, int] = {}
        self.origin: dict[int, int] = {}

    def add(self, vertex: int, image: int) -> list[int] | None:
        """Map a vertex, and with it all that it needs: the vertices that were not mapped before, None where it can't be."""
        added: list[int] = []
        waiting = [(vertex, image)]
        while waiting:
            old, new = waiting.pop()
            if self.image.get(old, -1) == new:
                continue
            if old in self.image or new in self.origin or self.left.labels[old] != self.right.labels[new]:
                self.remove(added)
                return None
            self.image[old], self.origin[new] = new, old
            added.append(old)
            waiting += zip(self.left.edges[old], self.right.edges[new], strict=True)
        return added

    def remove(self, vertices: list[int]) -> None:
        """Take pairs back."""
        for vertex in vertices:
            del self.origin[self.image.pop(vertex)]


def common_part(first: Diagram, second: Diagram) -> Common:
    """A largest set of the first diagram's agreements, commutes and arrows that is in the second, with what they need.

    It is an injective morphism of a part of the first diagram; agreements and commutes count before arrows. See
    `bridge.morphisms` for what it preserves. Where the search takes too long it is the best that was found.

    >>> from bridge import Builder, layers, mae, mse
    >>> def pair(second):
    ...     d = Builder("pair")
    ...     x = d.space("x", width=3)
    ...     data = d.source("data", left=x, right=x)
    ...     f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
    ...     d.agree(f(data.left), data.right, by=mse(), name="fit")
    ...     d.agree(g(data.left), f(data.right), by=second, name="other")
    ...     return d.build()
    >>> dict(common_part(pair(mse()), pair(mae())).morphism.agreements)
    {'fit': 'fit'}
    """
    left, right = structure(canonical(first)), structure(canonical(second))
    pairs = Pairs(left, right)
    kinds = [None if element is None else element[0] for element in left.elements]
    items = [v for v, kind in enumerate(kinds) if kind in ("agreements", "commutes")]
    worth = dict.fromkeys(items, len(left) + 1)  # one agreement more is better than any number of arrows
    items += [vertex for vertex, kind in enumerate(kinds) if kind == "arrows"]
    weights = [worth.get(vertex, 1) for vertex in items]
    ahead = [sum(weights[place:]) for place in range(len(items) + 1)]
    images = [candidates(left, right, vertex) for vertex in items]
    best: dict[int, int] = {}
    best_score, steps = -1, 0
    stack: list[tuple[int, list[int], list[int]]] = []  # for each item so far: choices left, pairs added, its score
    place, score = 0, 0
    while True:
        if place < len(items) and score + ahead[place] > best_score and steps < MAX_STEPS:
            mapped = items[place] in pairs.image
            stack.append((score, [-1] if mapped else [-1, *reversed(images[place])], []))
        else:
            if place == len(items) and score > best_score:
                best, best_score = dict(pairs.image), score
            while stack and not stack[-1][1]:
                pairs.remove(stack.pop()[2])
            if not stack:
                break
        before, choices, added = stack[-1]
        pairs.remove(added)
        added.clear()
        place, score, steps = len(stack), before, steps + 1
        choice = choices.pop()
        if choice >= 0:
            added += pairs.add(items[place - 1], choice) or []
            if not added:
                place = len(items) + 1  # it can't be: the next choice
                continue
        score += weights[place - 1] * (items[place - 1] in pairs.image)
    return Common(made_morphism(left, right, best.items()), steps < MAX_STEPS)


def candidates(left: Structure, right: Structure, vertex: int) -> list[int]:
    """The vertices that could be an image, one of the same name first."""
    alike = [image for image, label in enumerate(right.labels) if label == left.labels[vertex]]
    return sorted(alike, key=lambda image: right.elements[image] != left.elements[vertex])

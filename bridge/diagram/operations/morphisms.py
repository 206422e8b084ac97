"""Morphisms: the ways to see one diagram in another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram
from bridge.diagram.messages import element, quote
from bridge.diagram.operations.homomorphisms import homomorphisms
from bridge.diagram.operations.isomorphism import find_isomorphism
from bridge.diagram.operations.structure import VERTEX_KINDS, Structure, aspects, structure
from bridge.errors import DiagramError

__all__ = ["Morphism", "embeds", "isomorphic", "made_morphism", "morphisms"]


@dataclass(frozen=True)
class Morphism:
    """Where each element of one diagram goes in another, by name; columns are called `source.column`.

    It preserves where things begin and end: f ↦ g implies that f's spaces, component and so on go to g's.
    """

    spaces: Mapping[str, str]
    sources: Mapping[str, str]
    columns: Mapping[str, str]
    components: Mapping[str, str]
    arrows: Mapping[str, str]
    agreements: Mapping[str, str]
    commutes: Mapping[str, str]

    def kinds(self) -> dict[str, Mapping[str, str]]:
        """The mapping of each kind."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def then(self, other: Morphism) -> Morphism:
        """The composite: first this one, then another one out of the diagram that this one goes to."""
        following = other.kinds()
        return Morphism(
            **{kind: {old: following[kind][new] for old, new in names.items()} for kind, names in self.kinds().items()}
        )

    @property
    def is_injective(self) -> bool:
        """Whether different elements go to different ones."""
        return all(len({*names.values()}) == len(names) for names in self.kinds().values())


def morphisms(
    first: Diagram,
    second: Diagram,
    *,
    strict: bool | str | Collection[str] = False,
    injective: bool = False,
    limit: int = 1000,
) -> tuple[Morphism, ...]:
    """Every map of the first diagram's spaces, sources, columns, components, arrows, agreements and commutes.

    The maps preserve boundaries (the spaces and the component of an arrow, the source and the space of a column), the
    divergence's kind and the terms left and right of an agreement and of its mask, and what commutes start at, lead to
    and list. Names, weights, frozenness, attributes (of spaces, layers and divergences) and detach are ignored, unless
    `strict` is True or names those that count: "names", "weights", "frozenness", "attributes", "detach". Outputs are
    left out. With `injective`, only those that map different elements to different ones.

    Raises DiagramError where there are more than `limit`, and where the search takes too long.

    >>> from bridge import Builder, layers, mse
    >>> def autoencoder(names):
    ...     d = Builder("autoencoder")
    ...     x, z = d.space("x", width=3), d.space("z", width=2)
    ...     data = d.source("data", x=x)
    ...     for name in names:
    ...         f = d.arrow(f"{name}_in", x, z, layers.linear(3, 2))
    ...         g = d.arrow(f"{name}_out", z, x, layers.linear(2, 3))
    ...         d.agree(g(f(data.x)), data.x, by=mse())
    ...     return d.build()
    >>> [dict(found.arrows) for found in morphisms(autoencoder("a"), autoencoder("bc"))]
    [{'a_in': 'b_in', 'a_out': 'b_out'}, {'a_in': 'c_in', 'a_out': 'c_out'}]
    """
    counted = aspects(strict)
    left, right = (structure(canonical(diagram), counted) for diagram in (first, second))
    where = f"morphisms from diagram {quote(first.name)} to diagram {quote(second.name)}"
    found: list[Morphism] = []
    for images in homomorphisms(left, right, where, injective):
        if len(found) == limit:
            raise DiagramError(where, f"at most {limit} (limit=)", "more", "limit")
        found.append(made_morphism(left, right, enumerate(images)))
    return tuple(found)


def embeds(first: Diagram, second: Diagram, *, strict: bool | str | Collection[str] = False) -> Morphism | None:
    """A morphism that maps different elements to different ones, None where there is none.

    See `morphisms` for what it preserves, and raises.
    """
    counted = aspects(strict)
    left, right = (structure(canonical(diagram), counted) for diagram in (first, second))
    where = f"morphisms from diagram {quote(first.name)} to diagram {quote(second.name)}"
    images = next(homomorphisms(left, right, where, injective=True), None)
    return None if images is None else made_morphism(left, right, enumerate(images))


def isomorphic(first: Diagram, second: Diagram, *, strict: bool | str | Collection[str] = False) -> Morphism | None:
    """A morphism that has an inverse, None where there is none: then the diagrams differ in more than what is ignored.

    See `morphisms` for what it preserves. Raises DiagramError where the search takes too long.
    """
    counted = aspects(strict)
    left, right = (structure(canonical(diagram), counted) for diagram in (first, second))
    images = find_isomorphism(left, right, element("diagram", first.name))
    return None if images is None else made_morphism(left, right, enumerate(images))


def made_morphism(left: Structure, right: Structure, images: Iterable[tuple[int, int]]) -> Morphism:
    """The morphism that maps some vertices to others, sorted by the order of the diagram's tables."""
    names: dict[str, dict[str, str]] = {kind: {} for kind in VERTEX_KINDS}
    for vertex, image in sorted(images):
        old, new = left.elements[vertex], right.elements[image]
        if old is not None and new is not None and old[0] in names:  # no term, and no variable
            names[old[0]][old[1]] = new[1]
    return Morphism(**names)

"""How two diagrams relate, in words and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.diagram.ir import Diagram
from bridge.diagram.operations.common_part import common_part
from bridge.diagram.operations.morphisms import Morphism, embeds, isomorphic, morphisms
from bridge.errors import DiagramError

__all__ = ["as_text", "corresponding", "related"]

SHOWN = 5
WAYS = ("forward", "backward")
LIMIT = 1000

# What says most of a morphism is told first, and what follows from it not at all.
TOLD = ("arrows", "components", "agreements", "commutes", "sources", "spaces")


def related(first: Diagram, second: Diagram) -> dict[str, Any]:
    """How the first diagram relates to the second, and the second to the first."""
    isomorphism = isomorphic(first, second)
    common = common_part(first, second)
    return {
        "first": first.name,
        "second": second.name,
        "isomorphism": plain(isomorphism),
        "forward": direction(first, second),
        "backward": direction(second, first),
        "common": {"is_largest": common.is_largest, **(plain(common.morphism) or {})},
    }


def direction(first: Diagram, second: Diagram) -> dict[str, Any]:
    """The morphisms one way: an embedding if there is one, how many there are, and some of them."""
    try:
        found = morphisms(first, second, limit=LIMIT)
    except DiagramError as error:
        if error.kind != "limit":
            raise
        return {"embedding": plain(embeds(first, second)), "count": None, "morphisms": []}
    return {
        "embedding": plain(embeds(first, second)),
        "count": len(found),
        "morphisms": [plain(morphism) for morphism in found[:SHOWN]],
    }


def plain(morphism: Morphism | None) -> dict[str, dict[str, str]] | None:
    """A morphism as dictionaries."""
    return None if morphism is None else {kind: dict(names) for kind, names in morphism.kinds().items()}


def as_text(found: Mapping[str, Any]) -> str:
    """What `related` found, in words."""
    first, second = repr(found["first"]), repr(found["second"])
    lines = []
    if found["isomorphism"] is not None:
        lines.append(f"{first} is isomorphic to {second}{told(found['isomorphism'])}")
    else:
        lines += in_words(first, second, found["forward"])
        lines += in_words(second, first, found["backward"])
    common = found["common"]
    count = {kind: len(common[kind]) for kind in ("agreements", "commutes", "arrows")}
    sizes = ", ".join(f"{number} {kind[: len(kind) - (number == 1)]}" for kind, number in count.items() if number)
    least = "" if common["is_largest"] else " (at least: the search was cut short)"
    lines.append(f"in common{least}: {sizes or 'no agreement and no arrow'}{told(common) if sizes else ''}")
    return "\n".join(lines)


def corresponding(found: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What `related` found that is best shown: an isomorphism, an embedding, a morphism, else the largest common part.

    For each kind the names in the first diagram with those in the second.
    """
    choices = [(found["isomorphism"], False)]
    for part in (lambda way: [way["embedding"]], lambda way: way["morphisms"][:1]):
        choices += [(morphism, is_back) for is_back in (False, True) for morphism in part(found[WAYS[is_back]])]
    common = {kind: names for kind, names in found["common"].items() if kind != "is_largest"}
    morphism, is_back = next((choice for choice in choices if choice[0] is not None), (common, False))
    return {kind: [(b, a) if is_back else (a, b) for a, b in names.items()] for kind, names in morphism.items()}


def in_words(first: str, second: str, way: Mapping[str, Any]) -> list[str]:
    """The morphisms one way, in words."""
    if way["count"] == 0:
        return [f"{first} has no morphism to {second}"]
    many = f"more than {LIMIT}" if way["count"] is None else f"{way['count']}"
    counted = f"{many} morphism{'s'[: way['count'] != 1]}"
    if way["embedding"] is not None:
        return [f"{first} embeds into {second}{told(way['embedding'])} ({counted} in all)"]
    shown = way["morphisms"][0] if way["morphisms"] else None
    return [f"{first} maps to {second}, not injectively{told(shown) if shown else ''} ({counted} in all)"]


def told(morphism: Mapping[str, Mapping[str, str]]) -> str:
    """Where the elements go, those that keep their name left out: `, teacher ↦ peer_1`."""
    parts: dict[str, None] = {}
    for kind in TOLD:
        for old, new in morphism[kind].items():
            if old != new:
                parts.setdefault(f"{old} ↦ {new}")
    return "".join(f", {part}" for part in parts) or ", each name to itself"

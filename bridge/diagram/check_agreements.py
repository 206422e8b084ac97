"""The part of the checker that looks at agreements and commutes (see `bridge.diagram.check`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bridge.diagram.check_terms import require_term
from bridge.diagram.divergences import check_divergence, element_axes
from bridge.diagram.ir import Agreement, Axis, Commute, Diagram, Space
from bridge.diagram.limits import MAX_PATHS, MAX_TERMS
from bridge.diagram.messages import axes_text, element, listing, quote, show_space, unknown
from bridge.diagram.names import check_label, with_names
from bridge.diagram.paths import expand
from bridge.diagram.routes import count_paths
from bridge.diagram.types import term_sources, term_spaces, term_trains
from bridge.errors import DiagramError

__all__ = ["check_agreements", "check_commutes", "check_expansion"]


def agreement_element(agreement: Agreement | Commute, place: int) -> str:
    """How an error calls an agreement or commute, which may not have its name yet."""
    kind = "agreement" if isinstance(agreement, Agreement) else "commute"
    return element(kind, agreement.name) if agreement.name else f"{kind} {place}"


def check_weight(weight: float, where: str) -> None:
    """Weights are finite; zero and negative ones are allowed."""
    if not isinstance(weight, float) or not math.isfinite(weight):
        raise DiagramError(where, "a finite weight", quote(weight), "weight")


def check_agreements(diagram: Diagram) -> None:
    """Sides are parallel, fit the divergence, and have a source; masks fit."""
    spaces, sources = term_spaces(diagram), term_sources(diagram)
    fit: set[tuple[int, str, str]] = set()  # divergences, by identity, that fit the spaces of left and right
    for place, agreement in enumerate(diagram.agreements):
        where = agreement_element(agreement, place)
        sides = {"left": agreement.left, "right": agreement.right}
        if agreement.mask is not None:
            sides["mask"] = agreement.mask
        for side, term in sides.items():
            require_term(diagram, term, where, side)
        check_weight(agreement.weight, where)
        check_same_source(sources, sides, where)
        pair = spaces[agreement.left], spaces[agreement.right]
        if (id(agreement.divergence), *pair) not in fit:
            check_divergence(agreement.divergence, diagram.space(pair[0]), diagram.space(pair[1]), where)
            fit.add((id(agreement.divergence), *pair))
        if agreement.mask is not None:
            axes = element_axes(agreement.divergence, diagram.space(pair[0]), where)
            check_mask(diagram.space(spaces[agreement.mask]), axes, f"{where}, mask")


def check_same_source(sources: Sequence[str | None], sides: dict[str, int], where: str) -> None:
    """Each side has a source, the left one's."""
    first = sources[sides["left"]]
    for side, term in sides.items():
        if sources[term] is None:
            raise DiagramError(f"{where}, {side}", "a term with a column below it", "a term without columns", "source")
        if sources[term] != first:
            expected = f"a term of source {quote(first)}, left's"
            kind = "mask" if side == "mask" else "parallel"
            raise DiagramError(f"{where}, {side}", expected, f"one of source {quote(sources[term])}", kind)


def check_mask(mask: Space, axes: tuple[Axis, ...], where: str) -> None:
    """A number or truth value per sample, or per element without the class axis."""
    if mask.is_index or mask.axes not in ((), axes):
        shapes = "no axes" + (f", or the axes {axes_text(axes)}" if axes else "")
        raise DiagramError(where, f"a space of numbers or truth values with {shapes}", show_space(mask), "mask")


def check_commutes(diagram: Diagram) -> None:
    """Starts and targets exist, arrows have one source and one target, and the numbers of paths are right."""
    for place, commute in enumerate(diagram.commutes):
        where = agreement_element(commute, place)
        check_start(diagram, commute, where)
        check_weight(commute.weight, where)
        try:
            target = diagram.space(commute.target)
        except KeyError:
            known = (space.name for space in diagram.spaces)
            raise unknown(f"{where}, target", "space", commute.target, known) from None
        check_divergence(commute.divergence, target, target, where)
        check_commute_arrows(diagram, commute, where)
        if not 0 <= commute.max_length <= MAX_TERMS:
            expected = f"0 (no bound) to {MAX_TERMS}"
            raise DiagramError(f"{where}, max_length", expected, f"{commute.max_length}", "limit")
        if not 2 <= commute.max_paths <= MAX_PATHS:
            raise DiagramError(f"{where}, max_paths", f"2 to {MAX_PATHS}", f"{commute.max_paths}", "limit")
        count_paths(diagram, commute, where)


def check_start(diagram: Diagram, commute: Commute, where: str) -> None:
    """The start is a source, or a term with a source."""
    if isinstance(commute.start, str):
        try:
            diagram.source(commute.start)
        except KeyError:
            known = (source.name for source in diagram.sources)
            raise unknown(f"{where}, start", "source", commute.start, known) from None
        return
    require_term(diagram, commute.start, where, "start")
    if term_sources(diagram)[commute.start] is None:
        raise DiagramError(f"{where}, start", "a term with a column below it", "a term without columns", "source")


def check_commute_arrows(diagram: Diagram, commute: Commute, where: str) -> None:
    """The arrows exist, are listed once, and can be on a path."""
    for name in commute.arrows:
        try:
            arrow = diagram.arrow(name)
        except KeyError:
            known = (arrow.name for arrow in diagram.arrows)
            raise unknown(f"{where}, arrows", "arrow", name, known) from None
        if not len(arrow.sources) == len(arrow.targets) == 1:
            found = f"arrow {quote(name)} with {len(arrow.sources)} and {len(arrow.targets)}"
            raise DiagramError(f"{where}, arrows", "arrows with one source and one target space", found, "type")
    check_unique(f"{where}, arrows", "arrows listed once", commute.arrows)


def check_unique(where: str, expected: str, names: Iterable[str]) -> None:
    """Refuse a name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DiagramError(where, expected, f"{quote(name)} twice", "duplicate")
        seen.add(name)


def check_expansion(diagram: Diagram) -> None:
    """The agreements that commutes stand for have names of their own, and some agreement trains something.

    A diagram without agreements and commutes is a model, not a training setup, and may be all frozen.
    """
    named = with_names(diagram)
    for agreement, given in zip(named.agreements, diagram.agreements, strict=True):
        if not given.name:  # the others' are checked
            check_label("agreement", agreement.name)
    for commute in named.commutes:
        check_label("commute", commute.name)
    expansion = expand(named)
    names = [agreement.name for agreement in expansion.agreements]
    check_unique(element("diagram", diagram.name), "agreements with different names", names)
    trains = term_trains(named, expansion.terms)
    sides = [side for agreement in expansion.agreements for side in (agreement.left, agreement.right)]
    if sides and not any(trains[side] for side in sides):
        components = [c.name for c in diagram.components if c.has_parameters and not c.training.is_frozen]
        expected = "an agreement with a trainable component below it and no detach in between"
        found = f"trainable components: {listing(components)}"
        raise DiagramError(element("diagram", diagram.name), expected, found, "trainable")

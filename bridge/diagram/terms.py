"""Tables of terms: equal terms are one, and arguments come before the terms that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bridge.diagram.ir import DetachTerm, OutputTerm, Term, arguments

__all__ = ["TermTable", "below", "moved_term", "post_order"]


class TermTable:
    """A growing table of terms in which equal terms are one."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = list(terms)
        self.places = {term: place for place, term in enumerate(terms)}

    def intern(self, term: Term) -> int:
        """The place of a term whose arguments are in the table."""
        place = self.places.setdefault(term, len(self.terms))
        if place == len(self.terms):
            self.terms.append(term)
        return place


def post_order(terms: Sequence[Term], roots: Iterable[int]) -> tuple[tuple[Term, ...], list[int]]:
    """The terms that the roots reach, arguments first and each once, and for every old place the new one (or −1).

    >>> from bridge.diagram.ir import ColumnTerm
    >>> post_order([ColumnTerm("d", "x"), DetachTerm(0), ColumnTerm("d", "x"), DetachTerm(2)], [3, 1])
    ((ColumnTerm(source='d', column='x'), DetachTerm(argument=0)), [0, 1, 0, 1])
    """
    found: dict[Term, int] = {}
    place = [-1] * len(terms)
    for root in roots:
        stack = [root]
        while stack:
            term = stack[-1]
            missing = [argument for argument in arguments(terms[term]) if place[argument] < 0]
            if missing and place[term] < 0:
                stack += reversed(missing)
                continue
            stack.pop()
            if place[term] < 0:
                place[term] = found.setdefault(moved_term(terms[term], place), len(found))
    return tuple(found), place


def moved_term(term: Term, place: Mapping[int, int] | Sequence[int]) -> Term:
    """The term with its arguments at their new places."""
    if isinstance(term, OutputTerm):
        return OutputTerm(term.arrow, tuple(place[argument] for argument in term.arguments), term.output)
    return DetachTerm(place[term.argument]) if isinstance(term, DetachTerm) else term


def below(terms: Sequence[Term], place: int) -> list[int]:
    """The places of a term and of all that it is made of, ascending: arguments first."""
    found = {place}
    stack = [place]
    while stack:
        following = [argument for argument in arguments(terms[stack.pop()]) if argument not in found]
        found.update(following)
        stack += following
    return sorted(found)

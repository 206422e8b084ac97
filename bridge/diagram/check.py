"""The checker: everything that has to hold of a diagram before anything runs, as a row of small functions.

Each takes a diagram, returns nothing, and raises the DiagramError of the first thing that is wrong. The functions rely
on those before them. Two things that the canonical form resolves may still be open: the names of agreements and
commutes, and a divergence's `axis`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bridge.diagram.check_agreements import check_agreements, check_commutes, check_expansion
from bridge.diagram.check_elements import (
    check_arrows,
    check_components,
    check_limits,
    check_names,
    check_sources,
    check_spaces,
)
from bridge.diagram.check_terms import check_composition, check_outputs, check_terms
from bridge.diagram.ir import Diagram

__all__ = ["CHECKS", "check"]

CHECKS: Sequence[Callable[[Diagram], None]] = (
    check_limits,
    check_names,
    check_spaces,
    check_sources,
    check_components,
    check_arrows,
    check_terms,
    check_composition,
    check_agreements,
    check_commutes,
    check_outputs,
    check_expansion,
)


def check(diagram: Diagram) -> None:
    """Refuse a diagram that means nothing.

    Raises DiagramError, which names the element, what was expected of it and what was found. A diagram that came from
    the builder, a file or an operation has been checked; checking it again costs nothing.
    """
    if not diagram.memo.get("checked"):
        for rule in CHECKS:
            rule(diagram)
        diagram.memo["checked"] = True

"""Placements on the command line: `--place student=julia`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.errors import BindingError
from bridge.plan.program import Runtime

__all__ = ["parse"]


def parse(places: Sequence[str]) -> dict[str, Runtime]:
    """The placement that some `COMPONENT=RUNTIME` say; the last one of a component counts.

    >>> parse(["student=julia"])
    {'student': <Runtime.JULIA: 'julia'>}
    """
    placement = {}
    for place in places:
        component, _, runtime = place.rpartition("=")
        known = [known.value for known in Runtime]
        if not component or runtime not in known:
            raise BindingError(f"placement {place!r}", f"COMPONENT=RUNTIME with one of {known}", "something else")
        placement[component] = Runtime(runtime)
    return placement

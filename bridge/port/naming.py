"""Names of nodes: the path of the module that a step comes from, with ":" for the dots that names may not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridge.diagram.names import is_name
from bridge.port.sketch import Step

__all__ = ["names", "path"]

SEPARATOR = ":"


def names(steps: Sequence[Step]) -> list[str]:
    """A name for each step, all different.

    A call of a module that becomes one node gives it the module's path. The nodes of a call that becomes several also
    have their operation's name. What would be taken already is numbered, from 2.
    """
    counts = Counter(call for step in steps for call in step.origin.calls)
    wanted = [_wanted(step, counts[step.origin.calls[-1]] == 1 if step.origin.calls else False) for step in steps]
    taken: set[str] = set()
    found = []
    for name in wanted:
        free, number = name, 1
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        found.append(free)
    return found


def _wanted(step: Step, alone: bool) -> str:
    parts = [part if is_name(part) else "module" for part in step.origin.module.split(".") if part]
    if not (alone and parts):
        parts.append(step.label or step.layer.operation)
    return SEPARATOR.join(parts)


def path(name: str) -> tuple[str, ...]:
    """The path of modules that a node's name stands for.

    >>> path("encoder:0:linear")
    ('encoder', '0', 'linear')
    """
    return tuple(name.split(SEPARATOR))

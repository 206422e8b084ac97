"""Members of a class that are one: a module that is applied several times stands in one field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.layers.graph import node_buffers, node_parameters
from bridge.port.source.outline import Class, Instance, Leaf, Member, Sequence_

__all__ = ["reuse"]


def reuse(made: Class, ties: Mapping[str, str]) -> None:
    """Let steps have the member of an earlier one where all of their parameters and buffers are that one's by `ties`."""
    first: dict[Any, str] = {}
    for step in made.steps:
        key = _key(step.member, ties)
        if any(_variables(step.member, ties)) and first.setdefault(key, step.name) != step.name:
            step.again = first[key]
            continue
        for inner in _instances(step.member):
            reuse(inner.of, ties)


def _instances(member: Member) -> Iterator[Instance]:
    if isinstance(member, Instance):
        yield member
    elif isinstance(member, Sequence_):
        for inner in member.members:
            yield from _instances(inner)


def _variables(member: Member, ties: Mapping[str, str]) -> list[str]:
    """The owners of what a member holds."""
    if isinstance(member, Leaf):
        paths = [made.name for made in (*node_parameters(member.node), *node_buffers(member.node))]
        return [ties.get(path, path) for path in paths]
    inner = member.members if isinstance(member, Sequence_) else [step.member for step in member.of.steps]
    return [path for part in inner for path in _variables(part, ties)]


def _key(member: Member, ties: Mapping[str, str]) -> Any:
    """What is equal for two members that are one."""
    if isinstance(member, Leaf):
        return member.node.layer, str(member.call), tuple(_variables(member, ties))
    if isinstance(member, Sequence_):
        return tuple(_key(inner, ties) for inner in member.members)
    steps = tuple((_key(step.member, ties), step.inputs, step.outputs) for step in member.of.steps)
    return member.of.inputs, steps, member.of.outputs

"""Classes that are alike up to numbers made into one, with those numbers as arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bridge.port.calls import Call
from bridge.port.source.outline import Class, Instance, Leaf, Member, Sequence_

__all__ = ["Symbol", "classes", "share"]

MOST = 5
"""More arguments than that make a class harder to read than another class."""


@dataclass(frozen=True)
class Symbol:
    """The name of a class' argument where a number would stand."""

    name: str

    def __repr__(self) -> str:
        return self.name


def classes(roots: Sequence[Class]) -> list[Class]:
    """Every class below these, inner ones first, each once."""
    found: dict[int, Class] = {}

    def visit(made: Class) -> None:
        if id(made) in found:
            return
        for member in members(made):
            if isinstance(member, Instance):
                visit(member.of)
        found[id(made)] = made

    for root in roots:
        visit(root)
    return list(found.values())


def members(made: Class) -> Iterator[Member]:
    """Every member of a class, those in sequences too."""

    def inside(member: Member) -> Iterator[Member]:
        yield member
        if isinstance(member, Sequence_):
            for inner in member.members:
                yield from inside(inner)

    for step in made.steps:
        if step.again is None:
            yield from inside(step.member)


def share(roots: Sequence[Class]) -> None:
    """Let instances of like classes be instances of one, from the innermost on."""
    done: set[int] = set()
    while True:
        ready = [
            instance
            for made in classes(roots)
            for instance in members(made)
            if isinstance(instance, Instance)
            and id(instance.of) not in done
            and all(id(m.of) in done for m in members(instance.of) if isinstance(m, Instance))
        ]
        if not ready:
            return
        groups: dict[Any, list[Instance]] = {}
        for instance in ready:
            groups.setdefault(_skeleton(instance.of), []).append(instance)
        for group in groups.values():
            _unify(group)
        done.update(id(instance.of) for instance in ready)


def _slots(made: Class) -> list[tuple[str, Any]]:
    """The numbers of a class with the names of what they are, in order: those of its modules, and of instances in it."""
    found: list[tuple[str, Any]] = []
    for member in members(made):
        if isinstance(member, Leaf) and member.call is not None:
            found += [(name, value) for name, value in member.call.given()]
        elif isinstance(member, Instance):
            found += list(member.arguments.items())
    return found


def _skeleton(made: Class) -> Any:
    """What has to be equal for two classes to be one."""

    def of(member: Member) -> Any:
        if isinstance(member, Sequence_):
            return tuple(map(of, member.members))
        if isinstance(member, Instance):
            return id(member.of), tuple(member.arguments)
        node = member.node
        if member.call is None:
            return node.layer, node.outputs
        return member.call.name, tuple(name for name, _ in member.call.given()), node.layer.operation

    return made.inputs, made.outputs, tuple((s.name, s.again or of(s.member), s.inputs, s.outputs) for s in made.steps)


def _unify(group: Sequence[Instance]) -> None:
    """Give all instances the first one's class, with the numbers in which they differ as arguments."""
    rows = [_slots(instance.of) for instance in group]
    columns = [(rows[0][k][0], tuple(row[k][1] for row in rows)) for k in range(len(rows[0]))]
    varying = [column for column in columns if any(value != column[1][0] for value in column[1])]
    names: dict[tuple[Any, ...], str] = {}
    for name, values in varying:
        if values not in names:
            wanted, number = name, 1
            while wanted in names.values():
                number += 1
                wanted = f"{name}{number}"
            names[values] = wanted
    if len(names) > MOST:
        same: dict[Any, list[Instance]] = {}
        for row, instance in zip(rows, group, strict=True):
            same.setdefault(tuple(row), []).append(instance)
        for alike in same.values():
            _unify(alike)
        return
    shared = group[0].of
    symbols = iter([Symbol(names[values]) if (values in names) else None for _, values in columns])
    for member in members(shared):
        if isinstance(member, Leaf) and member.call is not None:
            member.call = _with_symbols(member.call, symbols)
        elif isinstance(member, Instance):
            for name in member.arguments:
                member.arguments[name] = next(symbols) or member.arguments[name]
    shared.parameters = list(names.values())
    for place, instance in enumerate(group):
        instance.of = shared
        instance.arguments = {name: values[place] for values, name in names.items()}


def _with_symbols(call: Call, symbols: Iterator[Symbol | None]) -> Call:
    arguments = tuple(next(symbols) or value for value in call.arguments)
    keywords = {name: next(symbols) or value for name, value in call.keywords.items()}
    return replace(call, arguments=arguments, keywords=keywords)

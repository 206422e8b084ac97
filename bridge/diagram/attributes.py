"""Attributes of layers and divergences: their definitions, defaults and checks.

A layer or divergence in the IR has every attribute that its definition lists, with exactly its kind, and no other.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.diagram.ir import Attributes, AttributeValue
from bridge.diagram.ir import attributes as sort_attributes
from bridge.diagram.limits import MAX_AXES
from bridge.diagram.messages import listing, quote
from bridge.errors import DiagramError

__all__ = [
    "POSITIVE",
    "AttributeDefinition",
    "AttributeKind",
    "Constraint",
    "check_attributes",
    "kind_of",
    "one_of",
    "resolve",
]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


class AttributeKind(Enum):
    """What an attribute's value is; the value is how an error calls it."""

    INTEGER = "an integer"
    REAL = "a finite number"
    TEXT = "a text"
    BOOLEAN = "true or false"
    INTEGERS = "a list of integers"


@dataclass(frozen=True)
class Constraint:
    """What a value has to be besides of its kind; `text` says it in an error."""

    text: str
    holds: Callable[[AttributeValue], bool]


def one_of(*choices: str) -> Constraint:
    """One of a few texts.

    >>> one_of("none", "tanh").text
    "one of 'none', 'tanh'"
    """
    return Constraint(f"one of {listing(choices)}", lambda value: value in choices)


POSITIVE = Constraint("a number above 0", lambda value: isinstance(value, float) and value > 0)


@dataclass(frozen=True)
class AttributeDefinition:
    """A named attribute. Without a default it has to be given."""

    name: str
    kind: AttributeKind
    default: AttributeValue | None = None
    constraint: Constraint | None = None


def kind_of(value: object) -> AttributeKind | None:
    """The kind of a value, or None for what can't be an attribute.

    >>> kind_of(True).name, kind_of(0.5).name, kind_of((1, 2)).name
    ('BOOLEAN', 'REAL', 'INTEGERS')
    """
    if type(value) is tuple:
        return AttributeKind.INTEGERS if all(type(item) is int for item in value) else None
    return {
        int: AttributeKind.INTEGER,
        float: AttributeKind.REAL,
        str: AttributeKind.TEXT,
        bool: AttributeKind.BOOLEAN,
    }.get(type(value))


def resolve(
    where: str, definitions: Sequence[AttributeDefinition], given: Mapping[str, object], kind: str = "layer"
) -> Attributes:
    """Fill in defaults and make each value of exactly its definition's kind (an int where a real is wanted, say).

    Raises DiagramError, about `where`, for attributes that are unknown, missing, of another kind or out of range.
    """
    values = {d.name: d.default for d in definitions if d.default is not None}
    kinds = {d.name: d.kind for d in definitions}
    values.update({name: convert(value, kinds.get(name)) for name, value in given.items()})
    resolved = sort_attributes(values)
    check_attributes(where, definitions, resolved, kind)
    return resolved


def convert(value: object, kind: AttributeKind | None) -> AttributeValue:
    """`value` as the plain Python value of its kind where it means one; anything else is returned for the check."""
    if kind is AttributeKind.REAL and isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
    if kind is AttributeKind.INTEGER:
        return plain_integer(value)  # type: ignore[return-value]
    if kind is AttributeKind.INTEGERS and isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(plain_integer(item) for item in value)  # type: ignore[misc]
    return value  # type: ignore[return-value]


def plain_integer(value: object) -> object:
    """An integer of another library's as Python's own; anything else as it is."""
    if isinstance(value, bool):  # which has an index
        return value
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # arrays have an index, too, but few are one
        return value


def check_attributes(
    where: str, definitions: Sequence[AttributeDefinition], attributes: Attributes, kind: str = "layer"
) -> None:
    """Refuse attributes that are unknown, double, missing, of another kind or out of range."""
    names = [name for name, _ in attributes]
    wanted = [definition.name for definition in definitions]
    if sorted(names) != sorted(wanted):
        odd = [n for n in names if n not in wanted or names.count(n) > 1]
        missing = [n for n in wanted if n not in names]
        found = f"{listing(odd)} besides" if odd else f"none named {listing(missing)}"
        raise DiagramError(where, f"the attributes {listing(wanted)}", found, kind)
    values = dict(attributes)
    for definition in definitions:
        check_value(f"{where}, attribute '{definition.name}'", definition, values[definition.name], kind)


def check_value(where: str, definition: AttributeDefinition, value: AttributeValue, kind: str) -> None:
    """Refuse a value that is not of the definition's kind, is not finite, is too large, or breaks the constraint."""
    if kind_of(value) is not definition.kind:
        raise DiagramError(where, definition.kind.value, quote(value), kind)
    if isinstance(value, float) and not math.isfinite(value):
        raise DiagramError(where, AttributeKind.REAL.value, quote(value), kind)
    if isinstance(value, tuple) and len(value) > MAX_AXES:
        raise DiagramError(where, f"at most {MAX_AXES} numbers", f"{len(value)}", "limit")
    integers = value if isinstance(value, tuple) else (value,) if type(value) is int else ()
    if any(not INT64_MIN <= integer <= INT64_MAX for integer in integers):
        raise DiagramError(where, "integers of 64 bits", quote(value), "limit")
    if definition.constraint is not None and not definition.constraint.holds(value):
        raise DiagramError(where, definition.constraint.text, quote(value), kind)

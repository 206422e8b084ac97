"""A layer by the name of its operation."""

from __future__ import annotations

from bridge.diagram.attributes import resolve
from bridge.diagram.ir import Layer

__all__ = ["make"]


def make(operation: str, **attributes: object) -> Layer:
    """A layer of the current version by its operation's name, with defaults filled in.

    Raises DiagramError for an unknown operation and for attributes that it does not take.

    >>> make("leaky_relu", slope=1)
    Layer(operation='leaky_relu', version=1, attributes=(('slope', 1.0),))
    """
    from bridge.layers.table import definition  # the table is made of the families, which use this function

    where = f"layer '{operation}'"
    return Layer(operation, 1, resolve(where, definition(Layer(operation), where).attributes, attributes))

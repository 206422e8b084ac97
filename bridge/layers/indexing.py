"""Values looked up by index: rows, and the functions that write them."""

from __future__ import annotations

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint
from bridge.diagram.ir import Layer
from bridge.errors import DiagramError
from bridge.layers.definition import (
    SIZE,
    LayerDefinition,
    Normal,
    Parameter,
    Shape,
    Values,
    index_below,
    integer,
)
from bridge.layers.make import make

__all__ = ["ROWS", "embedding"]


def embedding(entries: int, width: int, *, padding: int = -1) -> Layer:
    """The row of a table (entries, width) for each index, of a space of at most `entries` classes: (…) to (…, width).

    With `padding` ≥ 0 the row of that index starts at 0 and gets no gradient.
    """
    return make("embedding", entries=entries, width=width, padding=padding)


def embedding_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(…) to (…, width)."""
    return ((*inputs[0], integer(values, "width")),)


def embedding_parameters(values: Values) -> tuple[Parameter, ...]:
    """Standard normal numbers, as in torch.nn.Embedding."""
    shape = (integer(values, "entries"), integer(values, "width"))
    return (Parameter("weight", shape, Normal(1.0, integer(values, "padding"))),)


def check_padding(where: str, values: Values) -> None:
    """The padding is one of the entries, if there is one."""
    entries, padding = integer(values, "entries"), integer(values, "padding")
    if padding >= entries:
        expected = f"one of the {entries} entries, or -1 for none"
        raise DiagramError(f"{where}, attribute 'padding'", expected, f"{padding}", "layer")


FROM_MINUS_ONE = Constraint("an index, or -1 for none", lambda value: isinstance(value, int) and value >= -1)

ROWS = (
    LayerDefinition(
        "embedding",
        embedding_shapes,
        (
            AttributeDefinition("entries", AttributeKind.INTEGER, None, SIZE),
            AttributeDefinition("width", AttributeKind.INTEGER, None, SIZE),
            AttributeDefinition("padding", AttributeKind.INTEGER, -1, FROM_MINUS_ONE),
        ),
        embedding_parameters,
        kinds=lambda values: (index_below(integer(values, "entries")),),
        check=check_padding,
    ),
)

"""From protobuf messages to the IR, one function for each kind of element.

What the IR has no place for is refused here: numbers that name no enum value, missing parts, and fields that have no
meaning where they are. What the diagram then means is the checker's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.diagram import ir
from bridge.diagram.attributes import AttributeKind
from bridge.diagram.messages import element, listing, quote
from bridge.errors import FileError
from bridge.schema.generated import diagram_pb2, layers_pb2
from bridge.schema.versions import DIAGRAM_FORMAT, check_version

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "agreement",
    "arrow",
    "commute",
    "component",
    "diagram",
    "divergence",
    "layer_graph",
    "source",
    "space",
    "term",
]

Choice = TypeVar("Choice", bound=Enum)
Value = TypeVar("Value")


@cache
def choices(descriptor: Any, kind: type[Choice]) -> Mapping[int, Choice]:
    """The members of our enum by the schema's numbers."""
    values = descriptor.DESCRIPTOR.values_by_number
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return {number: kind[value.name.removeprefix(prefix)] for number, value in values.items() if number}


def choice(where: str, descriptor: Any, kind: type[Choice], number: int) -> Choice:
    """The member of our enum for a number of the schema's; 0 and unknown numbers are refused."""
    found: Choice | None = choices(descriptor, kind).get(number)
    if found is not None:
        return found
    value = descriptor.DESCRIPTOR.values_by_number.get(number)
    prefix = descriptor.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    expected = f"one of {', '.join(prefix + member.name for member in kind)}"
    raise FileError(where, expected, f"{number}" if value is None else value.name)


def only(where: str, message: Message, *fields: str) -> None:
    """Refuse fields that are set but mean nothing in a message of this kind."""
    odd = [field.name for field, _ in message.ListFields() if field.name not in fields]
    if odd:
        raise FileError(where, f"only the fields {listing(fields)}", f"{listing(odd)} too")


def present(where: str, message: Message, field: str) -> None:
    """Refuse the absence of a part."""
    if not message.HasField(field):
        raise FileError(where, f"a {field}", "none")


class Known:
    """The layer graphs and divergences of a file so far, by their bytes: equal ones are one object, and are read once."""

    def __init__(self) -> None:
        self.values: dict[tuple[type[Message], bytes], Any] = {}

    def once(self, message: Message, read: Callable[[], Value]) -> Value:
        """What reading a message gives, or gave."""
        key = type(message), message.SerializeToString(deterministic=True)
        if key not in self.values:
            self.values[key] = read()
        value: Value = self.values[key]
        return value


VALUE_FIELDS = {
    AttributeKind.INTEGER: "integers",
    AttributeKind.REAL: "real",
    AttributeKind.TEXT: "text",
    AttributeKind.BOOLEAN: "boolean",
    AttributeKind.INTEGERS: "integers",
}


def attribute(where: str, message: layers_pb2.Attribute) -> tuple[str, ir.AttributeValue]:
    """An attribute's name and value."""
    where = f"{where}, attribute {quote(message.name)}"
    kind = choice(f"{where}, kind", layers_pb2.AttributeKind, AttributeKind, message.kind)
    only(where, message, "name", "kind", VALUE_FIELDS[kind])
    if kind is AttributeKind.INTEGERS:
        return message.name, tuple(message.integers)
    if kind is AttributeKind.INTEGER:
        if len(message.integers) != 1:
            raise FileError(where, "one integer", f"{len(message.integers)}")
        return message.name, message.integers[0]
    value: float | str | bool = getattr(message, VALUE_FIELDS[kind])
    return message.name, value


def layer_graph(where: str, message: layers_pb2.LayerGraph) -> ir.LayerGraph:
    """A layer graph."""
    nodes = tuple(node(where, item) for item in message.nodes)
    ties = tuple((tie.path, tie.owner) for tie in message.ties)
    return ir.LayerGraph(message.inputs, nodes, tuple(message.outputs), ties)


def node(where: str, message: layers_pb2.Node) -> ir.Node:
    """A node of a layer graph."""
    where = f"{where}, node {quote(message.name)}"
    present(where, message, "layer")
    attributes = tuple(attribute(where, item) for item in message.layer.attributes)
    layer = ir.Layer(message.layer.operation, message.layer.version, attributes)
    return ir.Node(message.name, layer, tuple(message.inputs), message.outputs)


def space(message: diagram_pb2.Space) -> ir.Space:
    """A space."""
    where = element("space", message.name)
    kind = choice(f"{where}, data_type", diagram_pb2.DataType, ir.DataType, message.data_type)
    return ir.Space(message.name, kind, tuple(axis(where, item) for item in message.axes), message.classes)


def axis(where: str, message: diagram_pb2.Axis) -> ir.Axis:
    """An axis, which has a size or a variable."""
    if message.size and message.variable:
        found = f"{message.size} and {quote(message.variable)}"
        raise FileError(f"{where}, axis {quote(message.name)}", "a size or a variable", found)
    return ir.Axis(message.name, message.variable or message.size)


def source(message: diagram_pb2.Source) -> ir.Source:
    """A source with its columns."""
    return ir.Source(message.name, tuple(ir.Column(column.name, column.space) for column in message.columns))


def component(message: diagram_pb2.Component, known: Known) -> ir.Component:
    """A component with its body."""
    where = element("component", message.name)
    training = choice(f"{where}, training", diagram_pb2.Training, ir.Training, message.training)
    which = message.WhichOneof("body")
    body: ir.Body
    if which == "graph":
        body = known.once(message.graph, lambda: layer_graph(where, message.graph))
    elif which == "torch":
        body = ir.TorchReference(message.torch.name)
    elif which == "julia":
        body = ir.JuliaReference(message.julia.name)
    else:
        raise FileError(where, "a body (graph, torch or julia)", "none")
    return ir.Component(message.name, body, message.has_parameters, training)


def arrow(message: diagram_pb2.Arrow) -> ir.Arrow:
    """An arrow."""
    return ir.Arrow(message.name, tuple(message.sources), tuple(message.targets), message.component)


class TermKind(Enum):
    """The kinds of terms, as the schema numbers them."""

    COLUMN = 1
    OUTPUT = 2
    DETACH = 3


def term(place: int, message: diagram_pb2.Term) -> ir.Term:
    """The term at a place of the table."""
    where = f"term {place}"
    kind = choice(f"{where}, kind", diagram_pb2.TermKind, TermKind, message.kind)
    if kind is TermKind.COLUMN:
        only(where, message, "kind", "source", "column")
        return ir.ColumnTerm(message.source, message.column)
    if kind is TermKind.OUTPUT:
        if message.source or message.column:
            only(where, message, "kind", "arrow", "output", "arguments")
        return ir.OutputTerm(message.arrow, tuple(message.arguments), message.output)
    only(where, message, "kind", "arguments")
    if len(message.arguments) != 1:
        raise FileError(where, "one argument, of a detach", f"{len(message.arguments)}")
    return ir.DetachTerm(message.arguments[0])


def divergence(where: str, message: diagram_pb2.Divergence) -> ir.Divergence:
    """A divergence."""
    return ir.Divergence(message.name, tuple(attribute(where, item) for item in message.attributes))


def agreement(message: diagram_pb2.Agreement, known: Known) -> ir.Agreement:
    """An agreement."""
    where = element("agreement", message.name)
    present(where, message, "divergence")
    mask = message.mask.term if message.HasField("mask") else None
    how = known.once(message.divergence, lambda: divergence(where, message.divergence))
    return ir.Agreement(message.name, message.left, message.right, how, message.weight, mask)


def commute(message: diagram_pb2.Commute) -> ir.Commute:
    """A commute."""
    where = element("commute", message.name)
    present(where, message, "divergence")
    if message.HasField("start") == bool(message.source):
        found = "both" if message.source else "neither"
        raise FileError(where, "a source or a term as its start", found)
    return ir.Commute(
        message.name,
        message.source or message.start.term,
        message.target,
        tuple(message.arrows),
        divergence(where, message.divergence),
        message.weight,
        choice(f"{where}, pairing", diagram_pb2.Pairing, ir.Pairing, message.pairing),
        message.max_length,
        message.max_paths,
    )


def diagram(where: str, message: diagram_pb2.Diagram) -> ir.Diagram:
    """A diagram with the tables as they are; errors about the file as a whole are about `where`."""
    check_version(where, DIAGRAM_FORMAT, message.format, message.schema_version)
    known = Known()
    return ir.Diagram(
        message.name,
        tuple(map(space, message.spaces)),
        tuple(map(source, message.sources)),
        tuple(component(item, known) for item in message.components),
        tuple(map(arrow, message.arrows)),
        tuple(term(place, item) for place, item in enumerate(message.terms)),
        tuple(agreement(item, known) for item in message.agreements),
        tuple(map(commute, message.commutes)),
        tuple(ir.Output(output.name, output.term) for output in message.outputs),
    )

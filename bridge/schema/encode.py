"""From the IR to protobuf messages, one function for each kind of element. Nothing is checked here."""

from __future__ import annotations

from bridge.diagram import ir
from bridge.diagram.attributes import AttributeKind, kind_of
from bridge.schema.generated import diagram_pb2, layers_pb2
from bridge.schema.versions import DIAGRAM_FORMAT, SCHEMA_VERSION

__all__ = [
    "agreement",
    "arrow",
    "attribute",
    "commute",
    "component",
    "diagram",
    "divergence",
    "layer_graph",
    "source",
    "space",
    "term",
]


def attribute(name: str, value: ir.AttributeValue) -> layers_pb2.Attribute:
    """One attribute of a layer or divergence."""
    kind = kind_of(value)
    assert kind is not None
    message = layers_pb2.Attribute(name=name, kind=f"ATTRIBUTE_KIND_{kind.name}")
    if isinstance(value, bool):
        message.boolean = value
    elif isinstance(value, int):
        message.integers.append(value)
    elif isinstance(value, float):
        message.real = value
    elif isinstance(value, str):
        message.text = value
    else:
        assert kind is AttributeKind.INTEGERS
        message.integers.extend(value)
    return message


def attributes(values: ir.Attributes) -> list[layers_pb2.Attribute]:
    """Attributes in their order."""
    return [attribute(name, value) for name, value in values]


def layer_graph(graph: ir.LayerGraph) -> layers_pb2.LayerGraph:
    """A layer graph."""
    message = layers_pb2.LayerGraph(inputs=graph.inputs, outputs=graph.outputs)
    for node in graph.nodes:
        layer = layers_pb2.Layer(
            operation=node.layer.operation, version=node.layer.version, attributes=attributes(node.layer.attributes)
        )
        message.nodes.add(name=node.name, layer=layer, inputs=node.inputs, outputs=node.outputs)
    for path, owner in graph.ties:
        message.ties.add(path=path, owner=owner)
    return message


def space(space: ir.Space) -> diagram_pb2.Space:
    """A space."""
    kind = f"DATA_TYPE_{space.data_type.name}"
    message = diagram_pb2.Space(name=space.name, data_type=kind, classes=space.classes)
    for axis in space.axes:
        if isinstance(axis.size, str):
            message.axes.add(name=axis.name, variable=axis.size)
        else:
            message.axes.add(name=axis.name, size=axis.size)
    return message


def source(source: ir.Source) -> diagram_pb2.Source:
    """A source with its columns."""
    columns = (diagram_pb2.Column(name=column.name, space=column.space) for column in source.columns)
    return diagram_pb2.Source(name=source.name, columns=columns)


def component(component: ir.Component) -> diagram_pb2.Component:
    """A component with its body."""
    message = diagram_pb2.Component(
        name=component.name,
        training=f"TRAINING_{component.training.name}",
        has_parameters=component.has_parameters,
    )
    if isinstance(component.body, ir.LayerGraph):
        message.graph.CopyFrom(layer_graph(component.body))
    elif isinstance(component.body, ir.TorchReference):
        message.torch.name = component.body.name
    else:
        message.julia.name = component.body.name
    return message


def arrow(arrow: ir.Arrow) -> diagram_pb2.Arrow:
    """An arrow."""
    return diagram_pb2.Arrow(name=arrow.name, sources=arrow.sources, targets=arrow.targets, component=arrow.component)


def term(term: ir.Term) -> diagram_pb2.Term:
    """A term, with its arguments as places in the table of terms."""
    if isinstance(term, ir.ColumnTerm):
        return diagram_pb2.Term(kind=diagram_pb2.TERM_KIND_COLUMN, source=term.source, column=term.column)
    if isinstance(term, ir.OutputTerm):
        return diagram_pb2.Term(
            kind=diagram_pb2.TERM_KIND_OUTPUT, arrow=term.arrow, output=term.output, arguments=term.arguments
        )
    return diagram_pb2.Term(kind=diagram_pb2.TERM_KIND_DETACH, arguments=(term.argument,))


def divergence(divergence: ir.Divergence) -> diagram_pb2.Divergence:
    """A divergence."""
    return diagram_pb2.Divergence(name=divergence.name, attributes=attributes(divergence.attributes))


def agreement(agreement: ir.Agreement) -> diagram_pb2.Agreement:
    """An agreement."""
    message = diagram_pb2.Agreement(
        name=agreement.name,
        left=agreement.left,
        right=agreement.right,
        divergence=divergence(agreement.divergence),
        weight=agreement.weight,
    )
    if agreement.mask is not None:
        message.mask.CopyFrom(diagram_pb2.TermReference(term=agreement.mask))
    return message


def commute(commute: ir.Commute) -> diagram_pb2.Commute:
    """A commute."""
    message = diagram_pb2.Commute(
        name=commute.name,
        target=commute.target,
        arrows=commute.arrows,
        divergence=divergence(commute.divergence),
        weight=commute.weight,
        pairing=f"PAIRING_{commute.pairing.name}",
        max_length=commute.max_length,
        max_paths=commute.max_paths,
    )
    if isinstance(commute.start, str):
        message.source = commute.start
    else:
        message.start.CopyFrom(diagram_pb2.TermReference(term=commute.start))
    return message


def diagram(diagram: ir.Diagram) -> diagram_pb2.Diagram:
    """A diagram, with the tables as they are."""
    return diagram_pb2.Diagram(
        format=DIAGRAM_FORMAT,
        schema_version=SCHEMA_VERSION,
        name=diagram.name,
        spaces=map(space, diagram.spaces),
        sources=map(source, diagram.sources),
        components=map(component, diagram.components),
        arrows=map(arrow, diagram.arrows),
        terms=map(term, diagram.terms),
        agreements=map(agreement, diagram.agreements),
        commutes=map(commute, diagram.commutes),
        outputs=(diagram_pb2.Output(name=output.name, term=output.term) for output in diagram.outputs),
    )

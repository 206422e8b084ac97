# From the diagram in memory to messages. Nothing is checked here.

number(place::Int) = UInt32(place - 1)

message((name, value)::Pair{String,AttributeValue}) =
    value isa Bool ? Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_BOOLEAN, boolean = value) :
    value isa Int ? Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_INTEGER, integers = [value]) :
    value isa Float64 ? Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_REAL, real = value) :
    value isa String ? Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_TEXT, text = value) :
    Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_INTEGERS, integers = value)

messages(attributes::Attributes) = Schema.Attribute[message(pair) for pair in attributes]

message(graph::LayerGraph) =
    Schema.LayerGraph(inputs = graph.inputs, nodes = map(message, graph.nodes), outputs = map(number, graph.outputs),
                      ties = [Schema.Tie(path = path, owner = owner) for (path, owner) in graph.ties])

message(node::Node) = Schema.Node(name = node.name, layer = message(node.layer), inputs = map(number, node.inputs),
                                  outputs = node.outputs)

message(layer::PortableLayer) =
    Schema.Layer(operation = layer.operation, version = layer.version, attributes = messages(layer.attributes))

message(axis::Axis) = axis.size isa String ? Schema.Axis(name = axis.name, variable = axis.size) :
                      Schema.Axis(name = axis.name, size = axis.size)

message(s::Space) = Schema.Space(name = s.name, data_type = Schema.DataType(Int32(s.type) + 1), axes = map(message, s.axes),
                                 classes = s.classes)

message(s::Source) =
    Schema.Source(name = s.name, columns = [Schema.Column(name = c.name, space = c.space) for c in s.columns])

function message(c::Component)
    training = Schema.Training(Int32(c.training) + 1)
    made = Schema.Component(name = c.name, training = training, has_parameters = c.has_parameters)
    body = c.body
    if body isa LayerGraph
        made.graph = message(body)
    elseif body isa TorchReference
        made.torch = Schema.Reference(name = body.name)
    else
        made.julia = Schema.Reference(name = body.name)
    end
    return made
end

message(a::Arrow) = Schema.Arrow(name = a.name, sources = a.sources, targets = a.targets, component = a.component)

message(t::ColumnTerm) = Schema.Term(kind = Schema.TERM_KIND_COLUMN, source = t.source, column = t.column)
message(t::OutputTerm) = Schema.Term(kind = Schema.TERM_KIND_OUTPUT, arrow = t.arrow, output = number(t.output),
                                     arguments = map(number, t.arguments))
message(t::DetachTerm) = Schema.Term(kind = Schema.TERM_KIND_DETACH, arguments = [number(t.argument)])

message(d::Divergence) = Schema.Divergence(name = d.name, attributes = messages(d.attributes))

reference(::Nothing) = nothing
reference(term::Int) = Schema.TermReference(term = number(term))

message(a::Agreement) = Schema.Agreement(name = a.name, left = number(a.left), right = number(a.right),
                                         divergence = message(a.divergence), weight = a.weight, mask = reference(a.mask))

message(c::Commute) = Schema.Commute(
    name = c.name, source = c.start isa String ? c.start : "", start = c.start isa Int ? reference(c.start) : nothing,
    target = c.target, arrows = c.arrows, divergence = message(c.divergence), weight = c.weight,
    pairing = Schema.Pairing(Int32(c.pairing) + 1), max_length = c.max_length, max_paths = c.max_paths)

message(o::Output) = Schema.Output(name = o.name, term = number(o.term))

message(d::Diagram) = Schema.Diagram(
    format = DIAGRAM_FORMAT, schema_version = SCHEMA_VERSION, name = d.name, spaces = map(message, d.spaces),
    sources = map(message, d.sources), components = map(message, d.components), arrows = map(message, d.arrows),
    terms = Schema.Term[message(term) for term in d.terms], agreements = map(message, d.agreements),
    commutes = map(message, d.commutes), outputs = map(message, d.outputs))

# From messages to the diagram in memory. What it has no place for is refused here: numbers that name no member of an
# enumeration, missing parts, and fields that have no meaning where they are. What the diagram then means is the checker's
# business.

@noinline refuse_file(where, expected, found) = refuse(where, expected, found, "file")

# Numbers above what any limit allows, which are refused by what they mean.
whole(number::Integer) = number > typemax(Int) ? typemax(Int) : Int(number)

place(number::UInt32) = Int(number) + 1

"""
    choice(where, value, ours) -> a member of `ours`

The member of our enumeration for one of the schema's, in their order; 0 and unknown numbers are refused.
"""
function choice(where, value::Enum, ours::Tuple)
    number = Int(Integer(value))
    1 <= number <= length(ours) && return ours[number]
    names = string.(instances(typeof(value)))
    refuse_file(where, "one of $(join(names[2:end], ", "))", number == 0 ? names[1] : string(number))
end

"Refuse fields that are set but mean nothing in a message of this kind."
function only(where, message::Message, fields::Symbol...)
    odd = [string(f) for f in fieldnames(typeof(message)) if !(f in fields) && is_set(getfield(message, f))]
    isempty(odd) || refuse_file(where, "only the fields $(listing(map(string, fields)))", "$(listing(odd)) too")
    return nothing
end

is_set(value::Union{String,Vector}) = !isempty(value)
is_set(value::Union{Integer,Float64}) = value !== zero(value)
is_set(value::Enum) = Integer(value) != 0

const VALUE_FIELDS = (:integers, :real, :text, :boolean, :integers)

"An attribute's name and value."
function read_attribute(of, a::Schema.Attribute)
    if !(1 <= Integer(a.kind) <= 5) || !has_only_value(a)
        where = inside(of, "attribute", a.name)
        kind = choice(inside(where, "kind"), a.kind, VALUE_FIELDS)
        only(where, a, :name, :kind, kind)
    end
    a.kind == Schema.ATTRIBUTE_KIND_REAL && return Pair{String,AttributeValue}(a.name, a.real)
    a.kind == Schema.ATTRIBUTE_KIND_TEXT && return Pair{String,AttributeValue}(a.name, a.text)
    a.kind == Schema.ATTRIBUTE_KIND_BOOLEAN && return Pair{String,AttributeValue}(a.name, a.boolean)
    a.kind == Schema.ATTRIBUTE_KIND_INTEGERS && return Pair{String,AttributeValue}(a.name, a.integers)
    length(a.integers) == 1 ||
        refuse_file(inside(of, "attribute", a.name), "one integer", string(length(a.integers)))
    return Pair{String,AttributeValue}(a.name, a.integers[1])
end

# `only`, without looking fields up as the program runs: attributes are many.
has_only_value(a::Schema.Attribute) =
    (isempty(a.integers) || a.kind in (Schema.ATTRIBUTE_KIND_INTEGER, Schema.ATTRIBUTE_KIND_INTEGERS)) &&
    (a.real === 0.0 || a.kind == Schema.ATTRIBUTE_KIND_REAL) &&
    (isempty(a.text) || a.kind == Schema.ATTRIBUTE_KIND_TEXT) && (!a.boolean || a.kind == Schema.ATTRIBUTE_KIND_BOOLEAN)

read_attributes(where, messages) = Attributes(map(a -> read_attribute(where, a), messages))

function read_graph(where, g::Schema.LayerGraph)
    ties = Pair{String,String}[tie.path => tie.owner for tie in g.ties]
    return LayerGraph(g.inputs, Node[read_node(where, node) for node in g.nodes], map(place, g.outputs), ties)
end

function read_node(of, node::Schema.Node)
    where, layer = inside(of, "node", node.name), node.layer
    layer === nothing && refuse_file(where, "a layer", "none")
    made = PortableLayer(layer.operation, layer.version, read_attributes(where, layer.attributes))
    return Node(node.name, made, map(place, node.inputs), node.outputs)
end

const ELEMENT_TYPE_CHOICES = (FLOAT32, FLOAT64, INT32, INT64, BOOLEAN)

function read_space(s::Schema.Space)
    where = element("space", s.name)
    type = choice(inside(where, "data_type"), s.data_type, ELEMENT_TYPE_CHOICES)
    return Space(s.name, type, Axis[read_axis(where, axis) for axis in s.axes], whole(s.classes))
end

function read_axis(where, axis::Schema.Axis)
    axis.size != 0 && !isempty(axis.variable) &&
        refuse_file("$where, axis $(quoted(axis.name))", "a size or a variable", "$(axis.size) and $(quoted(axis.variable))")
    return Axis(axis.name, isempty(axis.variable) ? whole(axis.size) : axis.variable)
end

read_source(s::Schema.Source) = Source(s.name, [Column(column.name, column.space) for column in s.columns])

function read_component(c::Schema.Component)
    where = element("component", c.name)
    training = choice(inside(where, "training"), c.training, (TRAINABLE, FROZEN, FROZEN_TRAIN_MODE))
    c.graph === nothing || return Component(c.name, read_graph(where, c.graph), c.has_parameters, training)
    c.torch === nothing || return Component(c.name, TorchReference(c.torch.name), c.has_parameters, training)
    c.julia === nothing || return Component(c.name, JuliaReference(c.julia.name), c.has_parameters, training)
    refuse_file(where, "a body (graph, torch or julia)", "none")
end

read_arrow(a::Schema.Arrow) = Arrow(a.name, a.sources, a.targets, a.component)

function read_term(number::Int, t::Schema.Term)
    kind = t.kind
    if kind == Schema.TERM_KIND_OUTPUT
        isempty(t.source) && isempty(t.column) || only("term $number", t, :kind, :arrow, :output, :arguments)
        return OutputTerm(t.arrow, map(place, t.arguments), place(t.output))
    elseif kind == Schema.TERM_KIND_COLUMN
        only("term $number", t, :kind, :source, :column)
        return ColumnTerm(t.source, t.column)
    end
    choice("term $number, kind", kind, (:column, :output, :detach))
    only("term $number", t, :kind, :arguments)
    length(t.arguments) == 1 || refuse_file("term $number", "one argument, of a detach", string(length(t.arguments)))
    return DetachTerm(place(t.arguments[1]))
end

read_divergence(where, d::Schema.Divergence) = Divergence(d.name, read_attributes(where, d.attributes))
read_divergence(where, ::Nothing) = refuse_file(where, "a divergence", "none")

function read_agreement(a::Schema.Agreement)
    divergence = read_divergence(element("agreement", a.name), a.divergence)
    mask = a.mask === nothing ? nothing : place(a.mask.term)
    return Agreement(a.name, place(a.left), place(a.right), divergence, a.weight, mask)
end

function read_commute(c::Schema.Commute)
    where, start = element("commute", c.name), c.start
    c.divergence === nothing && refuse_file(where, "a divergence", "none")
    (start === nothing) == isempty(c.source) &&
        refuse_file(where, "a source or a term as its start", isempty(c.source) ? "neither" : "both")
    return Commute(c.name, start === nothing ? c.source : place(start.term), c.target, c.arrows,
                   read_divergence(where, c.divergence), c.weight, choice(inside(where, "pairing"), c.pairing, (STAR, ALL)),
                   whole(c.max_length), whole(c.max_paths))
end

"A diagram with the tables as they are; errors about the file as a whole are about `where`."
function read_diagram(where, d::Schema.Diagram)
    check_version(where, d)
    return Diagram(d.name, map(read_space, d.spaces), map(read_source, d.sources), map(read_component, d.components),
                   map(read_arrow, d.arrows), Term[read_term(k - 1, term) for (k, term) in enumerate(d.terms)],
                   map(read_agreement, d.agreements), map(read_commute, d.commutes),
                   [Output(output.name, place(output.term)) for output in d.outputs], Memo())
end

const DIAGRAM_FORMAT = "diagram_bridge"
const SCHEMA_VERSION = UInt32(1)

"Refuse a file of another format or schema version: nothing is guessed."
function check_version(where, d::Schema.Diagram)
    d.format == DIAGRAM_FORMAT || refuse_file("$where, format", quoted(DIAGRAM_FORMAT), quoted(d.format))
    d.schema_version == SCHEMA_VERSION && return nothing
    release = d.schema_version > SCHEMA_VERSION ? "a newer release" : "an older release, or none at all"
    refuse_file("$where, schema_version", string(SCHEMA_VERSION), "$(d.schema_version), of $release")
end

# What can be said of a layer graph without running it: its parameters and buffers, the kinds of its inputs, its values'
# shapes, and whether it is sound.

native(layer::PortableLayer) = definition(layer.operation, layer.version, "layer").make(layer.attributes)::Layer

"Whether a layer graph, whose attributes are sound, has parameters."
has_parameters(graph::LayerGraph) = any(node -> !isempty(parameter_names(native(node.layer))), graph.nodes)

"Whether it has buffers."
has_buffers(graph::LayerGraph) = any(node -> !isempty(buffer_names(native(node.layer))), graph.nodes)

"""
    graph_parameters(graph) -> Vector{Pair{String,Vector{Int}}}

The parameters of a graph by path, in node order, with their row-major shapes; a tied one is its owner.
"""
function graph_parameters(graph::LayerGraph)
    found, tied = Pair{String,Vector{Int}}[], Dict(graph.ties)
    for node in graph.nodes
        layer = native(node.layer)
        for (name, shape) in zip(parameter_names(layer), parameter_shapes(layer))
            path = "$(node.name).$name"
            haskey(tied, path) || push!(found, path => collect(Int, shape))
        end
    end
    return found
end

"""
    graph_input_kinds(graph) -> Vector{Tuple{InputKind,Union{Node,Nothing}}}

What each input of a sound graph has to be, with the node that says so: of indices the one with fewest classes.
"""
function graph_input_kinds(graph::LayerGraph)
    found = Tuple{InputKind,Union{Node,Nothing}}[(FLOATS, nothing) for _ in 1:graph.inputs]
    for node in graph.nodes
        layer = native(node.layer)
        for (place, value) in enumerate(node.inputs)
            value <= graph.inputs || continue
            kind, (known, first) = input_kind(layer, place), found[value]
            (first === nothing || kind.classes < known.classes) && (found[value] = (kind, node))
        end
    end
    return found
end

"How an error calls a node."
node_element(where, node::Node) = inside(where, "node", node.name, string(" (", node.layer.operation, ")"))

"""
    check_graph(graph, where)

Refuse a graph with unknown layers, wrong attributes, wrong arities, or values that nothing has made yet.
"""
function check_graph(graph::LayerGraph, where)
    length(graph.nodes) <= MAX_NODES || refuse(where, "at most $MAX_NODES nodes", string(length(graph.nodes)), "limit")
    0 <= graph.inputs <= MAX_ARITY || refuse(where, "at most $MAX_ARITY inputs", string(graph.inputs), "limit")
    names, values, inputs = Set{String}(), graph.inputs, Dict{Int,Tuple{InputKind,Node}}()
    for node in graph.nodes
        is_name(node.name) || check_name("node", node.name, "$where, a node's name")
        node.name in names && refuse(where, "nodes with different names", "two named $(quoted(node.name))", "duplicate")
        push!(names, node.name)
        check_node(node, values, where)
        check_kinds(node, graph.inputs, inputs, where)
        values += node.outputs
    end
    outputs = length(graph.outputs)
    1 <= outputs <= MAX_ARITY || refuse(where, "1 to $MAX_ARITY outputs", string(outputs), "layer")
    for value in graph.outputs
        1 <= value <= values ||
            refuse("$where, output", "a value from 0 to $(values - 1)", string(value - 1), "unknown")
        haskey(inputs, value) && inputs[value][1].name != FLOATS.name &&
            refuse("$where, output", FLOATS.text, of_node(value, inputs[value]...), "layer")
    end
    isempty(graph.ties) || check_ties(graph, where)
    return nothing
end

"Refuse a tie of or to what is not there, to what comes later or is tied itself, and between different shapes."
function check_ties(graph::LayerGraph, where)
    known, tied = Dict{String,Tuple{Int,String,Vector{Int}}}(), Dict{String,String}()
    for node in graph.nodes
        layer = native(node.layer)
        for (kind, names, shapes) in (("parameter", parameter_names(layer), parameter_shapes(layer)),
                                      ("buffer", buffer_names(layer), buffer_shapes(layer)))
            foreach((name, shape) -> known["$(node.name).$name"] = (length(known), kind, collect(Int, shape)), names, shapes)
        end
    end
    for (path, owner) in graph.ties
        element = "$where, tie $(quoted(path))"
        for name in (path, owner)
            haskey(known, name) || refuse(element, "parameters or buffers of the graph", quoted(name), "unknown")
        end
        haskey(tied, path) && refuse(element, "one owner", "$(quoted(tied[path])) and $(quoted(owner))", "duplicate")
        tied[path] = owner
        (place, kind, shape), (first_place, other, size) = known[path], known[owner]
        (kind, shape) == (other, size) ||
            refuse(element, "a $kind of shape $(shape_text(shape))",
                   "$(quoted(owner)), a $other of shape $(shape_text(size))", "layer")
        first_place < place || refuse(element, "an owner that comes before it", quoted(owner), "layer")
    end
    for (path, owner) in graph.ties
        haskey(tied, owner) &&
            refuse("$where, tie $(quoted(path))", "an owner that is not tied itself", quoted(owner), "layer")
    end
    return nothing
end

"Refuse a node that is wrong by itself, where `values` values exist before it."
function check_node(node::Node, values::Int, of)
    where = node_element(of, node)
    row = definition(node.layer.operation, node.layer.version, where)
    count = length(node.layer.attributes)
    count <= MAX_ATTRIBUTES || refuse(where, "at most $MAX_ATTRIBUTES attributes", string(count), "limit")
    check_attributes(where, row.attributes, node.layer.attributes)
    layer = row.make(node.layer.attributes)::Layer
    check_layer(layer, where)
    check_parameter_sizes(where, layer)
    least, outputs = length(input_kinds(layer)), number_of_outputs(layer)
    least <= length(node.inputs) <= (takes_more(layer) ? MAX_ARITY : least) ||
        refuse(where, arity(layer), string(length(node.inputs)), "layer")
    node.outputs == outputs ||
        refuse(where, "$outputs output$("s"^(outputs != 1))", string(node.outputs), "layer")
    for value in node.inputs
        1 <= value <= values || refuse(where, "values that were made before it",
                                       "input $(value - 1), of $values values made before it", "unknown")
    end
    return nothing
end

"""
Refuse a node that takes a value of another kind than it wants. The first `count` values are the graph's inputs, whose kinds
are added to `inputs`; what nodes make is float.
"""
function check_kinds(node::Node, count::Int, inputs::Dict{Int,Tuple{InputKind,Node}}, of)
    layer = native(node.layer)
    for (place, value) in enumerate(node.inputs)
        kind = input_kind(layer, place)
        if value > count
            kind.name == FLOATS.name ||
                refuse(node_element(of, node), "an input of the graph, for $(kind.text)",
                       "value $(value - 1), which a node makes", "layer")
            continue
        end
        known, first = get!(inputs, value, (kind, node))
        known.name == kind.name || refuse(node_element(of, node), kind.text, of_node(value, known, first), "layer")
    end
    return nothing
end

of_node(value::Int, kind::InputKind, node::Node) = "input $(value - 1), $(kind.text) of node $(quoted(node.name))"

"Refuse a parameter or buffer with more numbers than `MAX_VALUES`."
function check_parameter_sizes(where, layer::Layer)
    names = (parameter_names(layer)..., buffer_names(layer)...)
    shapes = (parameter_shapes(layer)..., buffer_shapes(layer)...)
    for (name, shape) in zip(names, shapes)
        bounded_product(shape) <= MAX_VALUES ||
            refuse("$where, parameter '$name'", "at most $MAX_VALUES numbers", shape_text(shape), "limit")
    end
    return nothing
end

"""
    infer_shapes(graph, inputs, where) -> Vector{SampleShape}

The shapes of a sound graph's outputs, for samples of these shapes; values that don't fit a layer are refused.
"""
function infer_shapes(graph::LayerGraph, inputs::Vector{SampleShape}, where)
    shapes = copy(inputs)
    for node in graph.nodes
        element = node_element(where, node)
        for made in sample_shapes(native(node.layer), element, shapes[node.inputs])
            sizes = filter(size -> size isa Int, made)
            (bounded_product(sizes) > MAX_VALUES || any(size -> size > MAX_SIZE, sizes)) &&
                refuse(element, "at most $MAX_VALUES numbers in a sample and $MAX_SIZE along an axis",
                       "a sample of shape $(shape_text(made))", "limit")
            push!(shapes, made)
        end
    end
    return shapes[graph.outputs]
end

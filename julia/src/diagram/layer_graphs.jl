# What can be said of a layer graph without running it: its parameters, its values' shapes, and whether it is sound.

native(layer::PortableLayer) = definition(layer.operation, layer.version, "layer").make(layer.attributes)::Layer

"Whether a layer graph, whose attributes are sound, has parameters."
has_parameters(graph::LayerGraph) = any(node -> !isempty(parameter_names(native(node.layer))), graph.nodes)

"""
    graph_parameters(graph) -> Vector{Pair{String,Vector{Int}}}

The parameters of a graph by path, in node order, with their row-major shapes.
"""
function graph_parameters(graph::LayerGraph)
    found = Pair{String,Vector{Int}}[]
    for node in graph.nodes
        layer = native(node.layer)
        for (name, shape) in zip(parameter_names(layer), parameter_shapes(layer))
            push!(found, "$(node.name).$name" => collect(Int, shape))
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
    names, values = Set{String}(), graph.inputs
    for node in graph.nodes
        is_name(node.name) || check_name("node", node.name, "$where, a node's name")
        node.name in names && refuse(where, "nodes with different names", "two named $(quoted(node.name))", "duplicate")
        push!(names, node.name)
        check_node(node, values, where)
        values += node.outputs
    end
    outputs = length(graph.outputs)
    1 <= outputs <= MAX_ARITY || refuse(where, "1 to $MAX_ARITY outputs", string(outputs), "layer")
    for value in graph.outputs
        1 <= value <= values ||
            refuse("$where, output", "a value from 0 to $(values - 1)", string(value - 1), "unknown")
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
    check_parameter_sizes(where, row.make(node.layer.attributes)::Layer)
    most = row.most_inputs === nothing ? MAX_ARITY : row.most_inputs
    row.least_inputs <= length(node.inputs) <= most || refuse(where, arity(row), string(length(node.inputs)), "layer")
    node.outputs == 1 || refuse(where, "1 output", string(node.outputs), "layer")
    for value in node.inputs
        1 <= value <= values || refuse(where, "values that were made before it",
                                       "input $(value - 1), of $values values made before it", "unknown")
    end
    return nothing
end

"Refuse a parameter with more numbers than `MAX_VALUES`."
function check_parameter_sizes(where, layer::Layer)
    for (name, shape) in zip(parameter_names(layer), parameter_shapes(layer))
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
        made = sample_shape(native(node.layer), element, shapes[node.inputs])::SampleShape
        sizes = filter(size -> size isa Int, made)
        (bounded_product(sizes) > MAX_VALUES || any(size -> size > MAX_SIZE, sizes)) &&
            refuse(element, "at most $MAX_VALUES numbers in a sample and $MAX_SIZE along an axis",
                   "a sample of shape $(shape_text(made))", "limit")
        push!(shapes, made)
    end
    return shapes[graph.outputs]
end

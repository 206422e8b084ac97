"""
The portable layers as values, for the bodies of components: `Layers.linear(64, 10)`, `Layers.chain(…)`. They have the names
and arguments of `bridge.layers` in Python.

```jldoctest
julia> using DiagramBridge

julia> Layers.chain(Layers.flatten(), Layers.linear(64, 10), Layers.relu())
flatten → linear(64, 10) → relu
```
"""
module Layers

using ..DiagramBridge: LayerGraph, Node, PortableLayer, check_attributes, check_graph, definition, input_kinds,
    number_of_outputs, quoted, refuse, resolve

"A layer by its operation's name, with defaults filled in."
function layer(operation::String, attributes::Pair...)
    where = "layer $(quoted(operation))"
    return PortableLayer(operation, 1, resolve(where, definition(operation, 1, where).attributes, attributes))
end

linear(inputs, outputs; bias = true, init = "kaiming_uniform") =
    layer("linear", "in" => inputs, "out" => outputs, "bias" => bias, "init" => init)
relu() = layer("relu")
sigmoid() = layer("sigmoid")
tanh() = layer("tanh")
leaky_relu(slope = 0.01) = layer("leaky_relu", "slope" => slope)
elu(alpha = 1.0) = layer("elu", "alpha" => alpha)
celu(alpha = 1.0) = layer("celu", "alpha" => alpha)
relu6() = layer("relu6")
silu() = layer("silu")
hardsigmoid() = layer("hardsigmoid")
mish() = layer("mish")
softplus() = layer("softplus")
gelu(approximate = "none") = layer("gelu", "approximate" => approximate)
softmax(axis = -1) = layer("softmax", "axis" => axis)
log_softmax(axis = -1) = layer("log_softmax", "axis" => axis)
layer_norm(shape; eps = 1e-5, affine = true) =
    layer("layer_norm", "shape" => shape isa Integer ? [shape] : shape, "eps" => eps, "affine" => affine)
batch_norm(features; eps = 1e-5, momentum = 0.1, affine = true, track = true) = layer(
    "batch_norm", "features" => features, "eps" => eps, "momentum" => momentum, "affine" => affine, "track" => track)
instance_norm(features; eps = 1e-5, momentum = 0.1, affine = false, track = false) = layer(
    "instance_norm", "features" => features, "eps" => eps, "momentum" => momentum, "affine" => affine, "track" => track)
group_norm(groups, features; eps = 1e-5, affine = true) =
    layer("group_norm", "groups" => groups, "features" => features, "eps" => eps, "affine" => affine)
dropout(p = 0.5) = layer("dropout", "p" => p)
embedding(entries, width; padding = -1) =
    layer("embedding", "entries" => entries, "width" => width, "padding" => padding)
flatten() = layer("flatten")
reshape(shape...) = layer("reshape", "shape" => shape)
identity() = layer("identity")
add() = layer("add")
multiply() = layer("multiply")

"""
    GraphBuilder(inputs = 1)

Writes a layer graph that branches. Calling it applies a layer to values, which are numbers, and gives a value, or a tuple
of them where the layer makes several; nodes are named "0", "1", … unless they are named. `graph(g, outputs...)` ends it.

```jldoctest
julia> using DiagramBridge

julia> g = Layers.GraphBuilder(1); x, = g.inputs;

julia> h = g(Layers.relu(), g(Layers.linear(8, 8), x; name = "first"));

julia> Layers.graph(g, g(Layers.add(), h, x))
linear(8, 8), relu, add
```
"""
struct GraphBuilder
    inputs::Vector{Int}
    nodes::Vector{Node}
    values::Base.RefValue{Int} # how many there are
end

GraphBuilder(inputs::Integer = 1) = GraphBuilder(collect(1:inputs), Node[], Ref(Int(inputs)))

function (g::GraphBuilder)(layer::PortableLayer, values::Int...; name = string(length(g.nodes)))
    outputs = number_of_outputs(native(layer))
    push!(g.nodes, Node(name, layer, collect(Int, values), outputs))
    g.values[] += outputs
    return outputs == 1 ? g.values[] : Tuple((g.values[] - outputs + 1):g.values[])
end

function native(layer::PortableLayer)
    where = "layer $(quoted(layer.operation))"
    row = definition(layer.operation, layer.version, where)
    check_attributes(where, row.attributes, layer.attributes)
    return row.make(layer.attributes)
end

function graph(g::GraphBuilder, outputs::Int...)
    made = LayerGraph(length(g.inputs), copy(g.nodes), collect(Int, outputs))
    check_graph(made, "layer graph")
    return made
end

"A layer as a graph of one node, taking `inputs` values (by default as few as it can); a graph as it is."
as_graph(body::LayerGraph, inputs = nothing) = body

function as_graph(body::PortableLayer, inputs = nothing)
    g = GraphBuilder(inputs === nothing ? length(input_kinds(native(body))) : inputs)
    return graph(g, g(body, g.inputs...)...)
end

"Layers, or graphs with one input and one output, one after the other; nodes are named \"0\", \"1\", …."
function chain(parts::Union{PortableLayer,LayerGraph}...)
    g = GraphBuilder(1)
    value = 1
    for (place, part) in enumerate(parts)
        inner = as_graph(part)
        inner.inputs == length(inner.outputs) == 1 ||
            refuse("chain", "parts with one input and one output",
                   "$(inner.inputs) and $(length(inner.outputs)) in part $(place - 1)", "layer")
        values = [value]
        for node in inner.nodes
            append!(values, g(node.layer, values[node.inputs]...))
        end
        value = values[inner.outputs[1]]
    end
    return graph(g, value)
end

end

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
# A size for each spatial axis; one stands for all.
each(sizes::Integer, axes) = fill(sizes, axes)
each(sizes, axes) = sizes

function convolution(name, axes, inputs, outputs, kernel; stride = 1, padding = 0, dilation = 1, groups = 1, bias = true,
                     init = "kaiming_uniform", more...)
    sizes = ("kernel" => kernel, "stride" => stride, "padding" => padding, "dilation" => dilation,
             (String(name) => value for (name, value) in more)...)
    return layer(name, "in" => inputs, "out" => outputs, (name => each(value, axes) for (name, value) in sizes)...,
                 "groups" => groups, "bias" => bias, "init" => init)
end

conv1d(inputs, outputs, kernel; options...) = convolution("conv1d", 1, inputs, outputs, kernel; options...)
conv2d(inputs, outputs, kernel; options...) = convolution("conv2d", 2, inputs, outputs, kernel; options...)
conv_transpose1d(inputs, outputs, kernel; output_padding = 0, options...) =
    convolution("conv_transpose1d", 1, inputs, outputs, kernel; output_padding = output_padding, options...)
conv_transpose2d(inputs, outputs, kernel; output_padding = 0, options...) =
    convolution("conv_transpose2d", 2, inputs, outputs, kernel; output_padding = output_padding, options...)

pool(name, axes, kernel, stride, padding, more...) =
    layer(name, "kernel" => each(kernel, axes), "stride" => each(stride, axes), "padding" => each(padding, axes), more...)

max_pool1d(kernel; stride = kernel, padding = 0) = pool("max_pool1d", 1, kernel, stride, padding)
max_pool2d(kernel; stride = kernel, padding = 0) = pool("max_pool2d", 2, kernel, stride, padding)
mean_pool1d(kernel; stride = kernel, padding = 0, count_padding = true) =
    pool("mean_pool1d", 1, kernel, stride, padding, "count_padding" => count_padding)
mean_pool2d(kernel; stride = kernel, padding = 0, count_padding = true) =
    pool("mean_pool2d", 2, kernel, stride, padding, "count_padding" => count_padding)
adaptive_max_pool1d(size) = layer("adaptive_max_pool1d", "size" => each(size, 1))
adaptive_max_pool2d(size) = layer("adaptive_max_pool2d", "size" => each(size, 2))
adaptive_mean_pool1d(size) = layer("adaptive_mean_pool1d", "size" => each(size, 1))
adaptive_mean_pool2d(size) = layer("adaptive_mean_pool2d", "size" => each(size, 2))
upsample2d(factor, mode = "nearest"; align_corners = false) =
    layer("upsample2d", "factor" => each(factor, 2), "mode" => mode, "align_corners" => align_corners)
pad(before, after; value = 0.0) = layer("pad", "before" => before, "after" => after, "value" => value)
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
subtract() = layer("subtract")
multiply() = layer("multiply")
divide() = layer("divide")
parameter(shape...; by = "add", init = "zeros") = layer("parameter", "shape" => shape, "by" => by, "init" => init)
constant(shape...; by = "add") = layer("constant", "shape" => shape, "by" => by)
scale(factor, shift = 0.0) = layer("scale", "factor" => factor, "shift" => shift)
power(exponent) = layer("power", "exponent" => exponent)
exp() = layer("exp")
log() = layer("log")
sqrt() = layer("sqrt")
abs() = layer("abs")
matmul() = layer("matmul")
concat(axis = -1) = layer("concat", "axis" => axis)
split(sizes...; axis = -1) = layer("split", "axis" => axis, "sizes" => sizes)
permute(axes...) = layer("permute", "axes" => axes)
slice(axis, start, stop, step = 1) = layer("slice", "axis" => axis, "start" => start, "stop" => stop, "step" => step)
mean(axes...; keep = false) = layer("mean", "axes" => axes, "keep" => keep)
sum(axes...; keep = false) = layer("sum", "axes" => axes, "keep" => keep)

rnn(inputs, hidden; nonlinearity = "tanh", options...) =
    recurrent("rnn", inputs, hidden, "nonlinearity" => nonlinearity; options...)
gru(inputs, hidden; options...) = recurrent("gru", inputs, hidden; options...)
lstm(inputs, hidden; options...) = recurrent("lstm", inputs, hidden; options...)
recurrent(operation, inputs, hidden, more...; biases = 2, reverse = false, lengths = false, initial = false) =
    layer(operation, "in" => inputs, "hidden" => hidden, "biases" => biases, "reverse" => reverse, "lengths" => lengths,
          "initial" => initial, more...)
attention(; causal = false, mask = "none", scale = 0.0) =
    layer("attention", "causal" => causal, "mask" => mask, "scale" => scale)
multi_head_attention(width, heads; key_width = width, value_width = width, bias = true, causal = false, key_mask = false,
                     mask = false, init = "xavier_uniform") =
    layer("multi_head_attention", "width" => width, "heads" => heads, "key_width" => key_width,
          "value_width" => value_width, "bias" => bias, "causal" => causal, "key_mask" => key_mask, "mask" => mask,
          "init" => init)

"""
    GraphBuilder(inputs = 1)

Writes a layer graph that branches. Calling it applies a layer to values, which are numbers, and gives a value, or a tuple
of them where the layer makes several; nodes are named "0", "1", … unless they are named. `graph(g, outputs...)` ends it;
with `ties`, such as `("1.weight" => "0.weight",)`, parameters are earlier ones.

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

function graph(g::GraphBuilder, outputs::Int...; ties = ())
    tied = sort!(Pair{String,String}[path => owner for (path, owner) in ties], by = first)
    made = LayerGraph(length(g.inputs), copy(g.nodes), collect(Int, outputs), tied)
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
    g, ties = GraphBuilder(1), Pair{String,String}[]
    value = 1
    for (place, part) in enumerate(parts)
        inner = as_graph(part)
        inner.inputs == length(inner.outputs) == 1 ||
            refuse("chain", "parts with one input and one output",
                   "$(inner.inputs) and $(length(inner.outputs)) in part $(place - 1)", "layer")
        values, names = [value], Dict{String,String}()
        for node in inner.nodes
            names[node.name] = string(length(g.nodes))
            append!(values, g(node.layer, values[node.inputs]...))
        end
        renamed(path) = ((node, own) = Base.split(path, '.'); "$(names[node]).$own")
        append!(ties, (renamed(path) => renamed(owner) for (path, owner) in inner.ties))
        value = values[inner.outputs[1]]
    end
    return graph(g, value; ties = ties)
end

end

"""
One operation of the portable layer set, with its attributes: what `operation`, `version` and attributes of a
`Schema.Layer` mean. Parameterless operations without attributes are empty structs.

Every layer has methods of `forward`, `pullback` and `sample_shape` (or `sample_shapes`). Arrays have their axes reversed
and the batch last, so that torch's `(N, a, b)` is `(b, a, N)` here, and a torch weight `(out, in)` is `(in, out)`. Element
types are Float32 or Float64; inputs of another kind than `FLOATS` are Int32, Int64 or Bool.
"""
abstract type Layer end

"""
    LayerMode(train, seed = 0, application = 0, layer = 0)

How a layer runs: in train mode or not, and what it draws from (semantics.md, "Freeze, detach, mode, chance"). `seed` is the
call's, `application` tells the applications of a diagram apart, `layer` the nodes of a graph.
"""
struct LayerMode
    train::Bool
    seed::UInt64
    application::UInt64
    layer::UInt64
end

LayerMode(train::Bool) = LayerMode(train, 0, 0, 0)

"""
    forward(layer, parameters::Tuple, inputs::Tuple, memory::Memory, mode::LayerMode) -> (values::Tuple, residual)

The values of `layer`, each an array of `memory` or an alias of an input, and what `pullback` needs besides. The layer's
buffers stand behind its parameters; in train mode they may be written, in test mode not.
"""
function forward end

"""
    pullback(layer, parameters, inputs, values, residual, dvalues, needs_inputs, needs_parameters, memory)
        -> (dinputs::Tuple, dparameters::Tuple)

The gradients of a scalar for the inputs and parameters of `layer`, given those for its values (`dvalues`); `nothing`
for those that are not needed. Each is an array of `memory`, or an alias of a `dvalue`. Nothing that is passed is
changed. Buffers are not passed: they may have changed since.
"""
function pullback end

"""
    parameter_names(layer) -> Tuple{Vararg{String}}

The last parts of the layer's parameter paths, in order.
"""
parameter_names(::Layer) = ()

"""
    parameter_shapes(layer) -> Tuple{Vararg{Dims}}

The row-major shapes of the layer's parameters, in the order of `parameter_names`. Julia's arrays have them reversed.
"""
parameter_shapes(::Layer) = ()

"""
    buffer_names(layer) -> Tuple{Vararg{String}}

The last parts of the paths of the layer's buffers: state that is not trained, such as running statistics.
"""
buffer_names(::Layer) = ()

"""
    buffer_shapes(layer) -> Tuple{Vararg{Dims}}

The row-major shapes of the layer's buffers, in the order of `buffer_names`.
"""
buffer_shapes(::Layer) = ()

"What values an input takes: `text` says it in an error. An index lies below `classes`."
struct InputKind
    name::String
    text::String
    classes::Int
end

const FLOATS = InputKind("float", "float values", 0)
const LENGTHS = InputKind("length", "lengths (int32 or int64)", 0)
const MASKS = InputKind("mask", "a mask (bool)", 0)

"An index space of at most so many classes."
indices_below(classes::Int) = InputKind("index", "indices (int32 or int64) of at most $classes classes", classes)

"""
    input_kinds(layer) -> Tuple{Vararg{InputKind}}

The kinds of the layer's inputs, one for each. Where `takes_more`, any number of inputs of the last kind may follow.
"""
input_kinds(::Layer) = (FLOATS,)

takes_more(::Layer) = false

"The kind of the input at a place, from 1."
input_kind(layer::Layer, place::Int) = (kinds = input_kinds(layer); kinds[min(place, length(kinds))])

"How many inputs a layer takes, in words."
function arity(layer::Layer)
    count = length(input_kinds(layer))
    return takes_more(layer) ? "$count or more inputs" : "$count input$("s"^(count != 1))"
end

"How many values a layer makes."
number_of_outputs(::Layer) = 1

"""
    check_layer(layer, where)

Refuse attributes that are right one by one but not together.
"""
check_layer(::Layer, where) = nothing

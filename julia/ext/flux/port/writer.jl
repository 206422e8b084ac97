# A layer graph while a Flux model is read.

"The value of a layer that gives a tuple; `nothing` stands for what no portable layer gives."
const Value = Union{Int,Tuple{Vararg{Union{Int,Nothing}}}}

struct Writer
    inputs::Int
    nodes::Vector{Node}
    shapes::Vector{SampleShape} # of all values
    weights::Dict{String,Array}
    ties::Vector{Pair{String,String}}
    taken::IdDict{Any,Tuple{String,Symbol}} # the path of an array of the model's, and the order it has there
    functions::Dict{Any,Any}
    names::Set{String}
end

Writer(inputs::Vector{SampleShape}, functions::Dict{Any,Any}) =
    Writer(length(inputs), Node[], copy(inputs), Dict{String,Array}(), Pair{String,String}[],
           IdDict{Any,Tuple{String,Symbol}}(), functions, Set{String}())

"""
A place in a model: `name` is what the graph calls it ("encoder:0"), `path` how Julia reaches it
(".layers.encoder.layers[1]").
"""
struct Place
    name::String
    path::String
end

below(at::Place, name, path) = Place(isempty(at.name) ? string(name) : string(at.name, ':', name), string(at.path, path))

"How a refusal calls a layer."
element_of(at::Place, layer) = "layer '$(isempty(at.path) ? "model" : "model$(at.path)")' ($(kind_of(layer)))"

kind_of(layer) = string(nameof(typeof(layer)))
kind_of(f::Function) = string(f)

refuse_layer(at::Place, layer, expected, found) = throw(BridgeError(element_of(at, layer), expected, found, "port"))
refuse_layer(at::Place, layer) =
    refuse_layer(at, layer,
                 "a layer that portable layers stand for, or to be told of what it does by functions = (f => layer,)",
                 layer isa Function ? "a function" : string(typeof(layer)))

"The one value that a layer is given."
single(::Writer, at::Place, layer, value::Int) = value
single(::Writer, at::Place, layer, value::Tuple) =
    refuse_layer(at, layer, "one array as its input", "a tuple of $(length(value)), as the layer before it gives")

"Add a node with these weights, axes reversed; its value."
function add!(w::Writer, at::Place, source, layer::PortableLayer, values::Tuple, weights...; name = at.name)
    name = isempty(name) ? "0" : name
    DiagramBridge.is_name(name) || refuse_layer(at, source, "a name without . , ( ) [ ] { } ~ # / and quotes", name)
    called, k = name, 1
    while called in w.names
        k += 1
        called = "$name$k"
    end
    push!(w.names, called)
    native, inputs = DiagramBridge.native(layer), collect(Int, values)
    kinds = map(v -> w.shapes[v], inputs)
    made = DiagramBridge.sample_shapes(native, element_of(at, source), SampleShape[kinds...])
    push!(w.nodes, Node(called, layer, inputs, length(made)))
    append!(w.shapes, made)
    for (parameter, array) in weights
        array isa Union{AbstractArray,Moved} && keep_array!(w, at, source, "$called.$parameter", array)
    end
    last = length(w.shapes)
    return length(made) == 1 ? last : Tuple((last - length(made) + 1):last)
end

"An array of the model's in the order that a portable layer has."
struct Moved
    of::AbstractArray
    array::AbstractArray
    order::Symbol
end

transposed(weight::AbstractMatrix) = Moved(weight, permutedims(weight), :transposed)
kernel(weight::AbstractArray) = Moved(weight, turned(weight), :turned)

keep_array!(w::Writer, at::Place, source, path::String, array::AbstractArray) =
    keep_array!(w, at, source, path, Moved(array, array, :plain))

function keep_array!(w::Writer, at::Place, source, path::String, moved::Moved)
    owner, order = get!(w.taken, moved.of, (path, moved.order))
    order === moved.order ||
        refuse_layer(at, source, "an array that is shared to be used in one way", "one that is also '$owner', $order")
    if owner == path
        w.weights[path] = own_array(w, at, source, moved.array)
    else
        push!(w.ties, path => owner)
    end
    return nothing
end

function own_array(w::Writer, at::Place, source, array::AbstractArray)
    types = unique([eltype(array); [eltype(known) for known in values(w.weights)]])
    length(types) == 1 && types[1] <: Union{Float32,Float64} ||
        refuse_layer(at, source, "numbers of one type, Float32 or Float64, in the whole model", join(types, " and "))
    return Array(array)
end

"A node in a layer that becomes several: it is called by its operation."
part!(w::Writer, at::Place, source, layer::PortableLayer, values::Tuple, weights...) =
    add!(w, at, source, layer, values, weights...; name = below(at, layer.operation, "").name)

"A node, and an activation after it."
function with_activation!(w::Writer, at::Place, source, activation, layer::PortableLayer, values::Tuple, weights...)
    activation === identity && return add!(w, at, source, layer, values, weights...)
    made = part!(w, at, source, layer, values, weights...)
    return activate!(w, at, source, activation, made isa Tuple ? made[1] : made)
end

function activate!(w::Writer, at::Place, source, activation, value::Int)
    activation === identity && return value
    known = get(w.functions, activation, nothing)
    layer = known isa PortableLayer ? known : portable_activation(activation)
    layer === nothing && refuse_layer(at, source, "an activation that portable layers have", string(activation))
    return part!(w, at, source, layer, (value,))
end

# A model of Float32 computes with its constants in Float32: what it writes as 1f-5 is 1e-5 there.
exact(x::Float32, T::Type) = T === Float32 ? parse(Float64, string(x)) : Float64(x)
exact(x::Real, ::Type) = Float64(x)

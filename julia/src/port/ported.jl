# Models of Flux's as portable layers, and back. What knows Flux is in ext/flux/port.

"""
A layer graph with the numbers of its parameters and buffers by path (`0.weight`), axes reversed as everywhere in Julia.

`inputs` and `outputs` are the row-major shapes of its samples, `type` is what all its numbers are.
"""
struct Ported
    graph::LayerGraph
    weights::Dict{String,Array}
    type::ElementType
    inputs::Vector{SampleShape}
    outputs::Vector{SampleShape}
end

function Base.show(io::IO, p::Ported)
    inputs, outputs = (join(map(shape_text, shapes), ", ") for shapes in (p.inputs, p.outputs))
    print(io, "Ported(", p.graph, ", ", type_name(p.type), ", ", inputs, " → ", outputs, ")")
end

"""
    from_flux(model, sizes...; functions = (), verify = true) -> Ported

A Flux model as portable layers: the same function of the same numbers, bit for bit. `sizes` has the size of one sample
for each input, as Julia has it and without the batch: `from_flux(Chain(Dense(4 => 8, relu), Dense(8 => 2)), (4,))`.

Layers are looked at by their type; the first that no portable layer stands for is refused with a `BridgeError`. What a
function of one's own does can't be seen, so that `functions` says it: `functions = (f => Layers.scale(2),)`. The result is
run beside the model, in test mode and on random numbers, before it is given (`verify = false` leaves that out). An
`Embedding` counts from 1 in Flux, and from 0 in the result, as in all diagrams; portable layers have initial values of
their own, which a Flux model says nothing of.
"""
from_flux(model, sizes...; functions = (), verify::Bool = true) =
    port_model(flux_engine("from_flux"), model, sizes, Dict{Any,Any}(functions), verify)

"""
    to_flux(ported) -> model
    to_flux(graph, weights) -> model

A layer graph as a Flux model with copies of these parameters and buffers, by path: a `Chain` where it is one, else a struct
that applies layers in the graph's order. Layers are Flux's own where those are the same function with the same gradient,
elsewhere they hold a portable layer. Dropout draws as Flux's does. Throws a `BridgeError` for weights that don't fit.
"""
to_flux(ported::Ported) = to_flux(ported.graph, ported.weights)
function to_flux(graph::LayerGraph, weights::AbstractDict)
    check_graph(graph, "layer graph")
    return make_model(flux_engine("to_flux"), graph, own_weights(graph, weights))
end

flux_engine(name) = get(ENGINES, "flux") do
    throw(BridgeError(name, "Flux in this session (`using Flux`, in Julia 1.9 or newer)", "none"))
end

"What the engine that knows the models makes of one, and of a graph."
function port_model end
function make_model end

"The parameters and buffers of each node, by node and name, once all are known to fit; a tied one is its owner's array."
function own_weights(graph::LayerGraph, weights::AbstractDict)
    found, taken, tied = Dict{String,Dict{String,Array}}(), Set{String}(), Dict(graph.ties)
    type = nothing
    for node in graph.nodes
        layer = native(node.layer)
        own = found[node.name] = Dict{String,Array}()
        names = (parameter_names(layer)..., buffer_names(layer)...)
        for (name, shape) in zip(names, (parameter_shapes(layer)..., buffer_shapes(layer)...))
            path = get(tied, "$(node.name).$name", "$(node.name).$name")
            where = "weight '$path'"
            array = get(weights, path, nothing)
            type === nothing && array !== nothing && (type = eltype(array))
            array isa Array && eltype(array) === type && type <: Union{Float32,Float64} && size(array) == reverse(shape) ||
                throw(BridgeError(where, "an array of $(something(type, "floats")) and size $(reverse(shape))",
                                  array === nothing ? "none" : summary(array)))
            own[name] = array
            push!(taken, path)
        end
    end
    extra = sort!(collect(setdiff(keys(weights), taken)))
    isempty(extra) || throw(BridgeError("weight '$(first(extra))'", "none", summary(weights[first(extra)])))
    return found
end

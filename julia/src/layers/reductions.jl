"""
A sum or mean over some axes. `places` counts them from the last axis of the sample, from 1; with `keep` they stay, with
size 1.
"""
abstract type Reduction <: Layer end

"The sum over some axes."
struct Sum <: Reduction
    places::Vector{Int}
    keep::Bool
end

"The mean over some axes."
struct Mean <: Reduction
    places::Vector{Int}
    keep::Bool
end

for R in (:Sum, :Mean)
    @eval $R(a::Attributes) = $R(.-attribute(a, "axes", Vector{Int}), attribute(a, "keep", Bool))
end

function sample_shape(layer::Reduction, where, inputs::Vector{SampleShape})
    shape = inputs[1]
    foreach(place -> has_axis(where, place, shape), layer.places)
    reduced(i) = length(shape) - i + 1 in layer.places
    layer.keep && return SampleShape([reduced(i) ? 1 : shape[i] for i in eachindex(shape)])
    return SampleShape([shape[i] for i in eachindex(shape) if !reduced(i)])
end

operation(::Sum) = "sum"
operation(::Mean) = "mean"

"The size of the value with the axes that are reduced kept."
function kept_size(layer::Reduction, x::Array{T,N}) where {T,N}
    maximum(layer.places) < N || refuse_axes(operation(layer), layer.places, N - 1)
    return ntuple(i -> i in layer.places ? 1 : size(x, i), N)
end

refuse_axes(operation::String, places::Vector{Int}, axes::Int) =
    throw(BridgeError("layer '$operation'", "a sample with the axes $(join(.-places, ", "))", "one of $axes axes"))

function forward(layer::Reduction, ::Tuple{}, inputs::Tuple{Array{T}}, memory::Memory, ::Any) where {T}
    x = inputs[1]
    kept = kept_size(layer, x)
    y = output!(memory, 1, T, layer.keep ? kept : without_places(layer, kept))
    sum_to!(reshape(y, kept), x)
    layer isa Mean && divide!(y, y, number_summed(layer, x))
    return (y,), nothing
end

without_places(layer::Reduction, kept::Dims) = Tuple([kept[i] for i in eachindex(kept) if !(i in layer.places)])
number_summed(layer::Reduction, x::Array) = prod([size(x, place) for place in layer.places])

function pullback(
    layer::Reduction, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    x = inputs[1]
    dx, dy = input_gradient!(memory, 1, T, size(x)), reshape(dvalues[1], kept_size(layer, x))
    layer isa Mean ? divide!(dx, dy, number_summed(layer, x)) : each!(d -> d, dx, dy)
    return (dx,), ()
end

divide!(y::Array{T}, x::Array{T}, n::Int) where {T} = each!(total -> total / T(n), y, x)

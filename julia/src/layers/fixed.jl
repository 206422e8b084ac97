"""
    Fixed(shape, by)

x + value, or x · value: a value that is not trained, with the axes of a sample, of which those of size 1 are repeated.
"""
struct Fixed{B<:Arithmetic} <: Layer
    shape::Vector{Int}
    by::B
end

Fixed(a::Attributes) =
    Fixed(attribute(a, "shape", Vector{Int}), attribute(a, "by", String) == "add" ? Add() : Multiply())

initial_fixed(a::Attributes, ::String) = ConstantValues(attribute(a, "by", String) == "add" ? 0 : 1)

buffer_names(::Fixed) = ("value",)
buffer_shapes(layer::Fixed) = (Tuple(layer.shape),)

sample_shape(layer::Fixed, where, inputs::Vector{SampleShape}) = sample_shape(Learned(layer.shape, layer.by), where, inputs)

function forward(
    layer::Fixed, buffers::Tuple{Array{T}}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any,
) where {T,N}
    x, value = inputs[1], as_sample(buffers[1])
    y = output!(memory, 1, T, size(x))
    combine!(layer.by, y, x, value)
    return (y,), value
end

function pullback(
    layer::Fixed, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, value::Array{T}, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple, memory::Memory,
) where {T,N}
    return (needs_inputs[1] ? input_gradient(layer.by, 1, (inputs[1], value), dvalues[1], memory) : nothing,), ()
end

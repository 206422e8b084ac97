"""
    Learned(shape, by)

x + value, or x · value: a learned value with the axes of a sample, of which those of size 1 are repeated.
"""
struct Learned{B<:Arithmetic} <: Layer
    shape::Vector{Int}
    by::B
end

Learned(a::Attributes) =
    Learned(attribute(a, "shape", Vector{Int}), attribute(a, "by", String) == "add" ? Add() : Multiply())

function initial_learned(a::Attributes, ::String)
    init = attribute(a, "init", String)
    return init == "normal" ? NormalValues(0.02, -1) : ConstantValues(init == "ones" ? 1 : 0)
end

parameter_names(::Learned) = ("value",)
parameter_shapes(layer::Learned) = (Tuple(layer.shape),)

function sample_shape(layer::Learned, where, inputs::Vector{SampleShape})
    shape, own = inputs[1], layer.shape
    length(shape) == length(own) && all(i -> own[i] == 1 || own[i] == shape[i], eachindex(own)) ||
        refuse_shape(where, "an input of shape $(shape_text(own)), but for axes of size 1", shape)
    return shape
end

"The value as one sample."
as_sample(value::Array) = reshape(value, (size(value)..., 1))

function forward(
    layer::Learned, parameters::Tuple{Array{T}}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any,
) where {T,N}
    x, value = inputs[1], as_sample(parameters[1])
    y = output!(memory, 1, T, size(x))
    combine!(layer.by, y, x, value)
    return (y,), nothing
end

function pullback(
    layer::Learned, parameters::Tuple{Array{T}}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing,
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, needs_parameters::Tuple{Bool}, memory::Memory,
) where {T,N}
    dy, both = dvalues[1], (inputs[1], as_sample(parameters[1]))
    dx = needs_inputs[1] ? input_gradient(layer.by, 1, both, dy, memory) : nothing
    needs_parameters[1] || return (dx,), (nothing,)
    dvalue = parameter_gradient!(memory, 1, T, size(parameters[1]))
    sum_to!(as_sample(dvalue), weighted(layer.by, dy, inputs[1], memory))
    return (dx,), (dvalue,)
end

weighted(::Add, dy::Array, ::Array, ::Memory) = dy
weighted(::Multiply, dy::Array{T}, x::Array{T}, memory::Memory) where {T} = each!(*, scratch!(memory, T, size(dy)), dy, x)

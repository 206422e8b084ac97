"A layer that adds a value to each sample, or multiplies each by one: `shape` and `by` say which."
abstract type WithValue{B<:Arithmetic} <: Layer end

"""
    Learned(shape, by)

x + value, or x · value: a learned value with the axes of a sample, of which those of size 1 are repeated.
"""
struct Learned{B} <: WithValue{B}
    shape::Vector{Int}
    by::B
end

"""
    Fixed(shape, by)

The same of a buffer, which is not trained.
"""
struct Fixed{B} <: WithValue{B}
    shape::Vector{Int}
    by::B
end

Learned(a::Attributes) = Learned(shape_and_operation(a)...)
Fixed(a::Attributes) = Fixed(shape_and_operation(a)...)

shape_and_operation(a::Attributes) =
    attribute(a, "shape", Vector{Int}), attribute(a, "by", String) == "add" ? Add() : Multiply()

function initial_learned(a::Attributes, ::String)
    init = attribute(a, "init", String)
    return init == "normal" ? NormalValues(0.02, -1) : ConstantValues(init == "ones" ? 1 : 0)
end

initial_fixed(a::Attributes, ::String) = ConstantValues(attribute(a, "by", String) == "add" ? 0 : 1)

parameter_names(::Learned) = ("value",)
parameter_shapes(layer::Learned) = (Tuple(layer.shape),)
buffer_names(::Fixed) = ("value",)
buffer_shapes(layer::Fixed) = (Tuple(layer.shape),)

function sample_shape(layer::WithValue, where, inputs::Vector{SampleShape})
    shape, own = inputs[1], layer.shape
    length(shape) == length(own) && all(i -> own[i] == 1 || own[i] == shape[i], eachindex(own)) ||
        refuse_shape(where, "an input of shape $(shape_text(own)), but for axes of size 1", shape)
    return shape
end

"The value as one sample."
as_sample(value::Array) = reshape(value, (size(value)..., 1))

# The pullback has no buffers: it takes the value from here.
function forward(
    layer::WithValue, values::Tuple{Array{T}}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any,
) where {T,N}
    x, value = inputs[1], as_sample(values[1])
    y = output!(memory, 1, T, size(x))
    combine!(layer.by, y, x, value)
    return (y,), value
end

function pullback(
    layer::WithValue, ::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, value::Array{T}, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    x, dy = inputs[1], dvalues[1]
    dx = needs_inputs[1] ? input_gradient(layer.by, 1, (x, value), dy, memory) : nothing
    return (dx,), map(needed -> needed ? value_gradient(layer, value, x, dy, memory) : nothing, needs_parameters)
end

function value_gradient(layer::Learned, value::Array{T}, x::Array{T}, dy::Array{T}, memory::Memory) where {T}
    dvalue = parameter_gradient!(memory, 1, T, Base.front(size(value)))
    sum_to!(as_sample(dvalue), weighted(layer.by, dy, x, memory))
    return dvalue
end

weighted(::Add, dy::Array, ::Array, ::Memory) = dy
weighted(::Multiply, dy::Array{T}, x::Array{T}, memory::Memory) where {T} = each!(*, scratch!(memory, T, size(dy)), dy, x)

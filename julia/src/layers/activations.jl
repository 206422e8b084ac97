"""
A layer that acts on each element alone. Its methods are `value(layer, x)` and `gradient(layer, x, y, dy)`, the
gradient for x where y is the value at x, both written without branches so that loops over them become vector
instructions. Formulas and subgradients are those of torch.nn.functional.
"""
abstract type Activation <: Layer end

sample_shape(::Activation, where, inputs::Vector{SampleShape}) = inputs[1]

function forward(layer::Activation, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x = inputs[1]
    y = output!(memory, 1, T, size(x))
    GC.@preserve x y apply!(layer, pointer(y), pointer(x), length(x))
    return (y,), nothing
end

function pullback(
    layer::Activation, ::Tuple{}, inputs::Tuple{Array{T,N}}, values::Tuple{Array{T,N}}, ::Nothing,
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    x, y, dy = inputs[1], values[1], dvalues[1]
    dx = input_gradient!(memory, 1, T, size(x))
    GC.@preserve x y dy dx begin
        apply_gradient!(layer, pointer(dx), pointer(x), pointer(y), pointer(dy), length(x))
    end
    return (dx,), ()
end

# The loops take pointers so that one compiled method serves arrays of every rank.
function apply!(layer::Activation, y::Ptr{T}, x::Ptr{T}, n::Int) where {T}
    parts(n, LEAST_PART) do first, last, _
        @simd ivdep for i in first:last
            unsafe_store!(y, value(layer, unsafe_load(x, i)), i)
        end
    end
end

function apply_gradient!(layer::Activation, dx::Ptr{T}, x::Ptr{T}, y::Ptr{T}, dy::Ptr{T}, n::Int) where {T}
    parts(n, LEAST_PART) do first, last, _
        @simd ivdep for i in first:last
            unsafe_store!(dx, gradient(layer, unsafe_load(x, i), unsafe_load(y, i), unsafe_load(dy, i)), i)
        end
    end
end

"max(x, 0), with the gradient 0 at 0."
struct Relu <: Activation end

@inline value(::Relu, x::T) where {T} = ifelse(x <= 0, zero(T), x)
@inline gradient(::Relu, x::T, y::T, dy::T) where {T} = ifelse(y <= 0, zero(T), dy)

"max(x, 0) + slope · min(x, 0), with the gradient `slope` at 0."
struct LeakyRelu <: Activation
    slope::Float64
end

@inline value(f::LeakyRelu, x::T) where {T} = ifelse(x > 0, x, x * T(f.slope))
@inline gradient(f::LeakyRelu, x::T, y::T, dy::T) where {T} = ifelse(x > 0, dy, dy * T(f.slope))

"min(max(x, 0), 6), with the gradient 0 at 0 and at 6."
struct Relu6 <: Activation end

@inline value(::Relu6, x::T) where {T} = at_most(at_least(x, zero(T)), T(6))
@inline gradient(::Relu6, x::T, y::T, dy::T) where {T} = ifelse((x > 0) & (x < 6), dy, zero(T))

"min(max(x + 3, 0), 6) / 6, with the gradient 0 at −3 and at 3."
struct Hardsigmoid <: Activation end

@inline value(::Hardsigmoid, x::T) where {T} = at_most(at_least(x + 3, zero(T)), T(6)) / 6
# torch's sixth is a Float32 in every precision; another one would differ by 3e-8 in Float64.
@inline gradient(::Hardsigmoid, x::T, y::T, dy::T) where {T} = ifelse((x > -3) & (x < 3), dy * T(1.0f0 / 6), zero(T))

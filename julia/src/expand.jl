"""
A value below which no column lies, as an argument beside others: one sample, repeated over the batch. Its second input is
one of the others, whose batch it takes.
"""
struct Expand <: Layer end

function forward(::Expand, ::Tuple{}, inputs::Tuple{Array{T,N},Array}, memory::Memory, ::Any) where {T,N}
    x, other = inputs
    n = size(other, ndims(other))
    y = output!(memory, 1, T, (Base.front(size(x))..., n))
    for j in 0:(n - 1)
        copyto!(y, j * length(x) + 1, x, 1, length(x))
    end
    return (y,), nothing
end

function pullback(
    ::Expand, ::Tuple{}, inputs::Tuple{Array{T,N},Array}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool,Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing, nothing), ()
    dx = input_gradient!(memory, 1, T, size(inputs[1]))
    sum_columns!(vec(dx), dvalues[1], length(dvalues[1]) ÷ length(dx))
    return (dx, nothing), ()
end

"The input itself."
struct Identity <: Layer end

forward(::Identity, ::Tuple{}, inputs::Tuple{Array}, ::Memory, ::Bool) = inputs, nothing

function pullback(
    ::Identity, ::Tuple{}, ::Tuple{Array}, ::Tuple, ::Nothing, dvalues::Tuple{Array}, needs_inputs::Tuple{Bool},
    ::Tuple{}, ::Memory,
)
    return (needs_inputs[1] ? dvalues[1] : nothing,), ()
end

"A layer that gives the same elements another shape; `sample_size(layer, x)` says which."
abstract type Reshaping <: Layer end

function forward(layer::Reshaping, ::Tuple{}, inputs::Tuple{Array}, ::Memory, ::Bool)
    x = inputs[1]
    return (reshape(x, (sample_size(layer, x)..., size(x, ndims(x)))),), nothing
end

function pullback(
    ::Reshaping, ::Tuple{}, inputs::Tuple{Array}, ::Tuple, ::Nothing, dvalues::Tuple{Array}, needs_inputs::Tuple{Bool},
    ::Tuple{}, ::Memory,
)
    return (needs_inputs[1] ? reshape(dvalues[1], size(inputs[1])) : nothing,), ()
end

"All axes of the sample become one."
struct Flatten <: Reshaping end
sample_size(::Flatten, x::Array{T,N}) where {T,N} = (prod(size(x)[1:N-1]),)

"The axes of the sample become those of the row-major `shape`, which has as many elements."
struct Reshape <: Reshaping
    shape::Vector{Int}
end

function sample_size(layer::Reshape, x::Array{T,N}) where {T,N}
    if prod(layer.shape) != prod(size(x)[1:N-1])
        throw(BridgeError("layer 'reshape'", "as many elements as in $(layer.shape)", "a sample of $(size(x)[1:N-1])"))
    end
    return Tuple(reverse(layer.shape))
end

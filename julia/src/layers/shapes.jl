"The input itself."
struct Identity <: Layer end

sample_shape(::Identity, where, inputs::Vector{SampleShape}) = inputs[1]

forward(::Identity, ::Tuple{}, inputs::Tuple{Array}, ::Memory, ::Any) = inputs, nothing

function pullback(
    ::Identity, ::Tuple{}, ::Tuple{Array}, ::Tuple, ::Nothing, dvalues::Tuple{Array}, needs_inputs::Tuple{Bool},
    ::Tuple{}, ::Memory,
)
    return (needs_inputs[1] ? dvalues[1] : nothing,), ()
end

"A layer that gives the same elements another shape; `sample_size(layer, x)` says which."
abstract type Reshaping <: Layer end

function forward(layer::Reshaping, ::Tuple{}, inputs::Tuple{Array}, ::Memory, ::Any)
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
sample_shape(::Flatten, where, inputs::Vector{SampleShape}) =
    length(inputs[1]) == 1 ? inputs[1] : SampleShape([number_of_values(where, inputs[1])])

sample_size(::Flatten, x::Array{T,N}) where {T,N} = (prod(size(x)[1:N-1]),)

"The axes of the sample become those of the row-major `shape`, which has as many elements."
struct Reshape <: Reshaping
    shape::Vector{Int}
end

function sample_shape(layer::Reshape, where, inputs::Vector{SampleShape})
    number_of_values(where, inputs[1]) == bounded_product(layer.shape) ||
        refuse_shape(where, "an input of $(prod(BigInt.(layer.shape))) numbers", inputs[1])
    return SampleShape(layer.shape)
end

function sample_size(layer::Reshape, x::Array{T,N}) where {T,N}
    if prod(layer.shape) != prod(size(x)[1:N-1])
        throw(BridgeError("layer 'reshape'", "as many elements as in $(layer.shape)", "a sample of $(size(x)[1:N-1])"))
    end
    return Tuple(reverse(layer.shape))
end

"""
    Dropout(p)

In train mode each number is 0 with probability p, else divided by 1 − p; in test mode it is the input.
"""
struct Dropout <: Layer
    p::Float64
end

Dropout(a::Attributes) = Dropout(attribute(a, "p", Float64))

sample_shape(::Dropout, where, inputs::Vector{SampleShape}) = inputs[1]

function forward(layer::Dropout, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, mode::LayerMode) where {T,N}
    x = inputs[1]
    y = output!(memory, 1, T, size(x))
    # A copy in test mode: whether a value is a view of another has to be known before the mode is.
    (mode.train && layer.p > 0) || return (copyto!(y, x),), nothing
    factors = scratch!(memory, T, size(x))
    draw_factors!(vec(factors), layer.p, mode)
    multiply!(y, x, factors)
    return (y,), factors
end

function pullback(
    ::Dropout, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, factors::Union{Array{T,N},Nothing},
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    factors === nothing && return (dvalues[1],), ()
    return (multiply!(input_gradient!(memory, 1, T, size(inputs[1])), dvalues[1], factors),), ()
end

function multiply!(y::Array{T}, x::Array{T}, factors::Array{T}) where {T}
    parts(length(y), LEAST_PART) do first, last, _
        @inbounds @simd ivdep for i in first:last
            y[i] = x[i] * factors[i]
        end
    end
    return y
end

"""
    draw_factors!(factors, p, mode)

What dropout multiplies with: 1 / (1 − p), or 0. Number i (from 0, in memory order, which is the row-major order of PyTorch)
has word i of a Philox4x64-10 stream, element i mod 4 of the block whose counter is (1 + i ÷ 4, layer, application, 0) and
whose key is (seed, 0); it is kept where (word >> 11) · 2⁻⁵³ ≥ p.
"""
function draw_factors!(factors::Vector{T}, p::Float64, mode::LayerMode) where {T}
    p == 1 && return fill!(factors, zero(T))
    # p · 2⁵³ is exact, so this compares words as the uniform numbers would be.
    threshold, factor, n = ceil(UInt64, p * 2.0^53) << 11, T(1 / (1 - p)), length(factors)
    parts(cld(n, 4), LEAST_PART ÷ 16) do first, last, _
        for b in first:last
            words = philox((b % UInt64, mode.layer, mode.application, UInt64(0)), (mode.seed, UInt64(0)))
            for k in 1:min(4, n - 4 * (b - 1))
                @inbounds factors[4 * (b - 1) + k] = ifelse(words[k] >= threshold, factor, zero(T))
            end
        end
    end
    return factors
end

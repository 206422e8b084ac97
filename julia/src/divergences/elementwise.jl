# Measures of pairs of numbers: `pair_value` of each pair, its derivative for the left one `left_slope`, and that for the
# right one, `right_slope`.

"(l − r)²"
struct SquaredError <: ElementMeasure end

@inline pair_value(::SquaredError, l::T, r::T) where {T} = (l - r) * (l - r)
@inline left_slope(::SquaredError, l::T, r::T) where {T} = 2 * (l - r)

"abs(l − r); the derivative at 0 is 0."
struct AbsoluteError <: ElementMeasure end

@inline pair_value(::AbsoluteError, l::T, r::T) where {T} = abs(l - r)
@inline left_slope(::AbsoluteError, l::T, r::T) where {T} = sign(l - r)

"u²/2 where abs(u) ≤ delta, else delta · (abs(u) − delta/2), with u = l − r."
struct HuberError <: ElementMeasure
    delta::Float64
end

@inline function pair_value(d::HuberError, l::T, r::T) where {T}
    u, delta = abs(l - r), T(d.delta)
    return ifelse(u > delta, delta * (u - delta / 2), u * u / 2)
end
@inline left_slope(d::HuberError, l::T, r::T) where {T} = at_most(at_least(l - r, T(-d.delta)), T(d.delta))

"max(l, 0) − l·r + log1p(exp(−abs(l))): l are logits, r probabilities."
struct BinaryCrossEntropy <: ElementMeasure end

@inline pair_value(::BinaryCrossEntropy, l::T, r::T) where {T} =
    at_least(l, zero(T)) - l * r + vector_log1p(vector_exp(-abs(l)))
@inline left_slope(::BinaryCrossEntropy, l::T, r::T) where {T} = vector_sigmoid(l) - r

@inline right_slope(d::ElementMeasure, l::T, r::T) where {T} = -left_slope(d, l, r)
@inline right_slope(::BinaryCrossEntropy, l::T, ::T) where {T} = -l

element_values(d::ElementMeasure, left::Array{T}, right::Array{T}) where {T} =
    vec(map((l, r) -> pair_value(d, l, r), left, right))

# Sums of so many numbers of type T are added up in Float64: fast, and as exact as a pairwise sum.
const SUM_BLOCK = 1024

function block_sum(d::ElementMeasure, left::Array{T}, right::Array{T}, first::Int, last::Int) where {T}
    total = 0.0
    for start in first:SUM_BLOCK:last
        part = zero(T)
        @inbounds @simd for j in start:min(start + SUM_BLOCK - 1, last)
            part += pair_value(d, left[j], right[j])
        end
        total += Float64(part)
    end
    return total
end

weighted_sum(d::ElementMeasure, left::Array{T}, right::Array{T}, ::Uniform) where {T} =
    block_sum(d, left, right, 1, length(left))

function weighted_sum(d::ElementMeasure, left::Array{T}, right::Array{T}, w::PerSample) where {T}
    total = 0.0
    for sample in eachindex(w.mask)
        before = (sample - 1) * w.elements
        total += Float64(w.mask[sample]) * block_sum(d, left, right, before + 1, before + w.elements)
    end
    return total
end

function weighted_sum(d::ElementMeasure, left::Array{T}, right::Array{T}, w::PerElement) where {T}
    total = 0.0
    @inbounds @simd for j in eachindex(left, right)
        total += weight(w, j) * Float64(pair_value(d, left[j], right[j]))
    end
    return total
end

function gradients!(
    d::ElementMeasure, dleft::Union{Array{T},Nothing}, dright::Union{Array{T},Nothing}, left::Array{T},
    right::Array{T}, w::ElementWeights, scale::Float64,
) where {T}
    dleft === nothing || slopes!(left_slope, d, dleft, left, right, w, scale)
    dright === nothing || slopes!(right_slope, d, dright, left, right, w, scale)
    return nothing
end

function slopes!(
    slope::F, d::ElementMeasure, dx::Array{T}, left::Array{T}, right::Array{T}, ::Uniform, scale::Float64,
) where {F,T}
    factor = T(scale)
    @inbounds @simd ivdep for j in eachindex(dx, left, right)
        dx[j] = factor * slope(d, left[j], right[j])
    end
end

function slopes!(
    slope::F, d::ElementMeasure, dx::Array{T}, left::Array{T}, right::Array{T}, w::PerElement, scale::Float64,
) where {F,T}
    @inbounds @simd ivdep for j in eachindex(dx, left, right)
        dx[j] = T(weight(w, j) * scale) * slope(d, left[j], right[j])
    end
end

function slopes!(
    slope::F, d::ElementMeasure, dx::Array{T}, left::Array{T}, right::Array{T}, w::PerSample, scale::Float64,
) where {F,T}
    for sample in eachindex(w.mask)
        factor = T(Float64(w.mask[sample]) * scale)
        before = (sample - 1) * w.elements
        @inbounds @simd ivdep for j in before+1:before+w.elements
            dx[j] = factor * slope(d, left[j], right[j])
        end
    end
end

"""
    KullbackLeibler(temperature, place)

T² Σ p (log p − log q) with p = softmax(r/T), q = softmax(l/T), both logits, and 0·log 0 = 0. (Hinton, Vinyals and Dean,
arXiv 1503.02531, for T²)
"""
struct KullbackLeibler <: ColumnMeasure
    temperature::Float64
    place::Int
end

"log q and log p"
function log_probabilities!(d::KullbackLeibler, s::ColumnScratch{T}) where {T}
    temperature = T(d.temperature)
    if temperature != 1
        s.left ./= temperature
        s.right ./= temperature
    end
    return log_softmax!(s.of_left, s.left), log_softmax!(s.of_right, s.right)
end

# Where p is 0 the difference of the logarithms may be infinite, or NaN.
@inline log_ratio(p::T, log_p::T, log_q::T) where {T} = ifelse(p == 0, zero(T), log_p - log_q)

function untempered(log_q::Vector{T}, log_p::Vector{T}) where {T}
    total = zero(T)
    @inbounds @simd for k in eachindex(log_q, log_p)
        p = vector_exp(log_p[k])
        total += p * log_ratio(p, log_p[k], log_q[k])
    end
    return total
end

function column_value(d::KullbackLeibler, s::ColumnScratch{T}, ::Vector{T}) where {T}
    return T(d.temperature * d.temperature) * untempered(log_probabilities!(d, s)...)
end

function column_gradients!(d::KullbackLeibler, s::ColumnScratch{T}, ::Vector{T}, weight::T) where {T}
    log_q, log_p = log_probabilities!(d, s)
    mean = untempered(log_q, log_p)
    factor = weight * T(d.temperature) # T² from the value, 1/T from the logits
    @inbounds @simd ivdep for k in eachindex(log_q, log_p)
        p = vector_exp(log_p[k])
        s.dleft[k] = factor * (vector_exp(log_q[k]) - p)
        s.dright[k] = factor * (p * (log_ratio(p, log_p[k], log_q[k]) - mean))
    end
    return T(d.temperature * d.temperature) * mean
end

"""
    CrossEntropy(smoothing, place)

−Σ q log softmax(l) with q = (1 − smoothing) r + smoothing / K over K classes, r one-hot for a class index.
"""
struct CrossEntropy <: ColumnMeasure
    smoothing::Float64
    place::Int
end

accepts_indices(::CrossEntropy) = true

column_value(d::CrossEntropy, s::ColumnScratch{T}, right) where {T} =
    entropy(d, log_softmax!(s.of_left, s.left), right)

function entropy(d::CrossEntropy, log_p::Vector{T}, class::Int) where {T}
    chosen = @inbounds -log_p[class]
    d.smoothing == 0 && return chosen # 0 times an infinity would be NaN
    return T(1 - d.smoothing) * chosen - T(d.smoothing / length(log_p)) * sum(log_p)
end

function entropy(d::CrossEntropy, log_p::Vector{T}, right::Vector{T}) where {T}
    kept, spread = T(1 - d.smoothing), T(d.smoothing / length(log_p))
    total = zero(T)
    @inbounds @simd for k in eachindex(log_p, right)
        total -= (kept * right[k] + spread) * log_p[k]
    end
    return total
end

function column_gradients!(d::CrossEntropy, s::ColumnScratch{T}, class::Int, weight::T) where {T}
    log_p = log_softmax!(s.of_left, s.left)
    spread = T(d.smoothing / length(log_p))
    @inbounds @simd ivdep for k in eachindex(log_p, s.dleft)
        s.dleft[k] = weight * (vector_exp(log_p[k]) - spread)
    end
    @inbounds s.dleft[class] -= weight * T(1 - d.smoothing)
    return entropy(d, log_p, class)
end

function column_gradients!(d::CrossEntropy, s::ColumnScratch{T}, right::Vector{T}, weight::T) where {T}
    log_p = log_softmax!(s.of_left, s.left)
    kept, spread = T(1 - d.smoothing), T(d.smoothing / length(log_p))
    total = kept * sum(right) + T(d.smoothing) # Σ q, which is 1 only for a distribution
    @inbounds @simd ivdep for k in eachindex(log_p, right)
        s.dleft[k] = weight * (total * vector_exp(log_p[k]) - (kept * right[k] + spread))
        s.dright[k] = -weight * kept * log_p[k]
    end
    return entropy(d, log_p, right)
end

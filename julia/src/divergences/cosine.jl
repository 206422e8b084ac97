"""
    CosineDistance(place)

1 − l·r / (max(‖l‖, 1e-8) · max(‖r‖, 1e-8)).
"""
struct CosineDistance <: ColumnMeasure
    place::Int
end

const LEAST_NORM = 1e-8

"y = x / max(‖x‖, 1e-8); returns ‖x‖"
function normalise!(y::AbstractVector{T}, x::AbstractVector{T}) where {T}
    squares = zero(T)
    @inbounds @simd for k in eachindex(x)
        squares += x[k] * x[k]
    end
    norm = sqrt(squares)
    divisor = at_least(norm, T(LEAST_NORM))
    @inbounds @simd ivdep for k in eachindex(x, y)
        y[k] = x[k] / divisor
    end
    return norm
end

"The gradient for x, given the gradient `dy` for y = x / max(‖x‖, 1e-8)."
function normalise_gradient!(dx::AbstractVector{T}, dy::AbstractVector{T}, y::AbstractVector{T}, norm::T) where {T}
    along = zero(T)
    if norm >= T(LEAST_NORM)
        @inbounds @simd for k in eachindex(y, dy)
            along += y[k] * dy[k]
        end
    end
    divisor = at_least(norm, T(LEAST_NORM))
    @inbounds @simd ivdep for k in eachindex(dx, dy, y)
        dx[k] = (dy[k] - along * y[k]) / divisor
    end
    return dx
end

function column_value(::CosineDistance, s::ColumnScratch{T}, right::Vector{T}) where {T}
    normalise!(s.of_left, s.left)
    normalise!(s.of_right, right)
    return distance(s)
end

"1 − l̂·r̂ of the normalised columns."
function distance(s::ColumnScratch{T}) where {T}
    total = zero(T)
    @inbounds @simd for k in eachindex(s.of_left, s.of_right)
        total += s.of_left[k] * s.of_right[k]
    end
    return 1 - total
end

function column_gradients!(::CosineDistance, s::ColumnScratch{T}, right::Vector{T}, weight::T) where {T}
    left_norm, right_norm = normalise!(s.of_left, s.left), normalise!(s.of_right, right)
    s.left .= .-weight .* s.of_right
    s.right .= .-weight .* s.of_left
    normalise_gradient!(s.dleft, s.left, s.of_left, left_norm)
    normalise_gradient!(s.dright, s.right, s.of_right, right_norm)
    return distance(s)
end

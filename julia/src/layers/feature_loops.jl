# Loops over the values of each feature of an array (inner, features, samples), as vectors in memory order. Without other
# axes (inner is 1) the features lie next to each other, and a loop runs over them; else over the values of one.

"""
    feature_sums!(f, sums, T, s)

Let `sums[c]` be the sum of `f(c)(i)`, of type `T`, over the places `i` of the values of feature `c`.
"""
function feature_sums!(f::F, sums::Vector{Float64}, ::Type{T}, s::FeatureSizes) where {F,T}
    parts(s.features, least_features(s)) do first, last, _
        s.inner == 1 ? sum_rows!(f, sums, s, first, last) : sum_segments!(f, sums, T, s, first, last)
    end
end

least_features(s::FeatureSizes) = cld(LEAST_PART, max(1, s.inner * s.samples))

function sum_rows!(f::F, sums::Vector{Float64}, s::FeatureSizes, first::Int, last::Int) where {F}
    @inbounds for c in first:last
        sums[c] = 0
    end
    whole = s.samples - s.samples % 8
    for n in 0:8:whole-1 # eight in a pass: fewer additions in double precision
        @inbounds @simd ivdep for c in first:last
            g, i, k = f(c), n * s.features + c, s.features
            low = (g(i) + g(i + k)) + (g(i + 2k) + g(i + 3k))
            sums[c] += low + ((g(i + 4k) + g(i + 5k)) + (g(i + 6k) + g(i + 7k)))
        end
    end
    for n in whole:s.samples-1
        @inbounds @simd ivdep for c in first:last
            sums[c] += f(c)(n * s.features + c)
        end
    end
end

# Each segment is summed in `T`, and the segments in double precision.
function sum_segments!(f::F, sums::Vector{Float64}, ::Type{T}, s::FeatureSizes, first::Int, last::Int) where {F,T}
    for c in first:last
        total, g = 0.0, f(c)
        for n in 0:s.samples-1
            offset, part = (n * s.features + c - 1) * s.inner, zero(T)
            @inbounds @simd for i in offset+1:offset+s.inner
                part += g(i)
            end
            total += part
        end
        @inbounds sums[c] = total
    end
end

"Let `y[i]` be `f(c)(i)` for the places `i` of the values of each feature `c`."
function feature_map!(f::F, y::Vector, s::FeatureSizes) where {F}
    parts(s.features, least_features(s)) do first, last, _
        s.inner == 1 ? map_rows!(f, y, s, first, last) : map_segments!(f, y, s, first, last)
    end
end

function map_rows!(f::F, y::Vector, s::FeatureSizes, first::Int, last::Int) where {F}
    for n in 0:s.samples-1
        @inbounds @simd ivdep for c in first:last
            y[n * s.features + c] = f(c)(n * s.features + c)
        end
    end
end

function map_segments!(f::F, y::Vector, s::FeatureSizes, first::Int, last::Int) where {F}
    for c in first:last
        g = f(c)
        for n in 0:s.samples-1
            offset = (n * s.features + c - 1) * s.inner
            @inbounds @simd ivdep for i in offset+1:offset+s.inner
                y[i] = g(i)
            end
        end
    end
end

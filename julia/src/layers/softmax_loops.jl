# The loops of softmax and log_softmax over one column of n classes, and over a slab of rows × n whose softmax is taken
# across the columns.

# Bits of a float as an integer of the same order, NaN above all: only a maximum of integers becomes vector
# instructions.
@inline function ordered_bits(x::T) where {T<:Float}
    i = reinterpret(bits(T), x)
    return i ⊻ ((i >> (8sizeof(T) - 1)) & typemax(bits(T)))
end
@inline from_ordered_bits(::Type{T}, i::Integer) where {T<:Float} =
    reinterpret(T, i ⊻ ((i >> (8sizeof(T) - 1)) & typemax(bits(T))))

# Julia 1.5 calls what it found compiled in the package's cache through boxed arguments: where that is done for each column,
# it costs as much as a short column, and these loops are inlined.
function column_maximum(x::Ptr{T}, n::Int) where {T}
    top = typemin(bits(T))
    @simd for i in 1:n
        top = max(top, ordered_bits(unsafe_load(x, i)))
    end
    return from_ordered_bits(T, top)
end

@inline softmax_column!(::Softmax, y::Ptr, x::Ptr, n::Int) = softmax_below!(y, x, n, column_maximum(x, n))

@inline function softmax_below!(y::Ptr{T}, x::Ptr{T}, n::Int, top::T) where {T}
    total = zero(T)
    @simd ivdep for i in 1:n
        e = vector_exp(unsafe_load(x, i) - top)
        unsafe_store!(y, e, i)
        total += e
    end
    scale = inv(total)
    @simd ivdep for i in 1:n
        unsafe_store!(y, unsafe_load(y, i) * scale, i)
    end
end

@inline function softmax_column!(::LogSoftmax, y::Ptr{T}, x::Ptr{T}, n::Int) where {T}
    top, total = column_maximum(x, n), zero(T)
    @simd ivdep for i in 1:n
        total += vector_exp(unsafe_load(x, i) - top)
    end
    # Not x − (top + log): that loses the logarithm where top is large.
    logarithm = vector_log(total)
    @simd ivdep for i in 1:n
        unsafe_store!(y, (unsafe_load(x, i) - top) - logarithm, i)
    end
end

@inline function softmax_column_gradient!(::Softmax, dx::Ptr{T}, y::Ptr{T}, dy::Ptr{T}, n::Int) where {T}
    total = zero(T)
    @simd ivdep for i in 1:n
        total = muladd(unsafe_load(dy, i), unsafe_load(y, i), total)
    end
    @simd ivdep for i in 1:n
        unsafe_store!(dx, (unsafe_load(dy, i) - total) * unsafe_load(y, i), i)
    end
end

@inline function softmax_column_gradient!(::LogSoftmax, dx::Ptr{T}, y::Ptr{T}, dy::Ptr{T}, n::Int) where {T}
    total = zero(T)
    @simd ivdep for i in 1:n
        total += unsafe_load(dy, i)
    end
    @simd ivdep for i in 1:n
        unsafe_store!(dx, muladd(-vector_exp(unsafe_load(y, i)), total, unsafe_load(dy, i)), i)
    end
end

function slab_maxima!(maxima::Vector{T}, x::Ptr{T}, rows::Int, n::Int) where {T}
    fill!(maxima, T(-Inf))
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            maxima[i] = at_least(maxima[i], unsafe_load(x, k * rows + i))
        end
    end
end

function softmax_slab!(
    ::Softmax, y::Ptr{T}, x::Ptr{T}, rows::Int, n::Int, maxima::Vector{T}, sums::Vector{T},
) where {T}
    slab_maxima!(maxima, x, rows, n)
    fill!(sums, zero(T))
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            e = vector_exp(unsafe_load(x, k * rows + i) - maxima[i])
            unsafe_store!(y, e, k * rows + i)
            sums[i] += e
        end
    end
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            unsafe_store!(y, unsafe_load(y, k * rows + i) / sums[i], k * rows + i)
        end
    end
end

function softmax_slab!(
    ::LogSoftmax, y::Ptr{T}, x::Ptr{T}, rows::Int, n::Int, maxima::Vector{T}, sums::Vector{T},
) where {T}
    slab_maxima!(maxima, x, rows, n)
    fill!(sums, zero(T))
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            sums[i] += vector_exp(unsafe_load(x, k * rows + i) - maxima[i])
        end
    end
    map!(log, sums, sums)
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            unsafe_store!(y, (unsafe_load(x, k * rows + i) - maxima[i]) - sums[i], k * rows + i)
        end
    end
end

function softmax_slab_gradient!(
    ::Softmax, dx::Ptr{T}, y::Ptr{T}, dy::Ptr{T}, rows::Int, n::Int, sums::Vector{T},
) where {T}
    fill!(sums, zero(T))
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            sums[i] = muladd(unsafe_load(dy, k * rows + i), unsafe_load(y, k * rows + i), sums[i])
        end
    end
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            unsafe_store!(dx, (unsafe_load(dy, k * rows + i) - sums[i]) * unsafe_load(y, k * rows + i), k * rows + i)
        end
    end
end

function softmax_slab_gradient!(
    ::LogSoftmax, dx::Ptr{T}, y::Ptr{T}, dy::Ptr{T}, rows::Int, n::Int, sums::Vector{T},
) where {T}
    fill!(sums, zero(T))
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            sums[i] += unsafe_load(dy, k * rows + i)
        end
    end
    for k in 0:n-1
        @inbounds @simd ivdep for i in 1:rows
            e = vector_exp(unsafe_load(y, k * rows + i))
            unsafe_store!(dx, muladd(-e, sums[i], unsafe_load(dy, k * rows + i)), k * rows + i)
        end
    end
end

# Sums over axes. Neighbouring axes that are both kept or both summed over are one (walks.jl), so kept axes and others take
# turns; the loops are over the first two.

"Set `total` to the sum of `a` over the axes that have size 1 in `total`, and more in `a`."
function sum_to!(total::Array{T}, a::Array{T}) where {T}
    fill!(total, zero(T))
    GC.@preserve total a isempty(a) || add_axes!(pointer(total), sizes_of(total), pointer(a), sizes_of(a))
    return total
end

function add_axes!(total::Ptr{T}, sizes::Vector{Int}, a::Ptr{T}, sizes_a::Vector{Int}) where {T}
    walk = Walk(sizes_a, strides_of(sizes), strides_of(sizes_a))
    kept, table, axes = walk.strides[1], table_of(walk), length(walk.sizes)
    steps = Steps{2}(pointer(table))
    # No two threads may add to one sum: they share out the longest axis that is kept.
    shared = argmax([kept[i] == 0 ? 0 : walk.sizes[i] for i in 1:axes])
    whole = walk.sizes[shared]
    elements, step, step_a = prod(walk.sizes) ÷ whole, kept[shared], walk.strides[2][shared]
    part(first, last) = add_along!(total + (first - 1) * step * sizeof(T), a + (first - 1) * step_a * sizeof(T), steps, axes,
                                   shared, last - first + 1)
    GC.@preserve table if step == 0
        part(1, whole) # all is one sum
    else
        parts((first, last, _) -> part(first, last), whole, cld(LEAST_PART, elements))
    end
    return nothing
end

"Add up the first `axis` axes, of which the `shared` one has `count` elements."
function add_along!(total::Ptr{T}, a::Ptr{T}, steps::Steps{2}, axis::Int, shared::Int, count::Int) where {T}
    size = axis == shared ? count : size_along(steps, axis)
    first = shared == 1 ? count : size_along(steps, 1)
    if axis <= 2
        n, step = axis == 1 ? (1, 0) : (size, stride_along(steps, 2, 2))
        stride_along(steps, 1, 1) == 0 ? add_runs!(total, a, first, n, step) : add_columns!(total, a, first, n, step)
    else
        for i in 0:(size - 1)
            add_along!(total + i * stride_along(steps, axis, 1) * sizeof(T),
                       a + i * stride_along(steps, axis, 2) * sizeof(T), steps, axis - 1, shared, count)
        end
    end
    return nothing
end

"Add the sum of each of `count` runs of `n` elements, `step` apart, to an element of `total`."
function add_runs!(total::Ptr{T}, a::Ptr{T}, n::Int, count::Int, step::Int) where {T}
    # Four at a time, so that additions do not wait for each other. The last ones go the same way, with a run repeated:
    # otherwise a sum's rounding would depend on which runs a thread has.
    for j in 0:4:(count - 1)
        p, q, r, s = ntuple(k -> a + min(j + k - 1, count - 1) * step * sizeof(T), Val(4))
        for start in 0:SUMMED_TOGETHER:(n - 1)
            t = u = v = w = zero(T)
            @simd for i in (start + 1):min(start + SUMMED_TOGETHER, n)
                t += unsafe_load(p, i)
                u += unsafe_load(q, i)
                v += unsafe_load(r, i)
                w += unsafe_load(s, i)
            end
            add_element!(total, j + 1, t)
            j + 1 < count && add_element!(total, j + 2, u)
            j + 2 < count && add_element!(total, j + 3, v)
            j + 3 < count && add_element!(total, j + 4, w)
        end
    end
end

# Sums of sums have smaller errors.
const SUMMED_TOGETHER = 2048

"The sum of `n` elements that lie together."
function sum_of_run(x::Ptr{T}, n::Int) where {T}
    total = zero(T)
    for start in 0:SUMMED_TOGETHER:(n - 1)
        part = zero(T)
        @simd for i in (start + 1):min(start + SUMMED_TOGETHER, n)
            part += unsafe_load(x, i)
        end
        total += part
    end
    return total
end

@inline add_element!(total::Ptr{T}, i::Int, x::T) where {T} = unsafe_store!(total, unsafe_load(total, i) + x, i)

"Add `count` runs of `n` elements, `step` apart, to the `n` elements of `total`."
function add_columns!(total::Ptr{T}, a::Ptr{T}, n::Int, count::Int, step::Int) where {T}
    for j in 0:8:(count - 8) # eight in a pass: less to load and to store
        p, q, r, s, t, u, v, w = ntuple(k -> a + (j + k - 1) * step * sizeof(T), Val(8))
        @simd ivdep for i in 1:n
            half = (unsafe_load(p, i) + unsafe_load(q, i)) + (unsafe_load(r, i) + unsafe_load(s, i))
            other = (unsafe_load(t, i) + unsafe_load(u, i)) + (unsafe_load(v, i) + unsafe_load(w, i))
            unsafe_store!(total, unsafe_load(total, i) + (half + other), i)
        end
    end
    for j in (count - count % 8):(count - 1)
        add_elements!(total, a + j * step * sizeof(T), n)
    end
end

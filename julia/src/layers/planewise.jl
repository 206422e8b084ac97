# Correlations with hardly any channels in a group (depthwise convolution) have products of matrices with one or two columns,
# which no BLAS is good at. Here a plane is laid out with its padding, so that every element of a window is at one distance
# from the window's place: a correlation is then a few sums of long vectors with factors.

const MOST_PLANEWISE_OUTPUTS = 2

is_planewise(c::Correlation) = c.groups > 1 && c.outputs <= MOST_PLANEWISE_OUTPUTS

"Rows of windows with gaps between them, and as many zeros on both sides as the loops over several taps reach over."
struct WideRows
    margin::Int
    width::Int
    span::Int
    size::Tuple{Int,Int} # without gaps
end

WideRows(p::PaddedPlane, c::Correlation) = WideRows(most_apart(p), p.width, p.span, c.to)

Base.length(rows::WideRows) = rows.span + 2rows.margin

"Write the rows of the plane `y` to `wide`; what lies between them is left alone."
function widen!(wide::Ptr{T}, y::Ptr{T}, rows::WideRows) where {T}
    for row in 0:(rows.size[2] - 1)
        copy_elements!(wide + row * rows.width * sizeof(T), y + row * rows.size[1] * sizeof(T), rows.size[1])
    end
end

"Write the rows in `wide` to the plane `y`."
function narrow!(y::Ptr{T}, wide::Ptr{T}, rows::WideRows) where {T}
    for row in 0:(rows.size[2] - 1)
        copy_elements!(y + row * rows.size[1] * sizeof(T), wide + row * rows.width * sizeof(T), rows.size[1])
    end
end

function correlate_planes!(
    y::Array{T}, x::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    p = PaddedPlane(c)
    rows, starts = WideRows(p, c), start_place(bias)
    GC.@preserve bias with_rooms(memory, T, p, rows, c, c.batch * c.groups, 1) do padded, wides, item
        group = item % c.groups
        for output in 0:(c.outputs - 1)
            fill_elements!(wide_at(wides, rows, output), p.span, start_at(starts, group * c.outputs + output))
        end
        for input in 0:(c.inputs - 1)
            lay_out!(padded, p, plane_at(x, c.from, item * c.inputs + input))
            for output in 0:(c.outputs - 1)
                add_windows!(wide_at(wides, rows, output), padded, kernel_at(weight, c, group, input, output), p)
            end
        end
        for output in 0:(c.outputs - 1)
            narrow!(plane_at(y, c.to, item * c.outputs + output), wide_at(wides, rows, output), rows)
        end
    end
    return y
end

function spread_planes!(
    x::Array{T}, y::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    p = PaddedPlane(c)
    rows, starts = WideRows(p, c), start_place(bias)
    GC.@preserve bias with_rooms(memory, T, p, rows, c, c.batch * c.groups, 1) do padded, wides, item
        group = item % c.groups
        for output in 0:(c.outputs - 1)
            widen!(wide_at(wides, rows, output), plane_at(y, c.to, item * c.outputs + output), rows)
        end
        for input in 0:(c.inputs - 1)
            fill_elements!(padded, length(p), start_at(starts, group * c.inputs + input))
            for output in 0:(c.outputs - 1)
                kernel = kernel_at(weight, c, group, input, output)
                spread_windows!(padded, wide_at(wides, rows, output), kernel, p)
            end
            take_out!(plane_at(x, c.from, item * c.inputs + input), p, padded)
        end
    end
    return x
end

function correlate_plane_weight!(dweight::Array{T}, x::Array{T}, dy::Array{T}, c::Correlation, memory::Memory) where {T}
    p = PaddedPlane(c)
    rows = WideRows(p, c)
    fill!(dweight, zero(T))
    with_rooms(memory, T, p, rows, c, c.groups, c.batch) do padded, wides, group
        for item in group:c.groups:(c.batch * c.groups - 1)
            for output in 0:(c.outputs - 1)
                widen!(wide_at(wides, rows, output), plane_at(dy, c.to, item * c.outputs + output), rows)
            end
            for input in 0:(c.inputs - 1)
                lay_out!(padded, p, plane_at(x, c.from, item * c.inputs + input))
                for output in 0:(c.outputs - 1)
                    add_products!(kernel_at(dweight, c, group, input, output), wide_at(wides, rows, output), padded, p)
                end
            end
        end
    end
    return dweight
end

"""
Call `body(padded, wides, k)` for `k` from 0 to `count` - 1, which has `planes` groups of planes to do, with a thread's own
rooms for a padded plane and for wide rows of each output, which are 0 before its first `k`.
"""
function with_rooms(
    body::F, memory::Memory, ::Type{T}, p::PaddedPlane, rows::WideRows, c::Correlation, count::Int, planes::Int,
) where {F,T}
    least = cld(LEAST_PART, max(1, planes * elements(c) * p.span))
    size = length(p) + c.outputs * length(rows)
    rooms = fill!(scratch!(memory, T, (size * part_count(count, least),)), zero(T))
    GC.@preserve rooms parts(count, least) do first, last, part
        padded = pointer(rooms) + (part - 1) * size * sizeof(T)
        for k in (first - 1):(last - 1)
            body(padded, padded + length(p) * sizeof(T), k)
        end
    end
    release!(memory, rooms)
end

"Where the wide rows of an output begin, after the margin."
wide_at(wides::Ptr{T}, rows::WideRows, output::Int) where {T} =
    wides + (output * length(rows) + rows.margin) * sizeof(T)

plane_at(x::Array{T}, size::Tuple{Int,Int}, k::Int) where {T} = pointer(x) + k * prod(size) * sizeof(T)

kernel_at(weight::Array{T}, c::Correlation, group::Int, input::Int, output::Int) where {T} =
    pointer(weight) + ((group * c.outputs + output) * c.inputs + input) * prod(c.windows.kernel) * sizeof(T)

function fill_elements!(place::Ptr{T}, n::Int, value) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(place, value, i)
    end
end

# Taps are taken up to three at a time, since that is less to load and to store than one by one. In formulas `k` goes over
# the elements of a window, and `i` over the windows.

"The last of the taps from the `k`-th on to be taken together: three, as long as they are not `far` apart."
function last_together(p::PaddedPlane, k::Int, far::Int)
    last = k
    while last < min(k + 2, length(p.taps)) && @inbounds(p.taps[last + 1].distance - p.taps[k].distance) <= far
        last += 1
    end
    return last
end

"How far apart taps may be for `spread_windows!` to take them together: what it then reads outside of the windows is little."
most_apart(p::PaddedPlane) = min(p.span ÷ 4, p.taps[end].distance)

"y[i] += Σ weight[k] x[i + distance(k)]"
function add_windows!(y::Ptr{T}, x::Ptr{T}, weight::Ptr{T}, p::PaddedPlane) where {T}
    k = 1
    while k <= length(p.taps)
        last = last_together(p, k, typemax(Int))
        add_multiples!(y, p.span, weight, p, k, last, tap -> x + tap.distance * sizeof(T))
        k = last + 1
    end
end

"x[i + distance(k)] += weight[k] y[i], where y has zeros on both sides"
function spread_windows!(x::Ptr{T}, y::Ptr{T}, weight::Ptr{T}, p::PaddedPlane) where {T}
    k = 1
    while k <= length(p.taps)
        last = last_together(p, k, most_apart(p))
        near, far = @inbounds p.taps[k].distance, p.taps[last].distance
        from(tap) = y - (tap.distance - near) * sizeof(T)
        add_multiples!(x + near * sizeof(T), p.span + far - near, weight, p, k, last, from)
        k = last + 1
    end
end

"Add to `n` elements of `y` those from `from(tap)` on times the tap's weight, for the taps `k` to `last`, one to three."
@inline function add_multiples!(
    y::Ptr{T}, n::Int, weight::Ptr{T}, p::PaddedPlane, k::Int, last::Int, from::F,
) where {T,F}
    @inbounds a, b, c = p.taps[k], p.taps[min(k + 1, last)], p.taps[last]
    u, v, w = unsafe_load(weight, a.number), unsafe_load(weight, b.number), unsafe_load(weight, c.number)
    at, bt, ct = from(a), from(b), from(c)
    if last == k + 2
        @simd ivdep for i in 1:n
            sum = muladd(u, unsafe_load(at, i), muladd(v, unsafe_load(bt, i), unsafe_load(y, i)))
            unsafe_store!(y, muladd(w, unsafe_load(ct, i), sum), i)
        end
    elseif last == k + 1
        @simd ivdep for i in 1:n
            unsafe_store!(y, muladd(u, unsafe_load(at, i), muladd(v, unsafe_load(bt, i), unsafe_load(y, i))), i)
        end
    else
        add_multiple!(y, u, at, n)
    end
end

function add_multiple!(y::Ptr{T}, factor::T, x::Ptr{T}, n::Int) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(y, muladd(factor, unsafe_load(x, i), unsafe_load(y, i)), i)
    end
end

"weight[k] += Σ y[i] x[i + distance(k)]"
function add_products!(weight::Ptr{T}, y::Ptr{T}, x::Ptr{T}, p::PaddedPlane) where {T}
    at(tap) = x + tap.distance * sizeof(T)
    add(tap, sum) = unsafe_store!(weight, unsafe_load(weight, tap.number) + sum, tap.number)
    k = 1
    while k + 2 <= length(p.taps)
        @inbounds first, second, third = p.taps[k], p.taps[k + 1], p.taps[k + 2]
        a, b, c = at(first), at(second), at(third)
        u = v = w = zero(T)
        @simd for i in 1:p.span
            factor = unsafe_load(y, i)
            u = muladd(factor, unsafe_load(a, i), u)
            v = muladd(factor, unsafe_load(b, i), v)
            w = muladd(factor, unsafe_load(c, i), w)
        end
        add(first, u)
        add(second, v)
        add(third, w)
        k += 3
    end
    for k in k:length(p.taps)
        tap = @inbounds p.taps[k]
        a, sum = at(tap), zero(T)
        @simd for i in 1:p.span
            sum = muladd(unsafe_load(y, i), unsafe_load(a, i), sum)
        end
        add(tap, sum)
    end
end

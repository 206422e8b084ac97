# Correlations with hardly any channels in a group (depthwise convolution) have products of matrices with one or two columns,
# which no BLAS is good at. Here a plane is laid out with its padding, so that every element of a window is at one distance
# from the window's place: a correlation is then a few sums of long vectors with factors.

const MOST_PLANEWISE_OUTPUTS = 2

is_planewise(c::Correlation) = c.groups > 1 && c.outputs <= MOST_PLANEWISE_OUTPUTS

"Element `number` of a window, and its distance from the window's place."
struct Tap
    distance::Int
    number::Int
end

"""
A padded plane, split by the remainders of its rows and columns modulo the stride, so that the first elements of neighbouring
windows are neighbours: stride[1] · stride[2] parts, each of `height` rows of `width` elements. Windows are numbered by the
place of their first element, with gaps between rows; `span` is the last one's number + 1. `taps` are the elements of a
window, the nearest first.
"""
struct PaddedPlane
    windows::Windows
    size::Tuple{Int,Int} # without padding
    width::Int
    height::Int
    span::Int
    taps::Vector{Tap}
end

function PaddedPlane(c::Correlation)
    w = c.windows
    needed = map((n, p, to, s, r) -> max(n + 2p, (to - 1) * s + r + 1), c.from, w.padding, c.to, w.stride, reach(w))
    width, height = map(cld, needed, w.stride)
    p = PaddedPlane(w, c.from, width, height, (c.to[2] - 1) * width + c.to[1], Tap[])
    for number in 1:prod(w.kernel)
        down, across = divrem(number - 1, w.kernel[1])
        push!(p.taps, Tap(place(p, across * w.dilation[1], down * w.dilation[2]), number))
    end
    sort!(p.taps; by = tap -> tap.distance)
    return p
end

Base.length(p::PaddedPlane) = p.width * p.height * prod(p.windows.stride)

"The place of an element of the padded plane, counted from its corner."
function place(p::PaddedPlane, column::Int, row::Int)
    (i, a), (j, b) = divrem(column, p.windows.stride[1]), divrem(row, p.windows.stride[2])
    return ((b * p.windows.stride[1] + a) * p.height + j) * p.width + i
end

"""
Call `body(place, first, count)` for the pieces of the plane's rows: `count` elements of the plane from `first` on, a stride
apart.
"""
@inline function each_piece(body::F, p::PaddedPlane) where {F}
    (across, down), (left, above) = p.windows.stride, p.windows.padding
    # Rows with one remainder follow each other in their part.
    for top in 0:(min(down, p.size[2]) - 1), column in 0:(min(across, p.size[1]) - 1)
        start, count = place(p, column + left, top + above), cld(p.size[1] - column, across)
        for row in top:down:(p.size[2] - 1)
            body(start, row * p.size[1] + column, count)
            start += p.width
        end
    end
end

function lay_out!(padded::Ptr{T}, p::PaddedPlane, x::Ptr{T}) where {T}
    step = p.windows.stride[1]
    step == 2 && return each_row_of_pairs(split_row!, p, padded, x)
    each_piece(p) do place, first, count
        to, from = padded + place * sizeof(T), x + first * sizeof(T)
        copy_spaced!(to, from, count, step)
    end
end

"Add to a plane what lies at its elements' places."
function take_in!(x::Ptr{T}, p::PaddedPlane, padded::Ptr{T}) where {T}
    step = p.windows.stride[1]
    step == 2 && return each_row_of_pairs(add_row!, p, padded, x)
    each_piece(p) do place, first, count
        to, from = x + first * sizeof(T), padded + place * sizeof(T)
        add_spaced!(to, from, count, step)
    end
end

# With a stride of 2, the most common one, a row's elements go to two parts in one pass.
"Call `body(first, second, row, n)` for each row of `n` elements: its odd ones lie from `first` on, others from `second`."
@inline function each_row_of_pairs(body::F, p::PaddedPlane, padded::Ptr{T}, x::Ptr{T}) where {F,T}
    down, (left, above), n = p.windows.stride[2], p.windows.padding, p.size[1]
    for top in 0:(min(down, p.size[2]) - 1)
        first, second = padded .+ (place(p, left, top + above), place(p, left + 1, top + above)) .* sizeof(T)
        for row in top:down:(p.size[2] - 1)
            body(first, second, x + row * n * sizeof(T), n)
            first, second = first + p.width * sizeof(T), second + p.width * sizeof(T)
        end
    end
end

function split_row!(first::Ptr{T}, second::Ptr{T}, row::Ptr{T}, n::Int) where {T}
    split_pairs!(first, second, row, n ÷ 2)
    isodd(n) && unsafe_store!(first, unsafe_load(row, n), (n + 1) ÷ 2)
end

function add_row!(first::Ptr{T}, second::Ptr{T}, row::Ptr{T}, n::Int) where {T}
    add_pairs!(row, first, second, n ÷ 2)
    isodd(n) && unsafe_store!(row, unsafe_load(row, n) + unsafe_load(first, (n + 1) ÷ 2), n)
end

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
    rows = WideRows(p, c)
    with_rooms(memory, T, p, rows, c, c.batch * c.groups, 1) do padded, wides, item
        group = item % c.groups
        for output in 0:(c.outputs - 1)
            start = bias === nothing ? zero(T) : @inbounds bias[group * c.outputs + output + 1]
            fill_elements!(wide_at(wides, rows, output), p.span, start)
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

function spread_planes!(x::Array{T}, y::Array{T}, weight::Array{T}, c::Correlation, memory::Memory) where {T}
    p = PaddedPlane(c)
    rows = WideRows(p, c)
    with_rooms(memory, T, p, rows, c, c.batch * c.groups, 1) do padded, wides, item
        for output in 0:(c.outputs - 1)
            widen!(wide_at(wides, rows, output), plane_at(y, c.to, item * c.outputs + output), rows)
        end
        for input in 0:(c.inputs - 1)
            fill_elements!(padded, length(p), zero(T))
            for output in 0:(c.outputs - 1)
                kernel = kernel_at(weight, c, item % c.groups, input, output)
                spread_windows!(padded, wide_at(wides, rows, output), kernel, p)
            end
            take_in!(plane_at(x, c.from, item * c.inputs + input), p, padded)
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

function fill_elements!(place::Ptr{T}, n::Int, value::T) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(place, value, i)
    end
end

# Taps are taken up to three at a time, since that is less to load and to store than one by one. In formulas `k` goes over the
# elements of a window, and `i` over the windows.

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

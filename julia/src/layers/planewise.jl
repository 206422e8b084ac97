# Correlations with hardly any channels in a group (depthwise convolution) have products of matrices with one or two columns,
# which no BLAS is good at. Here a plane is laid out with its padding, so that every element of a window is at one distance
# from the window's place: a correlation is then a few sums of long vectors with factors.

const MOST_PLANEWISE_OUTPUTS = 2

is_planewise(c::Correlation) = c.groups > 1 && c.outputs <= MOST_PLANEWISE_OUTPUTS

"""
A padded plane, split by the remainders of its rows and columns modulo the stride, so that the first elements of neighbouring
windows are neighbours: stride[1] · stride[2] parts, each of `height` rows of `width` elements. Windows are numbered by the
place of their first element, with gaps between rows; `span` is the last one's number + 1.
"""
struct PaddedPlane
    windows::Windows
    size::Tuple{Int,Int} # without padding
    width::Int
    height::Int
    span::Int
end

function PaddedPlane(c::Correlation)
    w = c.windows
    needed = map((n, p, to, s, r) -> max(n + 2p, (to - 1) * s + r + 1), c.from, w.padding, c.to, w.stride, reach(w))
    width, height = map(cld, needed, w.stride)
    return PaddedPlane(w, c.from, width, height, (c.to[2] - 1) * width + c.to[1])
end

Base.length(p::PaddedPlane) = p.width * p.height * prod(p.windows.stride)

"The place of an element of the padded plane, counted from its corner."
function place(p::PaddedPlane, column::Int, row::Int)
    (i, a), (j, b) = divrem(column, p.windows.stride[1]), divrem(row, p.windows.stride[2])
    return ((b * p.windows.stride[1] + a) * p.height + j) * p.width + i
end

"The distance of element `tap` of a window from the window's place."
function distance(p::PaddedPlane, tap::Int)
    down, across = divrem(tap, p.windows.kernel[1])
    return place(p, across * p.windows.dilation[1], down * p.windows.dilation[2])
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
    step == 2 && return each_row_of_pairs(split_pairs!, p, padded, x)
    each_piece(p) do place, first, count
        to, from = padded + place * sizeof(T), x + first * sizeof(T)
        copy_spaced!(to, from, count, step)
    end
end

"Add to a plane what lies at its elements' places."
function take_in!(x::Ptr{T}, p::PaddedPlane, padded::Ptr{T}) where {T}
    step = p.windows.stride[1]
    step == 2 && return each_row_of_pairs(add_pairs!, p, padded, x)
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

function split_pairs!(first::Ptr{T}, second::Ptr{T}, row::Ptr{T}, n::Int) where {T}
    in_blocks(n ÷ 2) do j
        unsafe_store!(first, unsafe_load(row, 2j - 1), j)
        unsafe_store!(second, unsafe_load(row, 2j), j)
    end
    isodd(n) && unsafe_store!(first, unsafe_load(row, n), (n + 1) ÷ 2)
end

function add_pairs!(first::Ptr{T}, second::Ptr{T}, row::Ptr{T}, n::Int) where {T}
    in_blocks(n ÷ 2) do j
        unsafe_store!(row, unsafe_load(row, 2j - 1) + unsafe_load(first, j), 2j - 1)
        unsafe_store!(row, unsafe_load(row, 2j) + unsafe_load(second, j), 2j)
    end
    isodd(n) && unsafe_store!(row, unsafe_load(row, n) + unsafe_load(first, (n + 1) ÷ 2), n)
end

"Write the rows of a plane of `size` at the places of their windows; what lies between the rows is left alone."
function lay_out_windows!(wide::Ptr{T}, p::PaddedPlane, y::Ptr{T}, size::Tuple{Int,Int}) where {T}
    for row in 0:(size[2] - 1)
        copy_elements!(wide + row * p.width * sizeof(T), y + row * size[1] * sizeof(T), size[1])
    end
end

function correlate_planes!(
    y::Array{T}, x::Array{T}, weight::Array{T}, bias::Union{Vector{T},Nothing}, c::Correlation, memory::Memory,
) where {T}
    p = PaddedPlane(c)
    bias === nothing ? fill!(y, zero(T)) : fill_planes!(y, bias, positions(c))
    with_room(memory, T, length(p) + p.span, c.batch * c.groups, elements(c) * p.span) do room, item
        padded, wide = room, room + length(p) * sizeof(T)
        for input in 0:(c.inputs - 1)
            lay_out!(padded, p, plane_at(x, c.from, item * c.inputs + input))
            for output in 0:(c.outputs - 1)
                fill_elements!(wide, p.span, zero(T))
                add_windows!(wide, padded, kernel_at(weight, c, item % c.groups, input, output), p)
                place = plane_at(y, c.to, item * c.outputs + output)
                for row in 0:(c.to[2] - 1)
                    add_elements!(place + row * c.to[1] * sizeof(T), wide + row * p.width * sizeof(T), c.to[1])
                end
            end
        end
    end
    return y
end

function spread_planes!(x::Array{T}, y::Array{T}, weight::Array{T}, c::Correlation, memory::Memory) where {T}
    p = PaddedPlane(c)
    with_room(memory, T, length(p) + p.span, c.batch * c.groups, elements(c) * p.span) do room, item
        padded, wide = room, room + length(p) * sizeof(T)
        for input in 0:(c.inputs - 1)
            fill_elements!(padded, length(p), zero(T))
            for output in 0:(c.outputs - 1)
                lay_out_windows!(wide, p, plane_at(y, c.to, item * c.outputs + output), c.to)
                spread_windows!(padded, wide, kernel_at(weight, c, item % c.groups, input, output), p)
            end
            take_in!(plane_at(x, c.from, item * c.inputs + input), p, padded)
        end
    end
    return x
end

function correlate_plane_weight!(dweight::Array{T}, x::Array{T}, dy::Array{T}, c::Correlation, memory::Memory) where {T}
    p = PaddedPlane(c)
    fill!(dweight, zero(T))
    with_room(memory, T, length(p) + p.span, c.groups, c.batch * elements(c) * p.span) do room, group
        padded, wide = room, room + length(p) * sizeof(T)
        for image in 0:(c.batch - 1), input in 0:(c.inputs - 1)
            item = image * c.groups + group
            lay_out!(padded, p, plane_at(x, c.from, item * c.inputs + input))
            for output in 0:(c.outputs - 1)
                lay_out_windows!(wide, p, plane_at(dy, c.to, item * c.outputs + output), c.to)
                add_products!(kernel_at(dweight, c, group, input, output), wide, padded, p)
            end
        end
    end
    return dweight
end

"Call `body(room, item)` for the items from 0 on, `room` of `size` elements that are 0 before a thread's first item."
function with_room(body::F, memory::Memory, ::Type{T}, size::Int, items::Int, work::Int) where {F,T}
    least = cld(LEAST_PART, max(1, work))
    rooms = fill!(scratch!(memory, T, (size * part_count(items, least),)), zero(T))
    GC.@preserve rooms parts(items, least) do first, last, part
        for item in (first - 1):(last - 1)
            body(pointer(rooms) + (part - 1) * size * sizeof(T), item)
        end
    end
    release!(memory, rooms)
end

plane_at(x::Array{T}, size::Tuple{Int,Int}, k::Int) where {T} = pointer(x) + k * prod(size) * sizeof(T)

kernel_at(weight::Array{T}, c::Correlation, group::Int, input::Int, output::Int) where {T} =
    pointer(weight) + ((group * c.outputs + output) * c.inputs + input) * prod(c.windows.kernel) * sizeof(T)

function fill_elements!(place::Ptr{T}, n::Int, value::T) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(place, value, i)
    end
end

# In these three `k` goes over the elements of a window, and `i` over the windows.

"y[i] += Σ weight[k] x[i + distance(k)]"
function add_windows!(y::Ptr{T}, x::Ptr{T}, weight::Ptr{T}, p::PaddedPlane) where {T}
    taps = prod(p.windows.kernel)
    at(k) = x + distance(p, k) * sizeof(T)
    k = 0
    while k + 3 <= taps # three in a pass: less to load and to store
        a, b, c = at(k), at(k + 1), at(k + 2)
        u, v, w = unsafe_load(weight, k + 1), unsafe_load(weight, k + 2), unsafe_load(weight, k + 3)
        @simd ivdep for i in 1:p.span
            sum = muladd(u, unsafe_load(a, i), muladd(v, unsafe_load(b, i), unsafe_load(y, i)))
            unsafe_store!(y, muladd(w, unsafe_load(c, i), sum), i)
        end
        k += 3
    end
    for k in k:(taps - 1)
        add_multiple!(y, unsafe_load(weight, k + 1), at(k), p.span)
    end
end

"x[i + distance(k)] += weight[k] y[i]"
function spread_windows!(x::Ptr{T}, y::Ptr{T}, weight::Ptr{T}, p::PaddedPlane) where {T}
    for k in 0:(prod(p.windows.kernel) - 1)
        add_multiple!(x + distance(p, k) * sizeof(T), unsafe_load(weight, k + 1), y, p.span)
    end
end

"weight[k] += Σ y[i] x[i + distance(k)]"
function add_products!(weight::Ptr{T}, y::Ptr{T}, x::Ptr{T}, p::PaddedPlane) where {T}
    for k in 0:(prod(p.windows.kernel) - 1)
        a, sum = x + distance(p, k) * sizeof(T), zero(T)
        @simd for i in 1:p.span
            sum = muladd(unsafe_load(y, i), unsafe_load(a, i), sum)
        end
        unsafe_store!(weight, unsafe_load(weight, k + 1) + sum, k + 1)
    end
end

function add_multiple!(y::Ptr{T}, factor::T, x::Ptr{T}, n::Int) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(y, muladd(factor, unsafe_load(x, i), unsafe_load(y, i)), i)
    end
end

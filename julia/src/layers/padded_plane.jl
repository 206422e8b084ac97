# Planes of depthwise convolutions with their padding (planewise.jl).

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

"Set a plane to what lies at its elements' places."
function take_out!(x::Ptr{T}, p::PaddedPlane, padded::Ptr{T}) where {T}
    step = p.windows.stride[1]
    step == 2 && return each_row_of_pairs(join_row!, p, padded, x)
    each_piece(p) do place, first, count
        to, from = x + first * sizeof(T), padded + place * sizeof(T)
        for i in 1:count
            unsafe_store!(to, unsafe_load(from, i), (i - 1) * step + 1)
        end
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

function join_row!(first::Ptr{T}, second::Ptr{T}, row::Ptr{T}, n::Int) where {T}
    join_pairs!(row, first, second, n ÷ 2)
    isodd(n) && unsafe_store!(row, unsafe_load(first, (n + 1) ÷ 2), n)
end

# The elements of windows as the rows of a matrix ("im2col"), and gradients of that matrix added up where they came from.
# Rows are windows, row by row of `to[1]` each, image after image; columns are the elements of a window in memory order,
# plane after plane. `Gathering` says which of them are meant.

"""
The windows of the rows from `first_row` on, `rows` of them, on each of `images` images, which have `planes` planes each and
lie `distance` elements apart.
"""
struct Gathering
    windows::Windows
    from::Tuple{Int,Int}
    to::Tuple{Int,Int}
    planes::Int
    images::Int
    distance::Int
    first_row::Int
    rows::Int
end

"Fill `columns` with the elements of the windows on the images at `x`; outside of them is 0. `who` does it."
function gather_columns!(columns::Ptr{T}, x::Ptr{T}, g::Gathering, who) where {T}
    each_column(columns, g, who) do column, plane, image, reading
        gather_column!(column, plane_of(x, g, plane, image), reading)
    end
end

"""
Add the columns up on the images at `x`, whose planes are first set to `start(plane)` if the windows are those of the first
rows. The columns are overwritten.
"""
function add_columns!(x::Ptr{T}, columns::Ptr{T}, g::Gathering, who, start::F) where {T,F}
    each_column(columns, g, who) do column, plane, image, reading
        place = plane_of(x, g, plane, image)
        g.first_row == 0 && reading.tap == 0 && fill_elements!(place, prod(g.from), start(plane))
        add_column!(place, column, reading)
    end
end

"Call `body(column, plane, image, reading)` for the part that an image has of each column."
@inline function each_column(body::F, columns::Ptr{T}, g::Gathering, who) where {F,T}
    n, taps = g.rows * g.to[1], prod(g.windows.kernel)
    parts(who, g.planes, cld(LEAST_PART, g.images * n * taps)) do first, last, _
        for plane in (first - 1):(last - 1), tap in 0:(taps - 1)
            reading = Reading(g, tap)
            for image in 0:(g.images - 1)
                body(columns + ((plane * taps + tap) * g.images + image) * n * sizeof(T), plane, image, reading)
            end
        end
    end
end

plane_of(x::Ptr{T}, g::Gathering, plane::Int, image::Int) where {T} =
    x + (image * g.distance + plane * prod(g.from)) * sizeof(T)

"""
What element `tap` of the windows of a `Gathering` reads: `count` windows from `left` on in each of `lines` rows from `top`
on, of `rows` rows of `width` windows. The first is at `start` on the plane, the next ones are `step` apart, rows `down`
apart. The other windows have the element outside of the plane. `whole` says that rows follow each other without a gap on
both sides.
"""
struct Reading
    tap::Int
    width::Int
    rows::Int
    left::Int
    count::Int
    top::Int
    lines::Int
    start::Int
    step::Int
    down::Int
    whole::Bool
end

function Reading(g::Gathering, tap::Int)
    w = g.windows
    down, across = divrem(tap, w.kernel[1])
    left, last = windows_inside(w, 1, across, g.from[1], g.to[1])
    top, bottom = windows_inside(w, 2, down, g.from[2], g.to[2])
    top, bottom = clamp(top - g.first_row, 0, g.rows), clamp(bottom - g.first_row, -1, g.rows - 1)
    row = (g.first_row + top) * w.stride[2] + down * w.dilation[2] - w.padding[2]
    column = left * w.stride[1] + across * w.dilation[1] - w.padding[1]
    lines = last < left ? 0 : max(0, bottom - top + 1)
    return Reading(tap, g.to[1], g.rows, left, last - left + 1, top, lines, row * g.from[1] + column, w.stride[1],
                   w.stride[2] * g.from[1], w.stride == (1, 1) && g.from[1] == g.to[1])
end

function gather_column!(column::Ptr{T}, x::Ptr{T}, r::Reading) where {T}
    right = r.width - r.left - r.count
    inner = column + r.top * r.width * sizeof(T)
    if r.whole
        copy_elements!(inner + r.left * sizeof(T), x + r.start * sizeof(T), r.lines * r.width - r.left - right)
    else
        for line in 0:(r.lines - 1)
            place = inner + (line * r.width + r.left) * sizeof(T)
            copy_spaced!(place, x + (r.start + line * r.down) * sizeof(T), r.count, r.step)
        end
    end
    zero_rows!(inner, r.width, r.lines, r.left)
    zero_rows!(inner + (r.width - right) * sizeof(T), r.width, r.lines, right)
    zero_rows!(column, r.width, 1, r.top * r.width)
    zero_rows!(inner + r.lines * r.width * sizeof(T), r.width, 1, (r.rows - r.top - r.lines) * r.width)
end

function add_column!(x::Ptr{T}, column::Ptr{T}, r::Reading) where {T}
    inner = column + r.top * r.width * sizeof(T)
    if r.whole
        right = r.width - r.left - r.count
        zero_rows!(inner, r.width, r.lines, r.left) # they would be added to the ends of other rows
        zero_rows!(inner + (r.width - right) * sizeof(T), r.width, r.lines, right)
        add_elements!(x + r.start * sizeof(T), inner + r.left * sizeof(T), r.lines * r.width - r.left - right)
    else
        for line in 0:(r.lines - 1)
            place = inner + (line * r.width + r.left) * sizeof(T)
            add_spaced!(x + (r.start + line * r.down) * sizeof(T), place, r.count, r.step)
        end
    end
end

"Zero `n` elements in each of `lines` rows that lie `width` apart."
function zero_rows!(place::Ptr{T}, width::Int, lines::Int, n::Int) where {T}
    n > 0 || return nothing
    for line in 0:(lines - 1), i in 1:n
        unsafe_store!(place, zero(T), line * width + i)
    end
end

@inline copy_elements!(to::Ptr{T}, from::Ptr{T}, n::Int) where {T} = n > 0 && unsafe_copyto!(to, from, n)

function add_elements!(to::Ptr{T}, from::Ptr{T}, n::Int) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(to, unsafe_load(to, i) + unsafe_load(from, i), i)
    end
end

"Copy `n` elements that lie `step` apart."
function copy_spaced!(to::Ptr{T}, from::Ptr{T}, n::Int, step::Int) where {T}
    step == 1 && return copy_elements!(to, from, n)
    step == 2 && return copy_first!(to, from, n) # by far the most common one
    for i in 1:n
        unsafe_store!(to, unsafe_load(from, (i - 1) * step + 1), i)
    end
end

"Add to `n` elements that lie `step` apart. What lies between them is not another thread's."
function add_spaced!(to::Ptr{T}, from::Ptr{T}, n::Int, step::Int) where {T}
    step == 1 && return add_elements!(to, from, n)
    step == 2 && return add_first!(to, from, n)
    for i in 1:n
        at = (i - 1) * step + 1
        unsafe_store!(to, unsafe_load(to, at) + unsafe_load(from, i), at)
    end
end

# Pooling of the planes of each channel. Which elements are in the windows along one axis is the axis's own affair: sliding
# windows or windows that divide the axis, so that one kernel serves both.

"Windows of `kernel` elements, `stride` apart, on an axis of `size` with `padding` before and behind."
struct SlidingAxis
    size::Int
    count::Int
    kernel::Int
    stride::Int
    padding::Int
end

"`count` windows that cover an axis of `size`: number i from floor(i · size/count) to ceil((i + 1) · size/count)."
struct DividedAxis
    size::Int
    count::Int
end

"The elements of window `i` that are on the axis, counted from 0: the first, and the one behind the last."
@inline function bounds(a::SlidingAxis, i::Int)
    start = i * a.stride - a.padding
    return max(start, 0), min(start + a.kernel, a.size)
end
@inline bounds(a::DividedAxis, i::Int) = (i * a.size ÷ a.count, cld((i + 1) * a.size, a.count))

"""
    MaxPool(name, axes, windows)

The maximum of the elements of sliding windows, without regard to padding (torch.nn.MaxPool1d and MaxPool2d). Of equal ones
the gradient goes to the first, row by row; where there is a NaN it is the maximum, and the gradient goes to the last of
them.
"""
struct MaxPool <: Layer
    name::String
    axes::Int
    windows::Windows
end

"""
    MeanPool(name, axes, windows, count_padding)

The mean over sliding windows (torch.nn.AvgPool1d and AvgPool2d). Padding is 0; without `count_padding` only elements of the
plane are counted.
"""
struct MeanPool <: Layer
    name::String
    axes::Int
    windows::Windows
    count_padding::Bool
end

"As `MaxPool`, with `count` windows that cover the plane, whatever its size (torch.nn.AdaptiveMaxPool1d and …2d)."
struct AdaptiveMaxPool <: Layer
    name::String
    axes::Int
    count::Tuple{Int,Int}
end

"The mean over `count` windows that cover the plane, whatever its size (torch.nn.AdaptiveAvgPool1d and AdaptiveAvgPool2d)."
struct AdaptiveMeanPool <: Layer
    name::String
    axes::Int
    count::Tuple{Int,Int}
end

const SlidingPool = Union{MaxPool,MeanPool}
const AdaptivePool = Union{AdaptiveMaxPool,AdaptiveMeanPool}
const AnyMaxPool = Union{MaxPool,AdaptiveMaxPool}
const AnyMeanPool = Union{MeanPool,AdaptiveMeanPool}

sample_shape(layer::SlidingPool, where, inputs::Vector{SampleShape}) =
    (check_spatial(where, inputs[1], layer.axes);
     SampleShape([inputs[1][1]; window_counts(where, layer.windows, inputs[1], layer.axes)]))

sample_shape(layer::AdaptivePool, where, inputs::Vector{SampleShape}) =
    (check_spatial(where, inputs[1], layer.axes); SampleShape([inputs[1][1]; row_major(layer.count, layer.axes)]))

# No window lies in the padding altogether.
function check_layer(layer::SlidingPool, where)
    w = layer.windows
    all(map((p, k) -> 2p <= k, w.padding, w.kernel)) && return nothing
    padding, kernel = (shape_text(row_major(pair, layer.axes)) for pair in (w.padding, w.kernel))
    refuse(where, "a padding of at most half the kernel", "the padding $padding of the kernel $kernel", "layer")
end

result_plane(layer::SlidingPool, plane::Tuple{Int,Int}) = windows_on(layer.windows, plane)
result_plane(layer::AdaptivePool, ::Tuple{Int,Int}) = layer.count

"The axes of a plane with their windows."
function pool_axes(layer::SlidingPool, x::Array)
    w, size = layer.windows, plane(x)
    return map(SlidingAxis, size, result_plane(layer, size), w.kernel, w.stride, w.padding)
end
pool_axes(layer::AdaptivePool, x::Array) = map(DividedAxis, plane(x), layer.count)

function check_sizes(layer::Union{AnyMaxPool,AnyMeanPool}, x::Array)
    # Places on a plane are kept in 32 bits.
    ndims(x) == layer.axes + 2 && 0 < prod(plane(x)) <= typemax(Int32) && all(>(0), result_plane(layer, plane(x))) &&
        return nothing
    throw(BridgeError("layer '$(layer.name)'", "planes on which the windows fit", "an input of $(size(x)) in Julia's order"))
end

function forward(layer::AnyMaxPool, ::Tuple{}, inputs::Tuple{Array{T}}, memory::Memory, _) where {T}
    x = inputs[1]
    check_sizes(layer, x)
    across, down = pool_axes(layer, x)
    y = output!(memory, 1, T, resized(x, (across.count, down.count), channels(x)))
    # The place of each maximum on its plane. Scratch is of floats, whose bits hold the integers.
    places = scratch!(memory, Float32, size(y))
    from, to = across.size * down.size, across.count * down.count
    GC.@preserve x y places parts(length(x) ÷ from, cld(LEAST_PART, from)) do first, last, _
        for k in (first - 1):(last - 1)
            max_plane!(pointer(y) + k * to * sizeof(T), Ptr{Int32}(pointer(places)) + 4k * to,
                       pointer(x) + k * from * sizeof(T), across, down)
        end
    end
    return (y,), places
end

function max_plane!(y::Ptr{T}, places::Ptr{Int32}, x::Ptr{T}, across, down) where {T}
    k = 0
    for row in 0:(down.count - 1)
        top, bottom = bounds(down, row)
        for column in 0:(across.count - 1)
            left, right = bounds(across, column)
            place = top * across.size + left
            most = T(-Inf)
            for j in top:(bottom - 1), i in (j * across.size + left):(j * across.size + right - 1)
                value = unsafe_load(x, i + 1)
                better = (value > most) | (value != value) # the latter where it is NaN
                most, place = ifelse(better, value, most), ifelse(better, i, place)
            end
            k += 1
            unsafe_store!(y, most, k)
            unsafe_store!(places, place % Int32, k)
        end
    end
end

function pullback(
    layer::AnyMaxPool, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, places::Array{Float32}, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    dy = dvalues[1]
    dx = fill!(input_gradient!(memory, 1, T, size(inputs[1])), zero(T))
    from, to = prod(plane(dx)), prod(plane(dy))
    GC.@preserve dx dy places parts(length(dx) ÷ from, cld(LEAST_PART, from)) do first, last, _
        for k in (first - 1):(last - 1)
            place, step = pointer(dx) + k * from * sizeof(T), pointer(dy) + k * to * sizeof(T)
            for i in 1:to
                at = unsafe_load(Ptr{Int32}(pointer(places)), k * to + i) + 1
                unsafe_store!(place, unsafe_load(place, at) + unsafe_load(step, i), at)
            end
        end
    end
    return (dx,), ()
end

"What the sum over a window is divided by."
@inline function window_size(layer::MeanPool, across::SlidingAxis, down::SlidingAxis, column::Int, row::Int)
    layer.count_padding && return across.kernel * down.kernel
    return length_of(across, column) * length_of(down, row)
end
@inline window_size(::AdaptiveMeanPool, across, down, column::Int, row::Int) =
    length_of(across, column) * length_of(down, row)

@inline length_of(axis, i::Int) = ((first, behind) = bounds(axis, i); behind - first)

function forward(layer::AnyMeanPool, ::Tuple{}, inputs::Tuple{Array{T}}, memory::Memory, _) where {T}
    x = inputs[1]
    check_sizes(layer, x)
    across, down = pool_axes(layer, x)
    y = output!(memory, 1, T, resized(x, (across.count, down.count), channels(x)))
    each_plane(memory, x, y) do x, y, sums
        mean_plane!(y, sums, x, layer, across, down)
    end
    return (y,), nothing
end

"Call `body` with each plane of x and of y, and with a row of scratch as wide as that of x."
function each_plane(body::F, memory::Memory, x::Array{T}, y::Array{T}) where {F,T}
    from, to, width = prod(plane(x)), prod(plane(y)), size(x, 1)
    planes, least = length(x) ÷ from, cld(LEAST_PART, from)
    sums = scratch!(memory, T, (width * part_count(planes, least),))
    GC.@preserve x y sums parts(planes, least) do first, last, part
        row = pointer(sums) + (part - 1) * width * sizeof(T)
        for k in (first - 1):(last - 1)
            body(pointer(x) + k * from * sizeof(T), pointer(y) + k * to * sizeof(T), row)
        end
    end
end

# Sums over columns of the plane first, since neighbours can be summed up at once.
function mean_plane!(y::Ptr{T}, sums::Ptr{T}, x::Ptr{T}, layer::AnyMeanPool, across, down) where {T}
    width = across.size
    for row in 0:(down.count - 1)
        top, bottom = bounds(down, row)
        if is_whole(across)
            n = (bottom - top) * width
            mean = sum_of_run(x + top * width * sizeof(T), n) / T(window_size(layer, across, down, 0, row))
            unsafe_store!(y, mean, row + 1)
            continue
        end
        copy_elements!(sums, x + top * width * sizeof(T), width)
        for j in (top + 1):(bottom - 1)
            add_elements!(sums, x + j * width * sizeof(T), width)
        end
        for column in 0:(across.count - 1)
            left, right = bounds(across, column)
            sum = zero(T)
            for i in (left + 1):right
                sum += unsafe_load(sums, i)
            end
            unsafe_store!(y, sum / T(window_size(layer, across, down, column, row)), row * across.count + column + 1)
        end
    end
end

"Whether there is one window, with whole rows: all that it has lies together then."
@inline is_whole(axis) = axis.count == 1 && bounds(axis, 0) == (0, axis.size)

function pullback(
    layer::AnyMeanPool, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    across, down = pool_axes(layer, inputs[1])
    dx = input_gradient!(memory, 1, T, size(inputs[1]))
    each_plane(memory, dx, dvalues[1]) do dx, dy, shares
        spread_means!(dx, shares, dy, layer, across, down)
    end
    return (dx,), ()
end

function spread_means!(dx::Ptr{T}, shares::Ptr{T}, dy::Ptr{T}, layer::AnyMeanPool, across, down) where {T}
    width, written = across.size, 0 # rows of dx so far
    for row in 0:(down.count - 1)
        top, bottom = bounds(down, row)
        top > written && fill_elements!(dx + written * width * sizeof(T), (top - written) * width, zero(T))
        if is_whole(across) && top >= written
            share = unsafe_load(dy, row + 1) / T(window_size(layer, across, down, 0, row))
            fill_elements!(dx + top * width * sizeof(T), (bottom - top) * width, share)
            written = max(written, bottom)
            continue
        end
        fill_elements!(shares, width, zero(T))
        for column in 0:(across.count - 1)
            left, right = bounds(across, column)
            share = unsafe_load(dy, row * across.count + column + 1) / T(window_size(layer, across, down, column, row))
            for i in (left + 1):right
                unsafe_store!(shares, unsafe_load(shares, i) + share, i)
            end
        end
        for j in top:(bottom - 1)
            place = dx + j * width * sizeof(T)
            j < written ? add_elements!(place, shares, width) : copy_elements!(place, shares, width)
        end
        written = max(written, bottom)
    end
    fill_elements!(dx + written * width * sizeof(T), (down.size - written) * width, zero(T))
end

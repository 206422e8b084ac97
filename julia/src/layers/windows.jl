"""
    Windows(kernel, stride, padding, dilation)

How windows slide over a plane. Each is a pair: along the last axis of the sample, then along the one before, which is Julia's
order. A single spatial axis is a plane of height 1.
"""
struct Windows
    kernel::Tuple{Int,Int}
    stride::Tuple{Int,Int}
    padding::Tuple{Int,Int}
    dilation::Tuple{Int,Int}
end

"The pair that a row-major list of one or two numbers means; `missing_axis` stands for the axis that is not there."
pair(values::Vector{Int}, missing_axis::Int) = length(values) == 1 ? (values[1], missing_axis) : (values[2], values[1])

Windows(kernel::Vector{Int}, stride::Vector{Int}, padding::Vector{Int}, dilation::Vector{Int}) =
    Windows(pair(kernel, 1), pair(stride, 1), pair(padding, 0), pair(dilation, 1))

"How far the elements of a window lie apart at most, along each axis."
reach(w::Windows) = map((kernel, dilation) -> dilation * (kernel - 1), w.kernel, w.dilation)

"How many windows lie side by side on a padded plane: floor((size + 2 padding − reach − 1) / stride) + 1."
windows_on(w::Windows, plane::Tuple{Int,Int}) =
    map((n, p, r, s) -> fld(n + 2p - r - 1, s) + 1, plane, w.padding, reach(w), w.stride)

"The windows `first:last` whose element number `tap` along an axis (from 0) lies on the plane; the first window is 0."
function windows_inside(w::Windows, axis::Int, tap::Int, size::Int, count::Int)
    offset = tap * w.dilation[axis] - w.padding[axis]
    first = offset >= 0 ? 0 : cld(-offset, w.stride[axis])
    last = fld(size - 1 - offset, w.stride[axis])
    first = min(first, count)
    return first, clamp(last, first - 1, count - 1)
end

# Samples have one or two spatial axes, behind them the channels, and last the batch.
plane(x::Array{T,3}) where {T} = (size(x, 1), 1)
plane(x::Array{T,4}) where {T} = (size(x, 1), size(x, 2))
channels(x::Array{T,N}) where {T,N} = size(x, N - 1)

"The size of an array like `x` with planes and channels of other sizes."
resized(x::Array{T,3}, plane::Tuple{Int,Int}, channels::Int) where {T} = (plane[1], channels, size(x, 3))
resized(x::Array{T,4}, plane::Tuple{Int,Int}, channels::Int) where {T} = (plane..., channels, size(x, 4))

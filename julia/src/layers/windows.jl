"""
    Windows(kernel, stride, padding, dilation)

How windows slide over a plane. Each is a pair: along the last axis of the sample, then along the one before, which is
Julia's order. A single spatial axis is a plane of height 1.
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

# Rules for the shapes of samples and for attributes, as in bridge/layers/spatial.py.

"One size for each of one or two spatial axes, from `least` on."
axis_sizes(axes::Int, least::Int) =
    Constraint("$axes size$("s"^(axes > 1)) from $least to $MAX_SIZE",
               value -> length(value) == axes && all(size -> least <= size <= MAX_SIZE, value))

axis_attribute(name, axes, default = nothing; least = 1) =
    AttributeDefinition(name, Vector{Int}, default === nothing ? nothing : fill(default, axes), axis_sizes(axes, least))

Windows(a::Attributes; dilation = ones(Int, length(attribute(a, "kernel", Vector{Int})))) =
    Windows((attribute(a, name, Vector{Int}) for name in ("kernel", "stride", "padding"))..., dilation)

"The row-major list that a pair stands for."
row_major(pair::Tuple{Int,Int}, axes::Int) = axes == 1 ? [pair[1]] : [pair[2], pair[1]]

"The spatial sizes of a sample that has so many spatial axes behind its channels."
function check_spatial(where, shape::SampleShape, axes::Int, channels::Union{Int,Nothing} = nothing)
    length(shape) == axes + 1 && (channels === nothing || shape[1] == channels) && return shape[2:end]
    count = channels === nothing ? "channels" : "$channels channels"
    refuse_shape(where, "an input of $count and $axes spatial ax$(axes > 1 ? 'e' : 'i')s", shape)
end

"How many windows there are along each spatial axis of a sample. A variable size is taken where it does not change."
function window_counts(where, w::Windows, shape::SampleShape, axes::Int)
    stride, padding, spans = (row_major(pair, axes) for pair in (w.stride, w.padding, map(r -> r + 1, reach(w))))
    check_variables(where, shape, [stride[i] == 1 && 2padding[i] == spans[i] - 1 for i in 1:axes])
    sizes = shape[(end - axes + 1):end]
    any(i -> sizes[i] isa Int && sizes[i] + 2padding[i] < spans[i], 1:axes) &&
        refuse_shape(where, "spatial sizes of at least $(shape_text(spans)) with the padding $(shape_text(padding))", shape)
    return Size[n isa String ? n : fld(n + 2padding[i] - spans[i], stride[i]) + 1 for (i, n) in enumerate(sizes)]
end

"Refuse a variable size along the last axes unless the layer keeps it."
function check_variables(where, shape::SampleShape, kept::AbstractVector{Bool})
    for (size, same) in zip(shape[(end - length(kept) + 1):end], kept)
        size isa String && !same &&
            refuse_shape(where, "an input without variable sizes along axes that the layer resizes", shape)
    end
end

"exp(x) / Σ exp(x) over the axis at `place`, which is counted from the last axis of the sample, from 1."
struct Softmax <: Layer
    place::Int
end

"x − log Σ exp(x) over the axis at `place`, which is counted from the last axis of the sample, from 1."
struct LogSoftmax <: Layer
    place::Int
end

"The place of the attribute `axis`, −1 for the last one."
softmax_place(attributes::Attributes) = -attribute(attributes, "axis", Int)

sample_shape(layer::Union{Softmax,LogSoftmax}, where, inputs::Vector{SampleShape}) =
    1 <= layer.place <= length(inputs[1]) ? inputs[1] :
    refuse_shape(where, "an input with an axis $(-layer.place)", inputs[1])

"Sizes before, at and after the axis: an array is taken as (inner, classes, outer)."
function softmax_sizes(layer::Union{Softmax,LogSoftmax}, x::Array{T,N}) where {T,N}
    if layer.place >= N
        throw(BridgeError("a softmax over axis -$(layer.place)", "a sample that has it", "$(N - 1) axes"))
    end
    inner = prod(ntuple(i -> i < layer.place ? size(x, i) : 1, N))
    outer = prod(ntuple(i -> i > layer.place ? size(x, i) : 1, N))
    return inner, size(x, layer.place), outer
end

function forward(
    layer::Union{Softmax,LogSoftmax}, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any,
) where {T,N}
    x = inputs[1]
    inner, classes, outer = softmax_sizes(layer, x)
    y = output!(memory, 1, T, size(x))
    # Per column, or per row of a slab: the maximum, then the sum.
    rows = inner == 1 ? 0 : inner
    maxima, sums = scratch!(memory, T, (rows,)), scratch!(memory, T, (rows,))
    GC.@preserve x y begin
        if inner == 1
            parts(outer, part_columns(classes)) do first, last, _
                for j in first-1:last-1
                    o = j * classes * sizeof(T)
                    softmax_column!(layer, pointer(y) + o, pointer(x) + o, classes)
                end
            end
        else
            for j in 0:outer-1
                o = j * inner * classes * sizeof(T)
                softmax_slab!(layer, pointer(y) + o, pointer(x) + o, inner, classes, maxima, sums)
            end
        end
    end
    return (y,), nothing
end

function pullback(
    layer::Union{Softmax,LogSoftmax}, ::Tuple{}, inputs::Tuple{Array{T,N}}, values::Tuple{Array{T,N}}, ::Nothing,
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    y, dy = values[1], dvalues[1]
    inner, classes, outer = softmax_sizes(layer, y)
    dx = input_gradient!(memory, 1, T, size(y))
    sums = scratch!(memory, T, (inner == 1 ? 0 : inner,))
    GC.@preserve y dy dx begin
        if inner == 1
            parts(outer, part_columns(classes)) do first, last, _
                for j in first-1:last-1
                    o = j * classes * sizeof(T)
                    softmax_column_gradient!(layer, pointer(dx) + o, pointer(y) + o, pointer(dy) + o, classes)
                end
            end
        else
            for j in 0:outer-1
                o = j * inner * classes * sizeof(T)
                softmax_slab_gradient!(layer, pointer(dx) + o, pointer(y) + o, pointer(dy) + o, inner, classes, sums)
            end
        end
    end
    return (dx,), ()
end

part_columns(classes::Int) = cld(LEAST_PART, classes)

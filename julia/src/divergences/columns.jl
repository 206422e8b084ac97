# Measures of columns along the class axis. Each column is copied next to each other first, so that every loop over
# classes is over consecutive numbers wherever the class axis is.

"Buffers for one column of each side: the numbers, two of what is made of them, and the gradients."
struct ColumnScratch{T}
    left::Vector{T}
    right::Vector{T}
    of_left::Vector{T}
    of_right::Vector{T}
    dleft::Vector{T}
    dright::Vector{T}
end

ColumnScratch{T}(classes::Int) where {T} = ColumnScratch{T}((Vector{T}(undef, classes) for _ in 1:6)...)

"Where the columns of an array lie: `stride` numbers are before the class axis, `classes` on it."
struct ColumnLayout
    stride::Int
    classes::Int
    count::Int
end

function ColumnLayout(d::Measure, x::Array{T,N}) where {T,N}
    stride = prod(ntuple(i -> i < d.place ? size(x, i) : 1, N))
    classes = size(x, d.place)
    return ColumnLayout(stride, classes, classes == 0 ? 0 : length(x) ÷ classes)
end

"The index of the first number of column j."
@inline function first_index(layout::ColumnLayout, j::Int)
    outer, inner = divrem(j - 1, layout.stride)
    return outer * layout.stride * layout.classes + inner + 1
end

@inline function gather!(column::Vector{T}, x::Array{T}, layout::ColumnLayout, j::Int) where {T}
    at, stride = first_index(layout, j), layout.stride
    if stride == 1
        unsafe_copyto!(column, 1, x, at, layout.classes)
    else
        @inbounds for k in 1:layout.classes
            column[k] = x[at+(k-1)*stride]
        end
    end
    return column
end

@inline function scatter!(x::Array{T}, column::Vector{T}, layout::ColumnLayout, j::Int) where {T}
    at, stride = first_index(layout, j), layout.stride
    if stride == 1
        unsafe_copyto!(x, at, column, 1, layout.classes)
    else
        @inbounds for k in 1:layout.classes
            x[at+(k-1)*stride] = column[k]
        end
    end
    return nothing
end

"The right side of element j: its column, or its class from 1."
@inline right_column(d::ColumnMeasure, s::ColumnScratch{T}, right::Array{T}, layout::ColumnLayout, j::Int) where {T} =
    gather!(s.right, right, layout, j)

@inline function right_column(
    d::ColumnMeasure, ::ColumnScratch, right::Array{I}, layout::ColumnLayout, j::Int,
) where {I<:Integer}
    index = @inbounds right[j]
    0 <= index < layout.classes || unknown_class(index, layout.classes)
    return Int(index) + 1
end

@noinline unknown_class(index::Integer, classes::Int) =
    throw(BridgeError("class indices", "numbers from 0 to $(classes - 1)", string(index)))

"y = log softmax(x)"
function log_softmax!(y::Vector{T}, x::Vector{T}) where {T}
    GC.@preserve x y softmax_column!(LogSoftmax(1), pointer(y), pointer(x), length(x))
    return y
end

function element_values(d::ColumnMeasure, left::Array{T}, right::Array) where {T}
    layout = ColumnLayout(d, left)
    s = ColumnScratch{T}(layout.classes)
    elements = Vector{T}(undef, layout.count)
    for j in 1:layout.count
        gather!(s.left, left, layout, j)
        elements[j] = column_value(d, s, right_column(d, s, right, layout, j))
    end
    return elements
end

# `column_gradients!` has the column's value at hand and returns it.
function weighted_sum_and_gradients!(
    d::ColumnMeasure, dleft::Union{Array{T},Nothing}, dright::Union{Array{T},Nothing}, left::Array{T}, right::Array,
    w::ElementWeights, scale::Float64,
) where {T}
    layout = ColumnLayout(d, left)
    s = ColumnScratch{T}(layout.classes)
    total = 0.0
    for j in 1:layout.count
        gather!(s.left, left, layout, j)
        much = weight(w, j)
        total += much * Float64(column_gradients!(d, s, right_column(d, s, right, layout, j), T(much * scale)))
        dleft === nothing || scatter!(dleft, s.dleft, layout, j)
        dright === nothing || scatter!(dright, s.dright, layout, j)
    end
    return total
end

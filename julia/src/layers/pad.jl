"""
    Pad(before, after, value)

`value` before and behind the elements of the last axes of the sample, as often as `before` and `after` say, row-major
(torch.nn.functional.pad).
"""
struct Pad <: Layer
    before::Vector{Int}
    after::Vector{Int}
    value::Float64
end

Pad(a::Attributes) =
    Pad(attribute(a, "before", Vector{Int}), attribute(a, "after", Vector{Int}), attribute(a, "value", Float64))

check_layer(layer::Pad, where) = length(layer.before) == length(layer.after) ? nothing :
    refuse(where, "$(length(layer.before)) sizes after, as before", string(length(layer.after)), "layer")

function sample_shape(layer::Pad, where, inputs::Vector{SampleShape})
    shape, more = inputs[1], layer.before .+ layer.after
    length(shape) < length(more) && refuse_shape(where, "an input of $(length(more)) or more axes", shape)
    check_variables(where, shape, more .== 0)
    kept = length(shape) - length(more)
    return SampleShape([shape[1:kept]; Size[n isa String ? n : n + m for (n, m) in zip(shape[(kept + 1):end], more)]])
end

function padded_size(layer::Pad, x::Array{T,N}) where {T,N}
    axes = length(layer.before)
    axes < N ||
        throw(BridgeError("layer 'pad'", "a sample of $axes axes or more", "an input of $(size(x)) in Julia's order"))
    return ntuple(i -> i > axes ? size(x, i) : size(x, i) + layer.before[axes - i + 1] + layer.after[axes - i + 1], Val(N))
end

function forward(layer::Pad, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, _) where {T,N}
    x = inputs[1]
    y = output!(memory, 1, T, padded_size(layer, x))
    value = T(layer.value)
    each_padded(layer, y, x) do padded, plain, edges, axis
        write_padded!(padded, plain, edges, axis, value)
    end
    return (y,), nothing
end

function pullback(
    layer::Pad, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    dx = input_gradient!(memory, 1, T, size(inputs[1]))
    each_padded(take_padded!, layer, dvalues[1], dx)
    return (dx,), ()
end

"An axis of `size`, with so many elements before and after it; from one step along it to the next are `plain` and `padded`."
struct Edges
    before::Int
    size::Int
    after::Int
    plain::Int
    padded::Int
end

"""
Call `body(padded, plain, edges, axes)` for all that is padded along `axes` axes, with its places in the array with the
padding and in the one without; `edges` are those of the axes.
"""
function each_padded(body::F, layer::Pad, padded::Array{T}, plain::Array{T}) where {F,T}
    axes = length(layer.before)
    strides = map(x -> Base.size_to_strides(1, size(x)...), (plain, padded))
    edges = [Edges(layer.before[end - i + 1], size(plain, i), layer.after[end - i + 1], strides[1][i], strides[2][i])
             for i in 1:axes]
    from, to = prod([e.size for e in edges]), prod([e.before + e.size + e.after for e in edges])
    GC.@preserve padded plain edges begin
        padded_place, plain_place, edges_place = pointer(padded), pointer(plain), pointer(edges)
        parts(length(padded) ÷ max(to, 1), cld(LEAST_PART, max(to, 1))) do first, last, _
            for k in (first - 1):(last - 1)
                body(padded_place + k * to * sizeof(T), plain_place + k * from * sizeof(T), edges_place, axes)
            end
        end
    end
    return nothing
end

function write_padded!(padded::Ptr{T}, plain::Ptr{T}, edges::Ptr{Edges}, axis::Int, value::T) where {T}
    e = unsafe_load(edges, axis)
    fill_elements!(padded, e.before * e.padded, value)
    inner = padded + e.before * e.padded * sizeof(T)
    if axis == 1
        copy_elements!(inner, plain, e.size)
    else
        for i in 0:(e.size - 1)
            write_padded!(inner + i * e.padded * sizeof(T), plain + i * e.plain * sizeof(T), edges, axis - 1, value)
        end
    end
    fill_elements!(inner + e.size * e.padded * sizeof(T), e.after * e.padded, value)
    return nothing
end

function take_padded!(padded::Ptr{T}, plain::Ptr{T}, edges::Ptr{Edges}, axis::Int) where {T}
    e = unsafe_load(edges, axis)
    inner = padded + e.before * e.padded * sizeof(T)
    axis == 1 && return (copy_elements!(plain, inner, e.size); nothing)
    for i in 0:(e.size - 1)
        take_padded!(inner + i * e.padded * sizeof(T), plain + i * e.plain * sizeof(T), edges, axis - 1)
    end
    return nothing
end

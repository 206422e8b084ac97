"""
    Attention(causal, masked, scale)

softmax(scale · q kᵀ) v for q (…, T, D), k (…, S, D) and v (…, S, E) (torch's scaled_dot_product_attention); the scale 0
stands for 1/√D. A query sees the keys that are true in the mask, which is (T, S) or (…, T, S), and with `causal` none after
it; one that sees none has zeros.
"""
struct Attention <: Layer
    causal::Bool
    masked::Bool
    scale::Float64
end

Attention(a::Attributes) =
    Attention(attribute(a, "causal", Bool), attribute(a, "mask", String) == "boolean", attribute(a, "scale", Float64))

input_kinds(layer::Attention) = (FLOATS, FLOATS, FLOATS, (layer.masked ? (MASKS,) : ())...)

function sample_shape(layer::Attention, where, inputs::Vector{SampleShape})
    query, key, value = inputs
    length(query) >= 2 || refuse_shape(where, "a query with two or more axes", query)
    leading, steps = query[1:end-2], query[end-1]
    length(key) == length(query) && key[1:end-2] == leading && key[end] == query[end] ||
        refuse_shape(where, "a key of shape $(shape_text(query)), but for axis -2", key)
    length(value) == length(query) && value[1:end-1] == key[1:end-1] ||
        refuse_shape(where, "a value of shape $(shape_text(key)), but for axis -1", value)
    for mask in inputs[4:end]
        whole = [leading; steps; key[end-1]]
        mask == [steps; key[end-1]] || mask == whole || refuse_shape(where, "a mask of shape $(shape_text(whole))", mask)
    end
    return SampleShape([query[1:end-1]; value[end]])
end

function block_sizes(layer::Attention, inputs::Tuple)
    q, k, v = inputs
    leading = size(q)[3:end]
    fits = ndims(q) == ndims(k) == ndims(v) >= 3 && size(k)[3:end] == size(v)[3:end] == leading &&
        size(q, 1) == size(k, 1) && size(k, 2) == size(v, 2) && length(inputs) == 3 + layer.masked
    if fits && layer.masked
        mask = inputs[4]
        fits = size(mask) in ((size(k, 2), size(q, 2), leading...), (size(k, 2), size(q, 2), leading[end]))
    end
    fits ||
        throw(BridgeError("layer 'attention'", "queries, keys, values and a mask that fit", join(map(size, inputs), ", ")))
    return BlockSizes(prod(leading[1:end-1]), leading[end], size(q, 2), size(k, 2), size(q, 1), size(v, 1))
end

"One block after the other."
blocks(a::Array{T}, heads::Int) where {T} =
    Blocks{T}(pointer(a), size(a, 1), size(a, 1) * size(a, 2), size(a, 1) * size(a, 2) * heads)

"A mask's columns, the same for all heads where it has no axes for them."
function mask_blocks(mask::Array{Bool}, heads::Int)
    block = size(mask, 1) * size(mask, 2)
    own = block * size(mask, ndims(mask)) == length(mask) ? 1 : heads
    return Blocks{UInt8}(Ptr{UInt8}(pointer(mask)), size(mask, 1), own == 1 && heads > 1 ? 0 : block, block * own)
end

scale_of(layer::Attention, n::BlockSizes, ::Type{T}) where {T} = T(layer.scale == 0 ? 1 / sqrt(n.width) : layer.scale)

function forward(
    layer::Attention, ::Tuple{}, inputs::Tuple{Array{T},Array{T},Array{T},Vararg{Array{Bool}}}, memory::Memory, ::Any,
) where {T}
    n = block_sizes(layer, inputs)
    q, k, v = inputs
    y = output!(memory, 1, T, (n.value_width, Base.tail(size(q))...))
    weights = scratch!(memory, T, (n.keys, n.queries, n.heads, n.samples))
    GC.@preserve inputs y weights begin
        masks = map(mask -> mask_blocks(mask, n.heads), inputs[4:end])
        attend!(blocks(y, n.heads), pointer(weights), blocks(q, n.heads), blocks(k, n.heads), blocks(v, n.heads), masks,
                layer.causal, scale_of(layer, n, T), n)
    end
    return (y,), weights
end

function pullback(
    layer::Attention, ::Tuple{}, inputs::Tuple, ::Tuple, weights::Array{T,4}, dvalues::Tuple{Array{T}}, needs_inputs::Tuple,
    ::Tuple{}, memory::Memory,
) where {T}
    n = block_sizes(layer, inputs)
    q, k, v = inputs
    gradients = map((i, x) -> needs_inputs[i] ? input_gradient!(memory, i, T, size(x)) : nothing, (1, 2, 3), (q, k, v))
    room = scratch!(memory, T, (n.keys, n.queries, n.heads))
    GC.@preserve inputs weights dvalues gradients room begin
        dq, dk, dv = map(d -> d === nothing ? nothing : blocks(d, n.heads), gradients)
        attend_back!(dq, dk, dv, pointer(room), blocks(dvalues[1], n.heads), pointer(weights), blocks(q, n.heads),
                     blocks(k, n.heads), blocks(v, n.heads), scale_of(layer, n, T), n)
    end
    return layer.masked ? (gradients..., nothing) : gradients, ()
end

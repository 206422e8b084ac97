"""
Attention of several heads over projections of query (T, width), key (S, key_width) and value (S, value_width), each head
with its own part of the width, and a projection of what they give (torch.nn.MultiheadAttention). A query sees the keys that
are true in `key_mask` (S) and in `mask` (T, S), and with `causal` none after it; one that sees none gets zeros from the
heads.
"""
struct MultiHeadAttention <: Layer
    width::Int
    heads::Int
    key_width::Int
    value_width::Int
    bias::Bool
    causal::Bool
    key_mask::Bool
    mask::Bool
end

MultiHeadAttention(a::Attributes) =
    MultiHeadAttention(map(name -> attribute(a, name, Int), ("width", "heads", "key_width", "value_width"))...,
                       map(name -> attribute(a, name, Bool), ("bias", "causal", "key_mask", "mask"))...)

function parameter_names(layer::MultiHeadAttention)
    layer.bias || return ("q_weight", "k_weight", "v_weight", "out_weight")
    return ("q_weight", "k_weight", "v_weight", "q_bias", "k_bias", "v_bias", "out_weight", "out_bias")
end

function parameter_shapes(layer::MultiHeadAttention)
    width, bias = layer.width, (layer.width,)
    projections = ((width, width), (width, layer.key_width), (width, layer.value_width))
    layer.bias || return (projections..., (width, width))
    return (projections..., bias, bias, bias, (width, width), bias)
end

"What torch.nn.MultiheadAttention starts with: it draws the first three weights as one matrix where all widths are equal."
function initial_multi_head(a::Attributes, name::String)
    width = attribute(a, "width", Int)
    (attribute(a, "init", String) == "zeros" || endswith(name, "bias")) && return ConstantValues(0)
    name == "out_weight" && return UniformValues(1 / sqrt(width))
    inputs = name == "q_weight" ? width : attribute(a, name == "k_weight" ? "key_width" : "value_width", Int)
    packed = attribute(a, "key_width", Int) == attribute(a, "value_width", Int) == width
    return UniformValues(sqrt(6) / sqrt((packed ? 3 * width : width) + inputs))
end

check_layer(layer::MultiHeadAttention, where) = layer.width % layer.heads == 0 ||
    refuse(where, "a width that is a multiple of $(layer.heads) heads", string(layer.width), "layer")

input_kinds(layer::MultiHeadAttention) = (FLOATS, FLOATS, FLOATS, ntuple(_ -> MASKS, layer.key_mask + layer.mask)...)

function sample_shape(layer::MultiHeadAttention, where, inputs::Vector{SampleShape})
    query, key, value = inputs
    widths = (layer.width, layer.key_width, layer.value_width)
    for (name, shape, width) in zip(("query", "key", "value"), inputs, widths)
        length(shape) == 2 && shape[2] == width ||
            refuse_shape(where, "a $name of two axes, the last of size $width", shape)
    end
    value[1] == key[1] ||
        refuse_shape(where, "a value with the first axis of the key, $(shape_text(key))", value)
    expected = [(layer.key_mask ? ([key[1]],) : ())..., (layer.mask ? ([query[1], key[1]],) : ())...]
    for (mask, shape) in zip(inputs[4:end], expected)
        mask == shape || refuse_shape(where, "a mask of shape $(shape_text(shape))", mask)
    end
    return query
end

"The places of the weights and of the biases (0 for none) of query, key, value and output among the parameters."
weight_places(layer::MultiHeadAttention) = layer.bias ? (1, 2, 3, 7) : (1, 2, 3, 4)
bias_places(layer::MultiHeadAttention) = layer.bias ? (4, 5, 6, 8) : (0, 0, 0, 0)

function block_sizes(layer::MultiHeadAttention, parameters::Tuple, inputs::Tuple)
    q, k, v = inputs
    steps, keys, samples = size(q, 2), size(k, 2), size(q, 3)
    expected = ((layer.width, steps, samples), (layer.key_width, keys, samples), (layer.value_width, keys, samples),
                (layer.key_mask ? ((keys, samples),) : ())..., (layer.mask ? ((keys, steps, samples),) : ())...)
    map(size, inputs) == expected && map(reverse ∘ size, parameters) == parameter_shapes(layer) ||
        throw(BridgeError("layer 'multi_head_attention'", "inputs of $expected in Julia's order", string(map(size, inputs))))
    width = layer.width ÷ layer.heads
    return BlockSizes(layer.heads, samples, steps, keys, width, width)
end

"The part of each head in the columns of (width, steps, samples)."
head_blocks(a::Array{T,3}, n::BlockSizes) where {T} =
    Blocks{T}(pointer(a), size(a, 1), size(a, 1) ÷ n.heads, size(a, 1) * size(a, 2))

function mask_blocks(layer::MultiHeadAttention, masks::Tuple)
    key_mask = layer.key_mask ? (Blocks{UInt8}(Ptr{UInt8}(pointer(masks[1])), 0, 0, size(masks[1], 1)),) : ()
    layer.mask || return key_mask
    mask = masks[end]
    return (key_mask..., Blocks{UInt8}(Ptr{UInt8}(pointer(mask)), size(mask, 1), 0, size(mask, 1) * size(mask, 2)))
end

"Set `y` to the product of the weight at `places[1]` and x, plus the bias at `places[2]` if that is not 0."
function project!(y::Array{T,3}, x::Array{T,3}, parameters::Tuple, places::Tuple{Int,Int}) where {T}
    weight, bias = parameters[places[1]], places[2]
    columns = size(x, 2) * size(x, 3)
    bias == 0 || fill_columns!(y, parameters[bias], columns)
    gemm!('T', 'N', size(weight, 2), columns, size(weight, 1), weight, x, T(bias != 0), y)
    return y
end

function forward(
    layer::MultiHeadAttention, parameters::Tuple, inputs::Tuple{Array{T,3},Array{T,3},Array{T,3},Vararg{Array{Bool}}},
    memory::Memory, ::Any,
) where {T}
    n = block_sizes(layer, parameters, inputs)
    places = map(tuple, weight_places(layer), bias_places(layer))
    q, k, v = map((x, place) -> project!(scratch!(memory, T, (layer.width, size(x, 2), size(x, 3))), x, parameters, place),
                  inputs[1:3], places[1:3])
    weights = scratch!(memory, T, (n.keys, n.queries, n.heads, n.samples))
    values = scratch!(memory, T, (layer.width, n.queries, n.samples))
    GC.@preserve inputs q k v weights values begin
        attend!(head_blocks(values, n), pointer(weights), head_blocks(q, n), head_blocks(k, n), head_blocks(v, n),
                mask_blocks(layer, inputs[4:end]), layer.causal, T(1 / sqrt(n.width)), n)
    end
    y = project!(output!(memory, 1, T, (layer.width, n.queries, n.samples)), values, parameters, places[4])
    return (y,), (q, k, v, weights, values)
end

function pullback(
    layer::MultiHeadAttention, parameters::Tuple, inputs::Tuple, ::Tuple, residual::Tuple, dvalues::Tuple{Array{T,3}},
    needs_inputs::Tuple, needs_parameters::Tuple, memory::Memory,
) where {T}
    n = block_sizes(layer, parameters, inputs)
    q, k, v, weights, values = residual
    places = map(tuple, weight_places(layer), bias_places(layer))
    dy, columns = dvalues[1], n.queries * n.samples
    # A projection's gradient is wanted for its input, its weight or its bias.
    wanted = map(1:3) do i
        needs_inputs[i] || any(place -> place != 0 && needs_parameters[place], places[i])
    end
    projected = map((i, x) -> wanted[i] ? scratch!(memory, T, size(x)) : nothing, (1, 2, 3), (q, k, v))
    if any(wanted)
        dheads = scratch!(memory, T, size(values))
        gemm!('N', 'N', layer.width, columns, layer.width, parameters[places[4][1]], dy, zero(T), dheads)
        room = scratch!(memory, T, (n.keys, n.queries, n.heads))
        GC.@preserve q k v weights projected dheads room begin
            dq, dk, dv = map(d -> d === nothing ? nothing : head_blocks(d, n), projected)
            attend_back!(dq, dk, dv, pointer(room), head_blocks(dheads, n), pointer(weights), head_blocks(q, n),
                         head_blocks(k, n), head_blocks(v, n), T(1 / sqrt(n.width)), n)
        end
    end
    sides = ((projected .=> inputs[1:3])..., dy => values)
    dinputs = ntuple(length(inputs)) do i
        i <= 3 && needs_inputs[i] || return nothing
        dx, weight = input_gradient!(memory, i, T, size(inputs[i])), parameters[places[i][1]]
        gemm!('N', 'N', size(weight, 1), size(dx, 2) * size(dx, 3), layer.width, weight, projected[i], zero(T), dx)
        return dx
    end
    dparameters = ntuple(length(parameters)) do j
        needs_parameters[j] || return nothing
        gradient = parameter_gradient!(memory, j, T, size(parameters[j]))
        dprojected, x = sides[findfirst(place -> j in place, places)]
        columns_of_x = size(x, 2) * size(x, 3)
        gradient isa Vector && return sum_columns!(gradient, dprojected, columns_of_x)
        gemm!('N', 'T', size(x, 1), layer.width, columns_of_x, x, dprojected, zero(T), gradient)
        return gradient
    end
    return dinputs, dparameters
end

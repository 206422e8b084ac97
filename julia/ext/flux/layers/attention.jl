# Attention by NNlib's batched products. NNlib's own `dot_product_attention` gives NaN to a query that sees no key.

"Arrays (D, T, blocks), (D, S, blocks) and (E, S, blocks); `keep`, (S, T, blocks) or less, is `nothing` where all is seen."
function attend(q, k, v, keep, scale)
    scores = scale .* NNlib.batched_mul(NNlib.batched_transpose(k), q)
    keep === nothing && return NNlib.batched_mul(v, NNlib.softmax(scores; dims = 1))
    seen = any(keep; dims = 1)
    weights = NNlib.softmax(ifelse.(keep .| .!seen, scores, typemin(eltype(scores))); dims = 1)
    return NNlib.batched_mul(v, weights .* seen)
end

as_blocks(a::AbstractArray) = reshape(a, size(a, 1), size(a, 2), :)

"What no query sees that comes before the key."
causal_mask(keys::Int, queries::Int) = [key <= query for key in 1:keys, query in 1:queries]

both(::Nothing, b) = b
both(a, ::Nothing) = a
both(a, b) = a .& b
both(::Nothing, ::Nothing) = nothing

"Which keys each query sees, as attributes and masks say, with an axis for the blocks."
function visible(layer::DiagramBridge.Attention, q, k, masks)
    causal = layer.causal ? causal_mask(size(k, 2), size(q, 2)) : nothing
    isempty(masks) && return causal
    mask = only(masks)
    front = ntuple(i -> size(q, i + 2), ndims(q) - 3)
    whole = ndims(mask) == ndims(q) ? mask :
        reshape(mask, size(mask, 1), size(mask, 2), map(_ -> 1, front)..., size(mask, 3)) .& trues(1, 1, front..., 1)
    return both(as_blocks(whole), causal)
end

function in_flux(layer::DiagramBridge.Attention)
    function call(q, k, v, masks...)
        keep = Zygote.ignore_derivatives(() -> visible(layer, q, k, masks))
        scale = eltype(q)(layer.scale == 0 ? 1 / sqrt(size(q, 1)) : layer.scale)
        made = attend(as_blocks(q), as_blocks(k), as_blocks(v), keep, scale)
        return reshape(made, size(v, 1), Base.tail(size(q))...)
    end
    return FluxLayer(layer, call)
end

check_inputs(layer::DiagramBridge.Attention, ::Tuple, inputs::Tuple) = DiagramBridge.block_sizes(layer, inputs)

project(weight, bias, x) = reshape(transpose(weight) * reshape(x, size(x, 1), :), :, size(x, 2), size(x, 3)) .+ bias
project(weight, ::Nothing, x) = project(weight, false, x)

# (width, steps, samples) to (part, steps, heads · samples), and back.
to_heads(x, heads) = as_blocks(permutedims(reshape(x, size(x, 1) ÷ heads, heads, size(x, 2), size(x, 3)), (1, 3, 2, 4)))
from_heads(x, heads) =
    reshape(permutedims(reshape(x, size(x, 1), size(x, 2), heads, :), (1, 3, 2, 4)), size(x, 1) * heads, size(x, 2), :)

function visible(layer::DiagramBridge.MultiHeadAttention, query, key, masks)
    keys, queries, samples = size(key, 2), size(query, 2), size(query, 3)
    keep = layer.causal ? causal_mask(keys, queries) : nothing
    layer.key_mask && (keep = both(reshape(masks[1], keys, 1, 1, samples), keep))
    layer.mask && (keep = both(reshape(masks[end], keys, queries, 1, samples), keep))
    isempty(masks) && return keep
    return as_blocks(keep .& trues(1, queries, layer.heads, 1))
end

function in_flux(layer::DiagramBridge.MultiHeadAttention)
    heads, count = layer.heads, layer.key_mask + layer.mask
    weights, biases = DiagramBridge.weight_places(layer), DiagramBridge.bias_places(layer)
    function call(query, key, value, rest...)
        masks, parameters = rest[1:count], rest[(count + 1):end]
        bias(k) = layer.bias ? parameters[biases[k]] : nothing
        keep = Zygote.ignore_derivatives(() -> visible(layer, query, key, masks))
        q, k, v = map((j, x) -> to_heads(project(parameters[weights[j]], bias(j), x), heads), (1, 2, 3), (query, key, value))
        made = attend(q, k, v, keep, eltype(q)(1 / sqrt(size(q, 1))))
        return project(parameters[weights[4]], bias(4), from_heads(made, heads))
    end
    return FluxLayer(layer, call)
end

check_inputs(layer::DiagramBridge.MultiHeadAttention, parameters::Tuple, inputs::Tuple) =
    DiagramBridge.block_sizes(layer, parameters, inputs)

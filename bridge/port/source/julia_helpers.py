"""Functions and layers that a Julia script has where it uses them: what Flux has not, or has with another meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["HELPERS", "helpers"]

HELPERS: Mapping[str, str] = {
    "tie": '''"The model with the arrays of other parts in the places of these: an array at several places is one parameter."
function tie(model, pairs...)
    arrays = IdDict()
    for (part, other) in pairs
        fmap((old, new) -> arrays[old] = new, part, other)
    end
    return fmap(array -> get(arrays, array, array), model)
end
''',
    "Normalisation": '''"Layer normalisation over the first axes, with eps added to the variance."
struct Normalisation{W,B}
    weight::W
    bias::B
    axes::Int
    eps::Float64
end

Flux.@layer Normalisation trainable=(weight, bias)

function Normalisation(size; affine=true, eps=1e-5)
    affine || return Normalisation(nothing, nothing, length(size), eps)
    return Normalisation(ones(Float32, size), zeros(Float32, size), length(size), eps)
end

function (m::Normalisation)(x)
    dims = ntuple(identity, m.axes)
    centred = x .- mean(x; dims)
    y = centred ./ sqrt.(mean(abs2, centred; dims) .+ eltype(x)(m.eps))
    return m.weight === nothing ? y : y .* m.weight .+ m.bias
end
''',
    "steps": '''"""
What `cell(x, state)` says of each step of (inputs, steps, batch), one after the other, and the last state. Behind a sample's
length the output is zero and the state stays.
"""
function steps(cell, x, state; reverse=false, lengths=nothing)
    outputs = []
    for t in (reverse ? (size(x, 2):-1:1) : (1:size(x, 2)))
        y, next = cell(x[:, t, :], state)
        if lengths !== nothing
            inside = reshape(t .<= lengths, 1, :)
            y, next = inside .* y, map((new, old) -> inside .* new .+ .!inside .* old, next, state)
        end
        state = next
        outputs = reverse ? vcat([y], outputs) : vcat(outputs, [y])
    end
    return stack(outputs; dims=2), state
end

"The gates of one step: weights are stored as torch has them, (inputs, gates · hidden) in Julia."
gates(m, x, h) = (m.weight_ih' * x .+ m.bias_ih, m.weight_hh' * h .+ m.bias_hh)

part(x, k, n) = x[(size(x, 1) ÷ n * (k - 1) + 1):(size(x, 1) ÷ n * k), :]

start(m, x) = zeros(eltype(x), size(m.weight_hh, 1), size(x, 3))

function weights(inputs, hidden, gates, biases)
    bound = 1 / sqrt(Float32(hidden))
    draw(size...) = (2 .* rand(Float32, size...) .- 1) .* bound
    bias(k) = biases >= k ? draw(gates * hidden) : false
    return draw(inputs, gates * hidden), draw(hidden, gates * hidden), bias(1), bias(2)
end
''',
    "LongShortTerm": '''"An LSTM with torch's equations and its two biases; it gives the sequence and the last h and c."
struct LongShortTerm{W,V,B,C}
    weight_ih::W
    weight_hh::V
    bias_ih::B
    bias_hh::C
    reverse::Bool
end

Flux.@layer LongShortTerm trainable=(weight_ih, weight_hh, bias_ih, bias_hh)

LongShortTerm((inputs, hidden)::Pair; biases=2, reverse=false) =
    LongShortTerm(weights(inputs, hidden, 4, biases)..., reverse)

function (m::LongShortTerm)(x, h=start(m, x), c=start(m, x); lengths=nothing)
    function cell(x, (h, c))
        g = sum(gates(m, x, h))
        c = sigmoid.(part(g, 2, 4)) .* c .+ sigmoid.(part(g, 1, 4)) .* tanh.(part(g, 3, 4))
        h = sigmoid.(part(g, 4, 4)) .* tanh.(c)
        return h, (h, c)
    end
    y, (h, c) = steps(cell, x, (h, c); m.reverse, lengths)
    return y, h, c
end
''',
    "Gated": '''"A GRU with the equations of torch's; it gives the sequence and the last h."
struct Gated{W,V,B,C}
    weight_ih::W
    weight_hh::V
    bias_ih::B
    bias_hh::C
    reverse::Bool
end

Flux.@layer Gated trainable=(weight_ih, weight_hh, bias_ih, bias_hh)

Gated((inputs, hidden)::Pair; biases=2, reverse=false) = Gated(weights(inputs, hidden, 3, biases)..., reverse)

function (m::Gated)(x, h=start(m, x); lengths=nothing)
    function cell(x, (h,))
        a, b = gates(m, x, h)
        r, z = sigmoid.(part(a, 1, 3) .+ part(b, 1, 3)), sigmoid.(part(a, 2, 3) .+ part(b, 2, 3))
        n = tanh.(part(a, 3, 3) .+ r .* part(b, 3, 3))
        h = (1 .- z) .* n .+ z .* h
        return h, (h,)
    end
    y, (h,) = steps(cell, x, (h,); m.reverse, lengths)
    return y, h
end
''',
    "Elman": '''"A plain recurrent layer as torch has it; it gives the sequence and the last h."
struct Elman{W,V,B,C,F}
    weight_ih::W
    weight_hh::V
    bias_ih::B
    bias_hh::C
    reverse::Bool
    activation::F
end

Flux.@layer Elman trainable=(weight_ih, weight_hh, bias_ih, bias_hh)

Elman((inputs, hidden)::Pair; biases=2, reverse=false, activation=tanh) =
    Elman(weights(inputs, hidden, 1, biases)..., reverse, activation)

function (m::Elman)(x, h=start(m, x); lengths=nothing)
    function cell(x, (h,))
        h = m.activation.(sum(gates(m, x, h)))
        return h, (h,)
    end
    y, (h,) = steps(cell, x, (h,); m.reverse, lengths)
    return y, h
end
''',
    "attention": '''"Scaled dot-product attention of (width, steps, …, batch); a mask says which keys take part."
function attention(q, k, v; causal=false, mask=nothing, scale=1 / sqrt(size(q, 1)))
    flat(x) = reshape(x, size(x, 1), size(x, 2), :)
    scores = eltype(q)(scale) .* batched_mul(batched_transpose(flat(k)), flat(q))
    keep = causal ? [key <= query for key in axes(k, 2), query in axes(q, 2)] : trues(size(k, 2), size(q, 2))
    if mask !== nothing
        front = size(q)[3:(end - 1)]
        whole = ndims(mask) == ndims(q) ? mask : reshape(mask, size(mask)[1:2]..., map(one, front)..., :)
        keep = keep .& flat(whole .& trues(1, 1, front..., 1))
    end
    seen = any(keep; dims=1)
    weights = softmax(ifelse.(keep .| .!seen, scores, typemin(eltype(q))); dims=1) .* seen
    return reshape(batched_mul(flat(v), weights), size(v, 1), size(q)[2:end]...)
end
''',
    "causal_mask": '''"Which keys each query sees that do not come after it."
causal_mask(k, q) = [key <= query for key in axes(k, 2), query in axes(q, 2)]
''',
    "matmul": '''"Products of matrices; arrays have their axes reversed, so the factors change places."
function matmul(a, b)
    flat(x) = reshape(x, size(x, 1), size(x, 2), :)
    return reshape(batched_mul(flat(b), flat(a)), size(b, 1), size(a)[2:end]...)
end
''',
    "adaptive_pool": '''"A mean or maximum of `sizes` windows in each direction, which may overlap, as torch has them."
function adaptive_pool(reduce, x, sizes)
    for (axis, size) in enumerate(sizes)
        n = Base.size(x, axis)
        windows = [(i * n ÷ size + 1):cld((i + 1) * n, size) for i in 0:(size - 1)]
        x = cat((reduce(selectdim(x, axis, window); dims=axis) for window in windows)...; dims=axis)
    end
    return x
end
''',
    "without_gradient": '''"The same columns, with no gradient to those that are marked."
function without_gradient(x, marked)
    marked = reshape(marked, 1, size(marked)...)
    return ifelse.(marked, Flux.Zygote.dropgrad(x), x)
end
''',
    "masked_mean": '''"The mean of what a mask of weights keeps, 0 where it keeps nothing."
function masked_mean(each, mask)
    each = ndims(mask) == 1 ? vec(mean(reshape(each, :, length(mask)); dims=1)) : reshape(each, size(mask))
    return sum(mask) > 0 ? sum(mask .* each) / sum(mask) : sum(mask .* each)
end
''',
    "divergence": '''"T² times the Kullback-Leibler divergence of softmax(right / T) from softmax(left / T)."
function divergence(left, right; temperature=1, dims=1, agg=mean)
    T = eltype(left)(temperature)
    log_q, log_p = logsoftmax(left ./ T; dims), logsoftmax(right ./ T; dims)
    return agg(T^2 .* sum(exp.(log_p) .* (log_p .- log_q); dims))
end
''',
    "unit": '''unit(x; dims) = x ./ max.(sqrt.(sum(abs2, x; dims)), eltype(x)(1e-8))
''',
    "cosine": '''"One minus the cosine between both."
cosine(left, right; dims=1, agg=mean) = agg(1 .- sum(unit(left; dims) .* unit(right; dims); dims))
''',
    "info_nce": '''"Cross entropy of each sample's similarities to the batch against itself (van den Oord et al. 2018)."
function info_nce(left, right; temperature, symmetric=false, dims=1, agg=mean)
    order = (dims, ndims(left), filter(!=(dims), ntuple(identity, ndims(left) - 1))...)
    l, r = (reshape(permutedims(unit(x; dims), order), size(x, dims), size(x, ndims(x)), :) for x in (left, right))
    similarity = batched_mul(batched_transpose(r), l) ./ eltype(left)(temperature)
    own = sum(l .* r; dims=1) ./ eltype(left)(temperature)
    loss = logsumexp(similarity; dims=1) .- own
    if symmetric
        loss = (loss .+ permutedims(logsumexp(similarity; dims=2), (2, 1, 3)) .- own) ./ 2
    end
    return agg(permutedims(loss, (1, 3, 2)))
end
''',
    "classes_first": '''"The axis of classes in front of the others."
classes_first(x, axis) = permutedims(x, (axis, filter(!=(axis), ntuple(identity, ndims(x)))...))
''',
}

NEEDS = {"LongShortTerm": "steps", "Gated": "steps", "Elman": "steps", "cosine": "unit", "info_nce": "unit"}


def helpers(text: str) -> list[str]:
    """The helpers that a script needs, in order.

    >>> [part.split()[0] for part in helpers("y = matmul(a, b)")]
    ['"Products']
    """
    wanted = {name for name in HELPERS if re.search(rf"(?<!\w){name}\(", text)}
    wanted |= {NEEDS[name] for name in wanted if name in NEEDS}
    return [part for name, part in sorted(HELPERS.items(), key=_order) if name in wanted]


def _order(item: tuple[str, str]) -> bool:
    return item[0] not in NEEDS.values()

# How much each element weighs. `total` is what the weights of all elements add up to, and `weight(w, j)` is that of
# element j; both are Float64.

"Every element weighs 1."
struct Uniform
    total::Float64
end

"Element j weighs what the mask has at j."
struct PerElement{A<:Array}
    mask::A
    total::Float64
end

"Each element of a sample weighs what the mask has for the sample."
struct PerSample{A<:Array}
    mask::A
    elements::Int # of a sample
    total::Float64
end

const ElementWeights = Union{Uniform,PerElement,PerSample}

@inline weight(::Uniform, ::Int) = 1.0
@inline weight(w::PerElement, j::Int) = @inbounds Float64(w.mask[j])
@inline weight(w::PerSample, j::Int) = @inbounds Float64(w.mask[(j - 1) ÷ w.elements + 1])

"Whether nothing is left. A total that is NaN leaves nothing either, as in torch."
is_all_masked(w::ElementWeights) = !(w isa Uniform) && !(w.total > 0)

element_weights(d::Measure, left::Array{T,N}, ::Nothing, ::String) where {T,N} =
    Uniform(elements_of_sample(d, left) * size(left, N))

function element_weights(d::Measure, left::Array{T,N}, mask::Array, element::String) where {T,N}
    samples, elements = size(left, N), elements_of_sample(d, left)
    per_sample = size(mask) == (samples,)
    place = class_place(d)
    whole = place == 0 ? size(left) : ntuple(i -> size(left, i < place ? i : i + 1), N - 1)
    if !per_sample && size(mask) != whole
        throw(BridgeError("$element, mask", "$(sizes((samples,))) or $(sizes(whole))", sizes(size(mask))))
    end
    any(m -> m < 0, mask) &&
        throw(BridgeError("$element, mask", "numbers that are not negative", string(minimum(mask))))
    total = sum(Float64, mask)
    return per_sample ? PerSample(mask, elements, total * elements) : PerElement(mask, total)
end

# In order, as where gradients are wanted too: a loss has the same bits with and without them.
"The sum of the elements, each times its weight."
function weighted_sum(elements::Vector{T}, w::ElementWeights) where {T<:Float}
    total = 0.0
    @inbounds for j in eachindex(elements)
        total += weight(w, j) * Float64(elements[j])
    end
    return total
end

weighted_sum(d::Measure, left::Array, right::Array, w::ElementWeights) = weighted_sum(element_values(d, left, right), w)

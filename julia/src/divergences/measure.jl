"""
A divergence as it is computed: its numbers, and the place of its class axis if it has one.

Sides are arrays with their axes reversed and the batch last: the left one (the prediction) of Float32 or Float64, the
right one of the same type and size, or class indices from 0 without the class axis. An *element* is what the divergence
says once of each sample and each place of the axes that are not the class axis; elements are counted in memory order.
The value is their mean over the batch, or their mean weighted by a mask. The formulas are in docs/semantics.md.
"""
abstract type Measure end

"A measure of each pair of numbers, without a class axis."
abstract type ElementMeasure <: Measure end

"A measure of each pair of columns along the class axis."
abstract type ColumnMeasure <: Measure end

"""
    measure(name, attributes, place, element) -> Measure

The measure of the divergence `name` with its attributes by name. `place` is the class axis's, counted from the last axis
of the sample, from 1, and 0 where the divergence has none. `element` is named in refusals.

```jldoctest
julia> DiagramBridge.measure("huber", Dict{String,Any}("delta" => 0.5), 0, "agreement 'a'")
DiagramBridge.HuberError(0.5)
```
"""
function measure(name::String, attributes::Dict{String,Any}, place::Int, element::String)
    haskey(MEASURES, name) || throw(BridgeError(element, "a divergence of $(sort!(collect(keys(MEASURES))))", "'$name'"))
    row = DIVERGENCES[findfirst(d -> d.name == name, DIVERGENCES)]
    # Which axis the name in `axis` means is known by its place.
    own = sorted(Attributes([pair for pair in attributes if pair.first != "axis"]))
    check_attributes("$element, divergence '$name'", filter(d -> d.name != "axis", row.attributes), own, "divergence")
    return MEASURES[name](own, place)::Measure
end

"""
    divergence_value(d::Measure, left, right, mask = nothing; element = "") -> Float

The mean of the elements, or with a mask (numbers ≥ 0 or truth values, one for each sample or each element) their mean
weighted by it. It is exactly 0 for an empty batch, and where all is masked. The type is the widest of left's and the
mask's. Throws a `BridgeError` about `element` for sizes that do not fit, negative masks and unknown classes.

```jldoctest
julia> using DiagramBridge: SquaredError, divergence_value

julia> divergence_value(SquaredError(), [1.0 2.0], [0.0 0.0])
2.5

julia> divergence_value(SquaredError(), [1.0 2.0], [0.0 0.0], [true, false])
1.0
```
"""
function divergence_value(
    d::Measure, left::Array{T,N}, right::Array, mask::Union{Array,Nothing} = nothing; element::String = "",
) where {T<:Float,N}
    check_sides(d, left, right, element)
    V = loss_type(T, mask)
    size(left, N) == 0 && return zero(V)
    weights = element_weights(d, left, mask, element)
    is_all_masked(weights) && return zero(V)
    return V(weighted_sum(d, left, right, weights) / weights.total)
end

"""
    divergence_gradients(d::Measure, left, right, mask, needs_left, needs_right; scale = 1, element = "")
        -> (value, dleft, dright)

The value, with the bits that `divergence_value` gives it, and the gradients of `scale` times the value for both sides: new
arrays, or `nothing` where they are not needed, and for class indices. They are zeros for an empty batch, and where all
is masked.

```jldoctest
julia> using DiagramBridge: SquaredError, divergence_gradients

julia> divergence_gradients(SquaredError(), [1.0 2.0], [0.0 0.0], nothing, true, false)
(2.5, [1.0 2.0], nothing)
```
"""
function divergence_gradients(
    d::Measure, left::Array{T,N}, right::Array, mask::Union{Array,Nothing}, needs_left::Bool, needs_right::Bool;
    scale::Real = 1, element::String = "",
) where {T<:Float,N}
    check_sides(d, left, right, element)
    dleft = needs_left ? similar(left) : nothing
    dright = needs_right && eltype(right) === T ? similar(right) : nothing
    V = loss_type(T, mask)
    weights = size(left, N) == 0 ? nothing : element_weights(d, left, mask, element)
    if weights === nothing || is_all_masked(weights)
        dleft === nothing || fill!(dleft, zero(T))
        dright === nothing || fill!(dright, zero(T))
        return zero(V), dleft, dright
    end
    total = weighted_sum_and_gradients!(d, dleft, dright, left, right, weights, Float64(scale) / weights.total)
    return V(total / weights.total), dleft, dright
end

"Fill the gradients, and return the sum of the elements, each times its weight."
function weighted_sum_and_gradients!(
    d::Measure, dleft::Union{Array,Nothing}, dright::Union{Array,Nothing}, left::Array, right::Array, weights,
    scale::Float64,
)
    gradients!(d, dleft, dright, left, right, weights, scale)
    return weighted_sum(d, left, right, weights)
end

"""
    mask_gradient(d::Measure, left, right, mask; scale = 1, element = "") -> Array

The gradient of `scale` times the value for a mask of floats; zeros where all is masked.
"""
function mask_gradient(
    d::Measure, left::Array{T,N}, right::Array, mask::Array{M}; scale::Real = 1, element::String = "",
) where {T<:Float,N,M<:Float}
    check_sides(d, left, right, element)
    dmask = fill!(similar(mask), zero(M))
    size(left, N) == 0 && return dmask
    weights = element_weights(d, left, mask, element)
    is_all_masked(weights) && return dmask
    elements = element_values(d, left, right)
    mean = weighted_sum(elements, weights) / weights.total
    per_entry = length(elements) ÷ length(mask)
    for (entry, values) in enumerate(Iterators.partition(elements, per_entry))
        dmask[entry] = (sum(Float64, values) / per_entry - mean) * scale * per_entry / weights.total
    end
    return dmask
end

loss_type(::Type{T}, ::Nothing) where {T} = T
loss_type(::Type{T}, ::Array{M}) where {T,M} = promote_type(T, M)

"The place of the class axis, or 0."
class_place(::ElementMeasure) = 0
class_place(d::Measure) = d.place

function check_sides(d::Measure, left::Array{T,N}, right::Array, element::String) where {T,N}
    place = class_place(d)
    place < N || throw(BridgeError("$element, left", "a sample with a class axis", "$(N - 1) axes"))
    if eltype(right) === T
        expected = size(left)
    elseif accepts_indices(d) && eltype(right) <: Integer
        expected = ntuple(i -> size(left, i < place ? i : i + 1), N - 1)
    else
        throw(BridgeError("$element, right", "an array of $T", "one of $(eltype(right))"))
    end
    size(right) == expected || throw(BridgeError("$element, right", sizes(expected), sizes(size(right))))
    return nothing
end

accepts_indices(::Measure) = false

"A size as the other language has it: the batch first."
sizes(dims::Dims) = "shape ($(join(reverse(dims), ", "))$(length(dims) == 1 ? "," : ""))"

"The number of elements of one sample."
function elements_of_sample(d::Measure, left::Array{T,N}) where {T,N}
    return prod(ntuple(i -> i == class_place(d) ? 1 : size(left, i), N - 1))
end

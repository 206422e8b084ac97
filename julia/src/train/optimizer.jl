"What an optimizer keeps for one parameter: the number of its steps, and the rule's slots in the order of their names."
mutable struct ParameterState{A<:Array}
    step::Int
    slots::Vector{A}
end

ParameterState(rule::Rule, parameter::A) where {A<:Array} =
    ParameterState{A}(0, A[fill!(similar(parameter), 0) for _ in slot_names(rule)])

"""
    Optimizer(rule)
    Optimizer(name; options...)

An optimizer and its state by (component, path of the parameter). A parameter that is new to it starts at step 0.

```jldoctest
julia> using DiagramBridge: Optimizer, step!

julia> weight = [1.0, 2.0];

julia> step!(Optimizer("sgd", lr = 0.5), [("f", "weight", weight, [1.0, 1.0])]);

julia> weight == [0.5, 1.5]
true
```
"""
mutable struct Optimizer
    rule::Rule
    states::Dict{Tuple{String,String},ParameterState}
end

Optimizer(rule::Rule) = Optimizer(rule, Dict{Tuple{String,String},ParameterState}())
Optimizer(name::AbstractString; given...) =
    Optimizer(rule(String(name), Dict{String,Any}(string(option) => value for (option, value) in given)))

"""
    step!(optimizer, parameters)

Step each of the parameters `(component, path, parameter, gradient)` in place.
"""
function step!(optimizer::Optimizer, parameters)
    for (component, path, parameter, gradient) in parameters
        state = get!(() -> ParameterState(optimizer.rule, parameter), optimizer.states, (component, path))
        update!(optimizer.rule, state, parameter, gradient)
    end
    return optimizer
end

"""
    update!(rule, state::ParameterState, parameter, gradient)

One step of one parameter: changes `parameter` and `state`.
"""
function update! end

function check_state(rule::Rule, state::ParameterState{A}, p::A, g::A) where {A}
    fits = size(g) == size(p) && all(slot -> size(slot) == size(p), state.slots)
    fits && length(state.slots) == length(slot_names(rule)) && return nothing
    throw(BridgeError("the optimizer", "gradients and state of the parameter's type and size", "others"))
end

"The gradient as torch has it after `maximize` and the weight decay that is part of it."
@inline decayed(g::T, p::T, sign::T, decay::T) where {T} = ifelse(decay == 0, sign * g, sign * g + decay * p)
@inline direction(rule::Rule, ::Type{T}) where {T} = rule.maximize ? -one(T) : one(T)

# torch's `lerp`: exact at both ends.
@inline interpolate(from::T, to::T, weight::T) where {T} =
    ifelse(weight < T(0.5), from + weight * (to - from), to - (to - from) * (one(T) - weight))

function update!(rule::SGD, state::ParameterState{Array{T,N}}, p::Array{T,N}, g::Array{T,N}) where {T<:Float,N}
    check_state(rule, state, p, g)
    state.step += 1
    sign, decay, rate = direction(rule, T), T(rule.weight_decay), T(rule.lr)
    if rule.momentum == 0
        @inbounds @simd ivdep for i in eachindex(p, g)
            p[i] -= rate * decayed(g[i], p[i], sign, decay)
        end
        return p
    end
    b, first, nesterov = state.slots[1], state.step == 1, rule.nesterov
    momentum, taken = T(rule.momentum), T(1 - rule.dampening)
    @inbounds @simd ivdep for i in eachindex(p, g, b)
        d = decayed(g[i], p[i], sign, decay)
        b[i] = ifelse(first, d, momentum * b[i] + taken * d)
        p[i] -= rate * ifelse(nesterov, d + momentum * b[i], b[i])
    end
    return p
end

function update!(
    rule::Union{Adam,AdamW}, state::ParameterState{Array{T,N}}, p::Array{T,N}, g::Array{T,N},
) where {T<:Float,N}
    check_state(rule, state, p, g)
    state.step += 1
    is_apart = rule isa AdamW
    kept = is_apart && rule.weight_decay != 0 ? T(1 - rule.lr * rule.weight_decay) : one(T)
    sign, decay = direction(rule, T), is_apart ? zero(T) : T(rule.weight_decay)
    first, second = rule.betas
    towards, faded, taken = T(1 - first), T(second), T(1 - second)
    rate = T(-rule.lr / (1 - first^Float64(state.step)))
    correction, eps = T(sqrt(1 - second^Float64(state.step))), T(rule.eps)
    m, v = state.slots[1], state.slots[2]
    top, keeps_top = rule.amsgrad ? state.slots[3] : v, rule.amsgrad
    @inbounds @simd ivdep for i in eachindex(p, g, m, v, top)
        old = p[i] * kept
        d = decayed(g[i], old, sign, decay)
        m[i] = interpolate(m[i], d, towards)
        v[i] = faded * v[i] + taken * d * d
        largest = ifelse(keeps_top, maximum_of(top[i], v[i]), v[i])
        top[i] = largest
        p[i] = old + rate * m[i] / (root(largest) / correction + eps)
    end
    return p
end

# Below 0 (where rounding can bring a centered square) torch's root is NaN, Julia's an exception.
@inline root(x::T) where {T} = ifelse(x < 0, T(NaN), sqrt(abs(x)))

# `torch.maximum`: NaN if either is.
@inline maximum_of(a::T, b::T) where {T} = ifelse((a > b) | isnan(a), a, b)

function update!(rule::RMSProp, state::ParameterState{Array{T,N}}, p::Array{T,N}, g::Array{T,N}) where {T<:Float,N}
    check_state(rule, state, p, g)
    state.step += 1
    sign, decay, rate = direction(rule, T), T(rule.weight_decay), T(-rule.lr)
    kept, taken, eps, momentum = T(rule.alpha), T(1 - rule.alpha), T(rule.eps), T(rule.momentum)
    v, has_momentum, centered = state.slots[1], rule.momentum > 0, rule.centered
    b = has_momentum ? state.slots[2] : v # not touched without
    mean = centered ? state.slots[end] : v
    @inbounds for i in eachindex(p, g, v, b, mean)
        d = decayed(g[i], p[i], sign, decay)
        v[i] = kept * v[i] + taken * d * d
        square = v[i]
        if centered
            mean[i] = interpolate(mean[i], d, taken)
            square -= mean[i] * mean[i]
        end
        divisor = root(square) + eps
        if has_momentum
            b[i] = momentum * b[i] + d / divisor
            p[i] += rate * b[i]
        else
            p[i] += rate * d / divisor
        end
    end
    return p
end


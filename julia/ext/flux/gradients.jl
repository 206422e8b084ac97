# From the gradient of a model, as Zygote nests it, to one array for each parameter.

"""
    forget!(context)

Zygote adds the gradients of mutable structs up in the context of a recording. Each way back has to start from nothing:
PyTorch may ask twice.
"""
function forget!(context::Zygote.Context)
    context.cache === nothing && return nothing
    for (object, gradient) in collect(context.cache)
        # A struct that was made or written to while it was recorded is known to the recording by this very reference.
        gradient isa Base.RefValue ? (gradient[] = Zygote.nt_nothing(object)) : delete!(context.cache, object)
    end
    return nothing
end

"""
What Zygote added up for each mutable struct of a model. Where one stands twice, or is applied twice, the nested gradients
have parts of that sum several times.
"""
function sums(context::Zygote.Context)
    found = IdDict{Any,Any}()
    context.cache === nothing && return found
    for (object, gradient) in context.cache
        gradient isa Base.RefValue && any(d -> d !== nothing, gradient[]) && (found[object] = gradient[])
    end
    return found
end

function add_gradients!(gradients::Vector{Any}, m::FluxModel, node, nested, sums::IdDict{Any,Any})
    d = haskey(sums, node) ? sums[node] : nested isa Base.RefValue ? nested[] : nested
    haskey(sums, node) && (sums[node] = nothing) # it is counted at the first place
    d isa Union{Nothing,ChainRulesCore.AbstractZero} && return nothing
    if is_leaf_array(node)
        k = get(m.places, node, 0)
        k == 0 || (gradients[k] = sum_of(gradients[k], d, eltype(node)))
        return nothing
    end
    # As Optimisers does: the gradient of a wrapper such as a transpose is taken apart as the wrapper is.
    below, dbelow = Functors.children(node), Functors.functor(typeof(node), Optimisers.base(d))[1]
    for key in keys(below)
        add_gradients!(gradients, m, below[key], gradient_at(dbelow, key), sums)
    end
    return nothing
end

gradient_at(d::Union{NamedTuple,AbstractDict}, key) = get(d, key, nothing)
gradient_at(d, key) = d[key]

sum_of(::Nothing, d::AbstractArray{T}, ::Type{T}) where {T} = d
sum_of(::Nothing, d::AbstractArray, ::Type{T}) where {T} = T.(d)
sum_of(so_far, d::AbstractArray, ::Type{T}) where {T} = T.(so_far .+ d)

inputs_of(::Nothing, n::Int) = ntuple(_ -> nothing, n)
inputs_of(d::Tuple, ::Int) = map(plain, d)

plain(d) = d
plain(::ChainRulesCore.AbstractZero) = nothing

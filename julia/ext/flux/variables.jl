# The arrays of a Flux model: where they are, what they are called, which of them are trained.

"""
An array of a model. `path` is made of field names and indices, as in "layers.1.weight"; `holder` is the mutable object whose
field `field` it is, or `nothing`.
"""
struct Variable
    path::String
    array::AbstractArray
    trained::Bool
    holder::Any
    field::Symbol
end

"""
    variables(model) -> Vector{Variable}

Every array of numbers in a model, depth first, by `Functors.children`; trained are those of floats that
`Optimisers.trainable` reaches. An array that is found twice is listed twice.
"""
function variables(model)
    found = Variable[]
    visit((path, node, trained, holder, field) -> add_variable!(found, path, node, trained, holder, field), model)
    return found
end

is_leaf_array(node) = node isa AbstractArray{<:Number} && Functors.isleaf(node)

function add_variable!(found::Vector{Variable}, path, node, trained, holder, field)
    is_leaf_array(node) && !(node isa AbstractRange) || return nothing
    trained &= eltype(node) <: Union{AbstractFloat,Complex}
    # Constants that PyTorch has no type or no memory for stay the model's own.
    shared = node isa Array && eltype(node) in DiagramBridge.ELEMENT_TYPES
    trained || shared || return nothing
    push!(found, Variable(path, node, trained, holder, field))
    return nothing
end

"""
    visit(f, model)

Call `f(path, node, trained, holder, field)` for the model and all below it.
"""
visit(f, model) = visit(f, "", model, true, nothing, :none)

function visit(f, path::String, node, trained::Bool, holder, field::Symbol)
    f(path, node, trained, holder, field)
    below = Functors.children(node)
    reached = trained ? Optimisers.trainable(node) : ()
    for key in ordered_keys(below)
        name = isempty(path) ? string(key) : string(path, '.', key)
        own = ismutable(node) && key isa Symbol && hasfield(typeof(node), key)
        visit(f, name, below[key], trained && reaches(reached, key, below[key]), own ? node : nothing, own ? key : :none)
    end
    return nothing
end

ordered_keys(below) = keys(below)
ordered_keys(below::AbstractDict) = sort!(collect(keys(below)); by = string)

reaches(trainable::NamedTuple, key, child) = haskey(trainable, key)
reaches(trainable::AbstractDict, key, child) = haskey(trainable, key)
reaches(trainable, key::Integer, child) = key in eachindex(trainable) && trainable[key] !== nothing
reaches(trainable::Tuple, key::Symbol, child) = any(t -> t === child, trainable) # of a struct, without names

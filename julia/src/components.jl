# Components that a user writes in Julia: a struct with `forward`, `pullback` and, if it has any, `parameters`:
#
#     forward(component, inputs::Tuple, train::Bool) -> (outputs::Tuple, residual)
#     pullback(component, residual, doutputs::Tuple) -> (dinputs::Tuple, dparameters::Tuple)
#
# Arrays have the axes of their space reversed, and the batch last. `residual` is whatever `pullback` wants to find again,
# and must not change: PyTorch may ask twice. Among gradients `nothing` stands for zero. docs/julia-components.md has more.

"""
    parameters(component) -> ("path" => array, …)

The trainable arrays of a component, of `Float32` or `Float64`. They are the storage: PyTorch's parameters alias them,
and every step of an optimiser is seen in the component at once.
"""
parameters(component) = ()

"""
    buffers(component) -> ("path" => array, …)

Arrays that belong to the component's state but are not trained, such as running statistics.
"""
buffers(component) = ()

"""
    evaluate(component, inputs, mode::Mode)

What `forward` returns. Components that an engine adapts have a method of their own, since they want to know more than
`train`: whether there will be a way back, and what to draw random numbers from.
"""
evaluate(component, inputs::Tuple, mode::Mode) = forward(component, inputs, is_train(mode))

const REGISTERED = Dict{String,Any}()

"""
    register(name, component)

Let diagrams refer to `component` by `name`: `bridge.JuliaReference(name)` in Python. It has the methods of
components.jl, or it is a Flux model, where Flux is loaded. A name that is registered again stands for the new component from
the next objective on.
"""
function register(name::AbstractString, component)
    REGISTERED[String(name)] = component
    return component
end

"""
    registered(name)

The component registered under that name; a `BridgeError` says which there are.
"""
function registered(name::AbstractString)
    haskey(REGISTERED, name) && return REGISTERED[name]
    known = isempty(REGISTERED) ? "none" : join(sort!(collect(keys(REGISTERED))), ", ")
    throw(BridgeError("Julia component '$name'", "a name registered with DiagramBridge.register (there are: $known)",
                      "no such name"))
end

"A component in use by an objective. Its parameters and buffers are pinned for as long as the instance lives."
struct Instance
    reference::String
    component::Any
    parameters::Vector{Array}
    buffers::Vector{Array}
    paths::Vector{String} # of the parameters, then of the buffers
end

function Instance(reference::AbstractString, object)
    component = as_component(object, "Julia component '$reference'")
    paths, groups = String[], (Array[], Array[])
    for (group, variables) in zip(groups, (parameters(component), buffers(component))), (path, array) in pairs_of(variables)
        check_variable(reference, path, array, group === groups[1])
        push!(paths, path)
        push!(group, array)
    end
    allunique(paths) ||
        throw(BridgeError("Julia component '$reference'", "parameters and buffers of different paths", join(paths, ", ")))
    arrays = filter(!isempty, vcat(groups...))
    allunique(map(address, arrays)) ||
        throw(BridgeError("Julia component '$reference'", "parameters and buffers in arrays of their own",
                          "one array under two paths of $(join(paths, ", "))"))
    return Instance(reference, component, groups[1], groups[2], paths)
end

released(i::Instance) = foreach(returned!, vcat(i.parameters, i.buffers))

# A named tuple serves as well as a collection of pairs.
pairs_of(variables) = variables
pairs_of(variables::Union{NamedTuple,AbstractDict}) = (String(k) => v for (k, v) in pairs(variables))

function check_variable(reference, path, array, trainable)
    element = "'$path' of Julia component '$reference'"
    array isa Array || throw(BridgeError(element, "an Array, whose memory can be shared", string(typeof(array))))
    accepted = trainable ? (Float32, Float64) : ELEMENT_TYPES
    eltype(array) in accepted || throw(BridgeError(element, "elements of $(join(accepted, ", "))", string(eltype(array))))
    ndims(array) <= MAX_AXES || throw(BridgeError(element, "at most $MAX_AXES axes", string(ndims(array))))
    return nothing
end

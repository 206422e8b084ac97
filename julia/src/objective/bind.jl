# What interprets each component of an objective: an instance of a Julia model, a module of Python's, or arrays for the
# layers of a portable component.

"Parameters and buffers of a portable component that Julia runs in memory that is there already, such as Python's, by path."
struct SharedVariables
    arrays::Dict{String,Array}
end

const Bound = Union{Instance,TorchInstance,SharedVariables}

"The runtime of each portable component: Julia's own, unless the caller wants another."
function placement_in_julia(diagram::Diagram, wanted)
    placed = Dict{String,Runtime}(c.name => JULIA for c in diagram.components if c.body isa LayerGraph)
    for (name, runtime) in wanted
        placed[String(name)] = runtime
    end
    return placed
end

"""
    bind(diagram, placed, given, kept = …) -> Dict{String,Bound}

The models of all components that are more than layers run here. `given` has objects by the name of a component, or of its
reference, and `kept` models that are bound already. Throws a `BridgeError` for a component without a model, and for one that
contradicts it.
"""
function bind(diagram::Diagram, placed::Dict{String,Runtime}, given, kept::Dict{String,Bound} = Dict{String,Bound}())
    models = Dict{String,Any}(String(name) => model for (name, model) in given)
    used = Set{String}()
    bound = Dict{String,Bound}()
    for c in diagram.components
        if haskey(kept, c.name)
            bound[c.name] = kept[c.name]
        elseif c.body isa LayerGraph
            get(placed, c.name, JULIA) == TORCH || continue
            reach_torch!() || throw(BridgeError(string(element("component", c.name)), "'julia', since no Python runs here",
                                             "a placement on 'torch'", "binding"))
            bound[c.name] = TorchInstance(c, parameter_type(diagram, c))
        else
            name = haskey(models, c.name) ? c.name : c.body.name
            haskey(models, name) && push!(used, name)
            bound[c.name] = model_of(c, get(models, name, nothing))
        end
    end
    for name in sort!(collect(keys(models)))
        name in used || throw(BridgeError("component $(quoted(name))", "one of $(listing(sort!(collect(keys(bound)))))",
                                          "no such component", "binding"))
    end
    check_binding(diagram, bound)
    return bound
end

"The model of a component: the one given, or the one registered under its reference's name."
function model_of(c::Component, given)
    name = c.body.name
    c.body isa JuliaReference && return Instance(name, given === nothing ? registered(name) : given)
    where = string(element("component", c.name))
    given === nothing && (given = get(REGISTERED, name, nothing))
    reach_torch!() ||
        throw(BridgeError(where, "a portable or a Julia component, or PythonCall loaded to run a module of Python's",
                          "a PyTorch module, which Julia alone can't run", "binding"))
    given === nothing &&
        throw(BridgeError(where, "a module given as components = ($(repr(c.name)) => …,), or registered as $(quoted(name))",
                          "none", "binding"))
    return TorchInstance(offer(given, where))
end

"Refuse modules that contradict `has_parameters`, and parameters that a frozen and a trainable component share."
function check_binding(diagram::Diagram, bound::Dict{String,Bound})
    owners = Dict{UInt,Tuple{Component,String}}()
    for c in diagram.components
        bound_to = get(bound, c.name, nothing)
        bound_to isa TorchInstance || continue
        parameters = bound_to.parameters
        where = string(element("component", c.name))
        isempty(parameters) == c.has_parameters &&
            throw(BridgeError(where, "a module $(c.has_parameters ? "with" : "without") parameters",
                              isempty(parameters) ? "none" : "$(length(parameters)), such as '$(first(parameters[1]))'",
                              "binding"))
        for (path, array) in parameters
            isempty(array) && continue
            other, _ = get!(owners, address(array), (c, path))
            is_frozen(other) == is_frozen(c) ||
                throw(BridgeError(string(element("component", is_frozen(c) ? c.name : other.name)),
                                  "frozen parameters that no trainable component has",
                                  "parameter '$path' shared with component '$(is_frozen(c) ? other.name : c.name)'",
                                  "binding"))
        end
    end
    return nothing
end

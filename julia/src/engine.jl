# Engines: what runs the portable layers of an island.

"""
What runs portable layers: this package's own plain Julia, or a package that an extension brings. An engine has a method of
`stages`, and one of `adapt` if it can take models that are not written for this package.
"""
abstract type Engine end

"Portable layers in plain Julia."
struct NativeEngine <: Engine end

"The engines that are loaded, by name. An extension adds its own."
const ENGINES = Dict{String,Engine}("native" => NativeEngine())

const CHOSEN_ENGINE = Ref("auto")

"""
    use_engine!(name) -> String

Let `name` run the portable layers of the islands that are loaded from now on; islands that are loaded already keep theirs.
`"native"` is plain Julia, `"flux"` is Flux with Zygote, `"auto"` is Flux where it is loaded. Returns the engine's name.

```jldoctest
julia> DiagramBridge.use_engine!("native")
"native"
```
"""
function use_engine!(name::AbstractString)
    name == "auto" || haskey(ENGINES, name) ||
        throw(BridgeError("engine", "one of $(join(sort!(["auto"; collect(keys(ENGINES))]), ", "))",
                          "'$name', which is not loaded"))
    CHOSEN_ENGINE[] = name
    return engine_name()
end

"The name of the engine that islands are loaded for."
function engine_name()
    CHOSEN_ENGINE[] == "auto" || return CHOSEN_ENGINE[]
    return haskey(ENGINES, "flux") ? "flux" : "native"
end

"""
    engine_versions(engine) -> Vector{Pair{String,VersionNumber}}

The packages that an engine is made of, the one it is named after first.
"""
engine_versions(::NativeEngine) = ["DiagramBridge" => PACKAGE_VERSION]

"""
One operation of an engine in place of one or more consecutive layers of a graph. `inputs` and `outputs` are values of the
graph, numbered from 1: its inputs, then what its nodes make. `layer` counts the nodes before the (first) layer.
"""
struct Stage
    operation::Layer
    inputs::Vector{Int}
    outputs::Vector{Int}
    layer::Int
end

"""
    stages(engine, graph) -> Vector{Stage}

What a graph of portable layers is for an engine. The parameters of all stages, in order, are those of the graph.
"""
function stages(::NativeEngine, graph::Schema.LayerGraph)
    made, next = Stage[], Int(graph.inputs) + 1
    for (k, node) in enumerate(graph.nodes)
        outputs = next:(next + Int(node.outputs) - 1)
        next = last(outputs) + 1
        push!(made, Stage(build(node.layer), [Int(k) + 1 for k in node.inputs], collect(outputs), k - 1))
    end
    return made
end

"""
    adapt(engine, model, element)

A component with the methods of components.jl made of a model that has none, or `nothing` where the engine does not know such
models. `element` names the model in refusals.
"""
adapt(::Engine, model, element::String) = nothing

"What is run for an object that the user registered: itself if it is a component, else what an engine makes of it."
function as_component(object, element::String)
    isempty(methods(forward, Tuple{typeof(object),Any,Any})) || return object
    for name in sort!(collect(keys(ENGINES)))
        made = adapt(ENGINES[name], object, element)
        made === nothing || return made
    end
    return object
end

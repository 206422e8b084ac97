# Ties in a layer graph: layers, or arrays, that stand at several places of a Flux model.

"""
`same[k]` is the first node whose layer node k shares whole, itself as a rule; `inside[k]` says that another layer shares
some of its arrays, which are then those of a portable layer: Flux keeps its own in other orders. `arrays` has the shared
ones.
"""
struct Sharing
    same::Vector{Int}
    inside::Vector{Bool}
    tied::Dict{String,String}
    arrays::Dict{String,Array}
end

function Sharing(graph::LayerGraph)
    tied, names = Dict(graph.ties), map(variable_paths, graph.nodes)
    same, owners = collect(eachindex(graph.nodes)), Dict{Any,Int}()
    for (k, node) in enumerate(graph.nodes)
        isempty(names[k]) && continue
        of = map(path -> get(tied, path, path), names[k])
        same[k] = get!(owners, (node.layer, of), k)
    end
    partly = Set{String}()
    for k in eachindex(names), path in names[k]
        same[k] == k && haskey(tied, path) && push!(partly, tied[path])
    end
    inside = [any(path -> get(tied, path, path) in partly, paths) for paths in names]
    return Sharing(same, inside, tied, Dict{String,Array}())
end

function variable_paths(node::Node)
    layer = DiagramBridge.native(node.layer)
    return ["$(node.name).$name" for name in (DiagramBridge.parameter_names(layer)..., DiagramBridge.buffer_names(layer)...)]
end

function tied_operation(s::Sharing, node::Node, weights::Weights)
    return operation(node.layer, DiagramBridge.native(node.layer), function (name)
        path = "$(node.name).$name"
        return get!(() -> copy(weights[name]), s.arrays, get(s.tied, path, path))
    end)
end

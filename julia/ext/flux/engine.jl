# Flux as an engine: what DiagramBridge asks of it.

"Portable layers by Flux and NNlib with Zygote's gradients, and Flux models as components."
struct FluxEngine <: Engine end

DiagramBridge.engine_versions(::FluxEngine) =
    ["Flux" => pkgversion(Flux), "Zygote" => pkgversion(Zygote), "Optimisers" => pkgversion(Optimisers),
     "NNlib" => pkgversion(NNlib), "Functors" => pkgversion(Functors)]

# A linear layer and an activation that alone uses it are one stage, as they are in Flux's `Dense`.
function DiagramBridge.stages(::FluxEngine, graph::Schema.LayerGraph)
    plain = DiagramBridge.stages(DiagramBridge.NativeEngine(), graph)
    uses = Dict{Int,Int}()
    for v in Iterators.flatten((Iterators.flatten(s.inputs for s in plain), (Int(k) + 1 for k in graph.outputs)))
        uses[v] = get(uses, v, 0) + 1
    end
    made = Stage[]
    for stage in plain
        before = isempty(made) ? nothing : made[end]
        follows = before !== nothing && before.outputs == stage.inputs && uses[stage.inputs[1]] == 1
        if follows && fuses(before.operation, stage.operation)
            made[end] = Stage(FluxLinear(before.operation.layer, in_dense(stage.operation)), before.inputs, stage.outputs,
                              before.layer)
        else
            push!(made, Stage(in_flux(stage.operation), stage.inputs, stage.outputs, stage.layer))
        end
    end
    return made
end

fuses(::Layer, ::Layer) = false
fuses(linear::FluxLinear, layer::Layer) = linear.activation === identity && in_dense(layer) !== nothing

DiagramBridge.adapt(::FluxEngine, model, element::String) = FluxModel(model, element)

function __init__()
    DiagramBridge.ENGINES["flux"] = FluxEngine()
    return nothing
end

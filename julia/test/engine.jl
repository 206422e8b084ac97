module EngineTests

using DiagramBridge: BridgeError, ENGINES, NativeEngine, Schema, engine_name, engine_versions, parameter_names, stages,
    use_engine!
using Test

@testset "engines" begin
    @test use_engine!("native") == "native" == engine_name()
    @test use_engine!("auto") == (haskey(ENGINES, "flux") ? "flux" : "native")
    refused = try
        use_engine!("fast")
        ""
    catch e
        e isa BridgeError ? sprint(showerror, e) : rethrow()
    end
    @test startswith(refused, "engine: expected one of auto, ") && endswith(refused, "found 'fast', which is not loaded")
    @test first(first(engine_versions(NativeEngine()))) == "DiagramBridge"
end

@testset "the stages of a graph" begin
    relu = Schema.Layer(operation = "relu", version = 1)
    nodes = [Schema.Node(name = "a", layer = relu, inputs = [1], outputs = 1),
             Schema.Node(name = "b", layer = relu, inputs = [0], outputs = 1)]
    made = stages(NativeEngine(), Schema.LayerGraph(inputs = 2, nodes = nodes, outputs = [2, 3]))
    @test [(s.inputs, s.outputs) for s in made] == [([2], [3]), ([1], [4])]
    @test all(s -> parameter_names(s.operation) == (), made)
end

end

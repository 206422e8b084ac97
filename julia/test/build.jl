module BuildTests

using DiagramBridge: BridgeError, build, parameter_names, parameter_shapes
using Test

attributes(pairs...) = Dict{String,Any}(pairs...)

"The text of the refusal, or of nothing."
function refusal(operation, version, attributes)
    try
        build(operation, version, attributes)
    catch e
        return e isa BridgeError ? sprint(showerror, e) : rethrow()
    end
    return ""
end

@testset "build" begin
    given = attributes("in" => 3, "out" => 4, "bias" => true, "init" => "zeros")
    linear = build("linear", UInt32(1), given)
    @test parameter_names(linear) == ("weight", "bias")
    @test parameter_shapes(linear) == ((4, 3), (4,))
    @test length(given) == 4
    @test parameter_names(build("linear", 1, merge(given, attributes("bias" => false)))) == ("weight",)
    norm = build("layer_norm", 1, attributes("shape" => [2, 5], "eps" => 1e-5, "affine" => true))
    @test parameter_shapes(norm) == ((2, 5), (2, 5))
    @test parameter_names(build("relu", 1, attributes())) == ()

    @test refusal("relu7", 1, attributes()) == "layer 'relu7': expected a known operation, found none of that name"
    @test refusal("relu", 2, attributes()) == "layer 'relu': expected version 1, found version 2"
    foreign = refusal("relu", 1, attributes("slope" => 0.1))
    @test foreign == "layer 'relu': expected its own attributes only, found 'slope'"
    @test refusal("elu", 1, attributes()) == "layer 'elu': expected an attribute 'alpha', found none"
    @test refusal("elu", 1, attributes("alpha" => 1)) == "layer 'elu', attribute 'alpha': expected Float64, found 1"
    @test occursin("'none' or 'tanh'", refusal("gelu", 1, attributes("approximate" => "fast")))
    @test occursin("negative", refusal("softmax", 1, attributes("axis" => 0)))
    shapeless = attributes("shape" => Int[], "eps" => 1e-5, "affine" => true)
    @test occursin("positive sizes", refusal("layer_norm", 1, shapeless))
    @test occursin("positive sizes", refusal("linear", 1, merge(given, attributes("out" => 0))))
end

end

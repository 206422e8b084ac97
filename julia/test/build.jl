module BuildTests

using DiagramBridge: BridgeError, LAYERS, build, parameter_names, parameter_shapes
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

const KNOWN = "layer 'relu7': expected a portable layer ($(join(sort!(collect(keys(LAYERS))), ", "))), found 'relu7'"

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

    @test refusal("relu7", 1, attributes()) == KNOWN
    @test refusal("relu", 2, attributes()) == "layer 'relu': expected version '1' of layer 'relu', found version 2"
    foreign = refusal("relu", 1, attributes("slope" => 0.1))
    @test foreign == "layer 'relu': expected the attributes none, found 'slope' besides"
    @test refusal("elu", 1, attributes()) == "layer 'elu': expected the attributes 'alpha', found none named 'alpha'"
    @test refusal("elu", 1, attributes("alpha" => 1)) == "layer 'elu', attribute 'alpha': expected a finite number, found 1"
    @test occursin("one of 'none', 'tanh'", refusal("gelu", 1, attributes("approximate" => "fast")))
    @test occursin("counted from the last", refusal("softmax", 1, attributes("axis" => 0)))
    shapeless = attributes("shape" => Int[], "eps" => 1e-5, "affine" => true)
    @test occursin("one or more sizes", refusal("layer_norm", 1, shapeless))
    @test occursin("a size from 1", refusal("linear", 1, merge(given, attributes("out" => 0))))
end

end

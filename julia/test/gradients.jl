module GradientTests

using DiagramBridge: Heap, LayerMode, build, forward, parameter_shapes, pullback
using Random
using Test

const X = MersenneTwister(2)

layer(operation, attributes...) = build(operation, 1, Dict{String,Any}(attributes...))

"The derivative of Σ values · dvalues for each element of `array`, by central differences; `evaluate` reads `array`."
function differences(evaluate, array)
    gradient, step = similar(array), 1e-6
    for i in eachindex(array)
        x = array[i]
        array[i] = x + step
        above = evaluate()
        array[i] = x - step
        gradient[i] = (above - evaluate()) / 2step
        array[i] = x
    end
    return gradient
end

function check(layer, inputs::Tuple)
    parameters = map(shape -> randn(X, reverse(shape)), parameter_shapes(layer))
    values, residual = forward(layer, parameters, inputs, Heap(), LayerMode(true))
    dvalues = map(value -> randn(X, size(value)), values)
    before = deepcopy((parameters, inputs, values, dvalues))
    pull(needs_inputs, needs_parameters) =
        pullback(layer, parameters, inputs, values, residual, dvalues, needs_inputs, needs_parameters, Heap())
    every = map(_ -> true, inputs), map(_ -> true, parameters)
    dinputs, dparameters = pull(every...)
    evaluate() = sum(map((v, d) -> sum(v .* d), forward(layer, parameters, inputs, Heap(), LayerMode(true))[1], dvalues))
    for (array, gradient) in zip((inputs..., parameters...), (dinputs..., dparameters...))
        @test size(gradient) == size(array)
        @test isapprox(gradient, differences(evaluate, array); rtol = 1e-7, atol = 1e-7)
    end
    @test (parameters, inputs, values, dvalues) == before
    # A second backward gives the same, and each gradient alone is what it was among all.
    @test pull(every...) == (dinputs, dparameters)
    for k in 1:length(inputs)+length(parameters)
        needs = ntuple(==(k), length(inputs) + length(parameters))
        alone = pull(needs[1:length(inputs)], needs[length(inputs)+1:end])
        gradients = (alone[1]..., alone[2]...)
        @test gradients[k] == (dinputs..., dparameters...)[k]
        @test all(i -> i == k || gradients[i] === nothing, 1:length(gradients))
    end
    @test all(isnothing, pull(map(!, every[1]), map(!, every[2]))[1])
end

# Away from the kinks, where there is no derivative.
smooth(dims) = (x = 2 .* randn(X, dims); x .+ 0.01 .* sign.(x))

activations = [
    layer("relu"), layer("sigmoid"), layer("tanh"), layer("leaky_relu", "slope" => 0.1), layer("elu", "alpha" => 0.7),
    layer("celu", "alpha" => 1.0), layer("celu", "alpha" => 0.5), layer("relu6"), layer("silu"), layer("hardsigmoid"),
    layer("mish"), layer("softplus"), layer("gelu", "approximate" => "none"), layer("gelu", "approximate" => "tanh"),
]

@testset "gradients, batch of $batch" for batch in (0, 1, 7)
    @testset "$f" for f in activations, dims in ((batch,), (3, batch), (2, 3, batch))
        check(f, (smooth(dims),))
    end
    @testset "linear" for bias in (true, false), axes in ((3,), (3, 4), (3, 2, 2))
        check(layer("linear", "in" => 3, "out" => 5, "bias" => bias, "init" => "zeros"), (randn(X, (axes..., batch)),))
    end
    @testset "$name" for name in ("softmax", "log_softmax"), axes in ((1,), (5,), (3, 4), (2, 3, 2))
        for axis in -length(axes):-1
            check(layer(name, "axis" => axis), (randn(X, (axes..., batch)),))
        end
    end
    normalised = (((5,), [5]), ((4, 3), [4]), ((4, 3), [3, 4]), ((2, 3, 2), [3, 2]))
    @testset "layer_norm" for affine in (true, false), (axes, shape) in normalised
        check(layer("layer_norm", "shape" => shape, "eps" => 1e-5, "affine" => affine), (randn(X, (axes..., batch)),))
    end
    @testset "shapes" begin
        for axes in ((), (3,), (2, 3))
            check(layer("flatten"), (randn(X, (axes..., batch)),))
            check(layer("identity"), (randn(X, (axes..., batch)),))
        end
        check(layer("reshape", "shape" => [3, 1, 2]), (randn(X, (2, 3, batch)),))
        check(layer("reshape", "shape" => Int[]), (randn(X, (1, 1, batch)),))
    end
    @testset "arithmetic" for axes in ((), (3,), (2, 3))
        x, y, z = ntuple(_ -> randn(X, (axes..., batch)), 3)
        check(layer("add"), (x, y))
        check(layer("add"), (x, y, z))
        check(layer("multiply"), (x, y))
        # One array for both inputs has two gradients, which the caller adds.
        values, residual = forward(layer("multiply"), (), (x, x), Heap(), LayerMode(true))
        dinputs, _ = pullback(layer("multiply"), (), (x, x), values, residual, (z,), (true, true), (), Heap())
        @test dinputs == (x .* z, x .* z)
    end
end

end

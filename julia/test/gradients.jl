module GradientTests

isdefined(Main, :GradientCheck) || Base.include(Main, joinpath(@__DIR__, "gradient_check.jl"))

using DiagramBridge: Heap, LayerMode, forward, pullback
using Main.GradientCheck: X, check, layer, smooth
using Test

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

module ShapingTests

isdefined(Main, :GradientCheck) || Base.include(Main, joinpath(@__DIR__, "gradient_check.jl"))

using DiagramBridge: BridgeError, Heap, LayerMode, build, forward, vector_log, vector_power
using Main.GradientCheck: check, layer, smooth
using Random
using Test

const X = MersenneTwister(6)

value(f, inputs...) = forward(f, (), inputs, Heap(), LayerMode(true))[1][1]

# Sample shapes are row-major in the attributes, and Julia's arrays have them reversed.
@testset "gradients" begin
    any_of(axes...) = randn(X, axes..., 3)
    positive(axes...) = rand(X, axes..., 3) .+ 0.5
    @testset "$name" for name in ("add", "subtract", "multiply")
        check(layer(name), (any_of(2, 3), any_of(2, 3)))
        check(layer(name), (any_of(2, 1), any_of(1, 3)))
        check(layer(name), (any_of(2, 3), any_of(2, 1)))
    end
    @testset "the rest of arithmetic" begin
        check(layer("add"), (any_of(2, 1), any_of(1, 3), any_of(2, 3)))
        check(layer("divide"), (any_of(2, 3), positive(2, 3)))
        check(layer("divide"), (any_of(2, 1), positive(1, 3)))
        for f in (layer("scale", "factor" => 0.3, "shift" => -2.0), layer("exp"), layer("abs"))
            check(f, (smooth((2, 3, 3)),))
        end
        for exponent in (3.0, -1.0, 2.0, 1.0, 0.0)
            check(layer("power", "exponent" => exponent), (smooth((5, 3)) .+ 0.1,))
        end
        for f in (layer("log"), layer("sqrt"), layer("power", "exponent" => 0.5), layer("power", "exponent" => -1.3))
            check(f, (positive(5),))
        end
        for by in ("add", "multiply"), shape in ([4, 3, 2], [1, 3, 1], [1, 1, 1])
            check(layer("parameter", "shape" => shape, "by" => by, "init" => "zeros"), (any_of(2, 3, 4),))
        end
        check(layer("parameter", "shape" => Int[], "by" => "add", "init" => "ones"), (any_of(),))
        for by in ("add", "multiply"), shape in ([4, 3, 2], [1, 3, 1])
            check(layer("constant", "shape" => shape, "by" => by), (any_of(2, 3, 4),), (randn(X, reverse(shape)...),))
        end
        check(layer("matmul"), (any_of(4, 3), any_of(2, 4)))
        check(layer("matmul"), (any_of(4, 3, 2), any_of(5, 4, 2)))
    end
    @testset "axis $axis" for axis in -3:-1
        along(n) = any_of(ntuple(i -> i == -axis ? n : (2, 3, 2)[i], 3)...)
        check(layer("concat", "axis" => axis), (along(2), along(1), along(3)))
        check(layer("split", "axis" => axis, "sizes" => [1, 2, 1]), (along(4),))
        for (start, stop, step) in ((0, 5, 1), (1, 4, 1), (0, 5, 2), (1, 5, 3))
            check(layer("slice", "axis" => axis, "start" => start, "stop" => stop, "step" => step), (along(5),))
        end
        for name in ("sum", "mean"), keep in (true, false)
            check(layer(name, "axes" => [axis], "keep" => keep), (along(3),))
        end
    end
    @testset "several axes" begin
        check(layer("sum", "axes" => [-1, -3], "keep" => false), (any_of(2, 3, 2),))
        check(layer("mean", "axes" => [-2, -3, -1], "keep" => true), (any_of(2, 3, 2),))
        check(layer("permute", "axes" => [1, 0]), (any_of(3, 20),))
        check(layer("permute", "axes" => [2, 0, 1]), (any_of(3, 2, 4),))
        check(layer("permute", "axes" => Int[]), (any_of(),))
    end
end

@testset "an empty batch" begin
    x, y = randn(X, 2, 3, 0), randn(X, 2, 1, 0)
    check(layer("subtract"), (x, y))
    check(layer("concat", "axis" => -2), (x, y))
    for f in (layer("split", "axis" => -2, "sizes" => [1, 2]), layer("sum", "axes" => [-1], "keep" => false),
              layer("permute", "axes" => [1, 0]), layer("slice", "axis" => -1, "start" => 0, "stop" => 1, "step" => 1))
        check(f, (x,))
    end
end

@testset "against Julia's own" begin
    x, y = randn(X, Float32, 40, 30, 20, 70), randn(X, Float32, 1, 30, 1, 70)
    @test value(layer("permute", "axes" => [1, 2, 0]), x) == permutedims(x, (3, 1, 2, 4))
    @test value(layer("permute", "axes" => [0, 2, 1]), x) == permutedims(x, (2, 1, 3, 4))
    @test value(layer("divide"), y, x) == y ./ x
    @test value(layer("subtract"), x, y) == x .- y
    @test value(layer("sum", "axes" => [-2], "keep" => true), x) ≈ sum(x, dims = 2)
    means = dropdims(sum(x, dims = (1, 3)), dims = (1, 3)) ./ 800
    @test value(layer("mean", "axes" => [-1, -3], "keep" => false), x) ≈ means
    @test value(layer("slice", "axis" => -2, "start" => 3, "stop" => 29, "step" => 5), x) == x[:, 4:5:29, :, :]
end

@testset "logarithms and powers of $T" for T in (Float32, Float64)
    xs = T.([exp.(20 .* randn(X, 3000)); 1 .+ 1e-3 .* randn(X, 500); floatmin(T) / 3; nextfloat(zero(T)); floatmax(T)])
    @test maximum(x -> (y = log(big(x)); abs(vector_log(x) - y) / eps(T(y))), xs) < 1
    @test vector_log.(T[0, -0.0, Inf, 1]) == T[-Inf, -Inf, Inf, 0]
    @test all(isnan, vector_log.(T[-1, NaN, -Inf]))
    powers = vector_power.(T[-2, -0.0, 0, 0, -2, -2, Inf, 0, 5], Float64[3, -1, -1, 2, 2, 0.5, -1, 0, 1])
    @test isapprox(powers, T[-8, -Inf, Inf, 0, 4, NaN, 0, 1, 5]; nans = true)
end

@testset "inputs that do not fit" begin
    x = randn(X, 3, 2, 5)
    for f in (layer("concat", "axis" => -3), layer("matmul"), layer("subtract"))
        @test_throws BridgeError value(f, x, randn(X, 3, 4, 6))
    end
    for f in (layer("split", "axis" => -1, "sizes" => [4]), layer("permute", "axes" => [0]),
              layer("slice", "axis" => -1, "start" => 1, "stop" => 4, "step" => 1),
              layer("mean", "axes" => [-3], "keep" => false))
        @test_throws BridgeError value(f, x)
    end
    @test_throws BridgeError build("power", 1, Dict{String,Any}())
end

end

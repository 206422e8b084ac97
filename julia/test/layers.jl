module LayerTests

using DiagramBridge
using DiagramBridge: BridgeError, Heap, LayerMode, Memory, build, forward, pullback
using Random
using Test

const X = MersenneTwister(4)

layer(operation, attributes...) = build(operation, 1, Dict{String,Any}(attributes...))
value(f, x, parameters = ()) = forward(f, parameters, (x,), Heap(), LayerMode(true))[1][1]

function gradient(f, x, dy, parameters = ())
    values, residual = forward(f, parameters, (x,), Heap(), LayerMode(true))
    return pullback(f, parameters, (x,), values, residual, (dy,), (true,), map(_ -> false, parameters), Heap())[1][1]
end

"A memory that fills what it gives with NaN and counts it: nothing but destinations may be used, each as a whole."
struct Counting <: Memory
    given::Vector{Any}
end

give(m::Counting, ::Type{T}, dims) where {T} = (a = fill(T(NaN), dims); push!(m.given, a); a)
DiagramBridge.output!(m::Counting, k::Int, ::Type{T}, dims::Dims{N}) where {T,N} = give(m, T, dims)::Array{T,N}
DiagramBridge.scratch!(m::Counting, ::Type{T}, dims::Dims{N}) where {T,N} = give(m, T, dims)::Array{T,N}
DiagramBridge.input_gradient!(m::Counting, i::Int, ::Type{T}, dims::Dims{N}) where {T,N} = give(m, T, dims)::Array{T,N}
DiagramBridge.parameter_gradient!(m::Counting, j::Int, ::Type{T}, dims::Dims{N}) where {T,N} =
    give(m, T, dims)::Array{T,N}

@testset "values and gradients at the edges, as torch has them, in $T" for T in (Float32, Float64)
    check(f, x, y, dx) = (@test value(f, T.(x)) == T.(y); @test gradient(f, T.(x), ones(T, length(x))) == T.(dx))
    check(layer("relu"), [-1, -0.0, 0, 2, Inf], [0, 0, 0, 2, Inf], [0, 0, 0, 1, 1])
    check(layer("relu6"), [-1, 0, 3, 6, 7], [0, 0, 3, 6, 6], [0, 0, 1, 0, 0])
    check(layer("leaky_relu", "slope" => 0.25), [-4, 0, 4], [-1, 0, 4], [0.25, 0.25, 1])
    check(layer("elu", "alpha" => 2.0), [-Inf, 0, 3], [-2, 0, 3], [0, 2, 1])
    check(layer("celu", "alpha" => 2.0), [-Inf, 0, 3], [-2, 0, 3], [0, 1, 1])
    above = nextfloat(T(20))
    check(layer("softplus"), [-Inf, 0, above, 1000], [0, log1p(T(1)), above, 1000], [0, 0.5, 1, 1])
    @test value(layer("softplus"), T[20]) ≈ T[log1p(exp(big(20)))]
    @test value(layer("hardsigmoid"), T[-4, -3, 0, 3, 4]) == T[0, 0, 0.5, 1, 1]
    @test gradient(layer("hardsigmoid"), T[-4, -3, 0, 3, 4], ones(T, 5)) ≈ T[0, 0, 1.0f0/6, 0, 0]
    for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "hardsigmoid", "mish", "softplus")
        @test isnan(value(layer(name), T[NaN])[1])
    end
    check(layer("abs"), [-2, -0.0, 0, 3], [2, 0, 0, 3], [-1, 0, 0, 1])
    @test isnan(gradient(layer("abs"), T[NaN], T[NaN])[1])
    @test value(layer("gelu", "approximate" => "none"), T[-40, 40]) == T[0, 40]
    @test value(layer("softmax", "axis" => -1), reshape(T[1e4, 0, 1e4], 3, 1)) == reshape(T[0.5, 0, 0.5], 3, 1)
    @test value(layer("log_softmax", "axis" => -1), reshape(T[1e10, 0], 2, 1)) == reshape(T[0, -1e10], 2, 1)
    @test all(isnan, value(layer("softmax", "axis" => -1), reshape(T[0, NaN, 1], 3, 1)))
    @test value(layer("softmax", "axis" => -1), reshape(T[0, -Inf, 0], 3, 1)) == reshape(T[0.5, 0, 0.5], 3, 1)
    norm = layer("layer_norm", "shape" => [2], "eps" => 1.0, "affine" => false)
    @test value(norm, reshape(T[1, 1], 2, 1)) == zeros(T, 2, 1)
end

arrays = (randn(X, 300, 40), 1000 .* randn(X, 5, 17, 3))
@testset "softmax over $(size(x)), axis $axis" for x in arrays, axis in -ndims(x)+1:-1
    shifted = exp.(x .- maximum(x, dims = -axis))
    expected = shifted ./ sum(shifted, dims = -axis)
    @test value(layer("softmax", "axis" => axis), x) ≈ expected
    @test exp.(value(layer("log_softmax", "axis" => axis), x)) ≈ expected
end

@testset "destinations" begin
    linear = layer("linear", "in" => 3, "out" => 4, "bias" => true, "init" => "zeros")
    norm = layer("layer_norm", "shape" => [3], "eps" => 1e-5, "affine" => true)
    cases = [
        (linear, (randn(X, 3, 4), randn(X, 4)), 1), (norm, (randn(X, 3), randn(X, 3)), 1), (layer("relu"), (), 1),
        (layer("softmax", "axis" => -1), (), 1), (layer("log_softmax", "axis" => -2), (), 1), (layer("add"), (), 3),
        (layer("multiply"), (), 2),
    ]
    @testset "$f" for (f, parameters, count) in cases
        inputs = ntuple(_ -> randn(X, 3, 2, 5), count)
        memory = Counting([])
        values, residual = forward(f, parameters, inputs, memory, LayerMode(true))
        @test values[1] === memory.given[1]
        @test !any(isnan, values[1])
        dvalue = randn(X, size(values[1]))
        memory = Counting([])
        needs = map(_ -> true, inputs), map(_ -> true, parameters)
        dinputs, dparameters = pullback(f, parameters, inputs, values, residual, (dvalue,), needs..., memory)
        for gradient in (dinputs..., dparameters...)
            @test gradient === dvalue || any(a -> a === gradient || pointer(a) == pointer(gradient), memory.given)
            @test !any(isnan, gradient)
        end
    end
    x, dy = randn(X, 3, 2, 5), randn(X, 6, 5)
    @test value(layer("identity"), x) === x
    @test pointer(value(layer("flatten"), x)) == pointer(x)
    @test pointer(gradient(layer("flatten"), x, dy)) == pointer(dy)
    @test size(value(layer("reshape", "shape" => [5, 3, 2]), randn(X, 10, 3, 4))) == (2, 3, 5, 4)
end

# Large enough for several threads, where Julia has them.
@testset "large arrays piece by piece" begin
    norm = layer("layer_norm", "shape" => [64], "eps" => 1e-5, "affine" => true)
    x, dy = randn(X, Float32, 64, 2048), randn(X, Float32, 64, 2048)
    scale = randn(X, Float32, 64), randn(X, Float32, 64)
    pieces = [k:k+15 for k in 1:16:2048]
    cases = [
        (layer("relu"), ()), (layer("gelu", "approximate" => "none"), ()), (layer("softmax", "axis" => -1), ()),
        (layer("log_softmax", "axis" => -1), ()), (norm, scale),
    ]
    @testset "$f" for (f, parameters) in cases
        @test value(f, x, parameters) == hcat((value(f, x[:, p], parameters) for p in pieces)...)
        expected = hcat((gradient(f, x[:, p], dy[:, p], parameters) for p in pieces)...)
        @test gradient(f, x, dy, parameters) == expected
    end
    values, residual = forward(norm, scale, (x,), Heap(), LayerMode(true))
    dweight, dbias = pullback(norm, scale, (x,), values, residual, (dy,), (false,), (true, true), Heap())[2]
    plain = value(layer("layer_norm", "shape" => [64], "eps" => 1e-5, "affine" => false), x)
    @test dweight ≈ vec(sum(Float64.(plain) .* dy, dims = 2))
    @test dbias ≈ vec(sum(Float64.(dy), dims = 2))
    for (name, f) in (("add", +), ("multiply", *))
        @test forward(layer(name), (), (x, dy), Heap(), LayerMode(true))[1][1] == f.(x, dy)
    end
end

@testset "inputs that do not fit" begin
    linear = layer("linear", "in" => 3, "out" => 4, "bias" => false, "init" => "zeros")
    @test_throws BridgeError value(linear, randn(4, 2), (randn(3, 4),))
    @test_throws BridgeError value(linear, randn(3, 2), (randn(4, 3),))
    @test_throws BridgeError value(linear, randn(3), (randn(3, 4),))
    @test_throws BridgeError value(layer("softmax", "axis" => -2), randn(3, 2))
    @test_throws BridgeError value(layer("reshape", "shape" => [4]), randn(3, 2))
    @test_throws BridgeError value(layer("layer_norm", "shape" => [4], "eps" => 1e-5, "affine" => false), randn(3, 2))
    @test_throws BridgeError forward(layer("add"), (), (randn(3, 2), randn(3, 1)), Heap(), LayerMode(true))
    @test_throws BridgeError forward(layer("multiply"), (), (randn(3, 2), randn(2, 3)), Heap(), LayerMode(true))
end

end

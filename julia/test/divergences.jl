module DivergenceTests

using DiagramBridge:
    BridgeError, MEASURES, divergence_gradients, divergence_value, mask_gradient, measure
using Random
using Test

both_gradients(sides...; options...) = Base.tail(divergence_gradients(sides...; options...))

const X = MersenneTwister(11)

const CASES = [
    ("mse", Dict{String,Any}()), ("mae", Dict{String,Any}()), ("huber", Dict{String,Any}("delta" => 0.7)),
    ("cross_entropy", Dict{String,Any}("label_smoothing" => 0.0)),
    ("cross_entropy", Dict{String,Any}("label_smoothing" => 0.2)), ("binary_cross_entropy", Dict{String,Any}()),
    ("kl", Dict{String,Any}("temperature" => 3.0)), ("cosine", Dict{String,Any}()),
    ("info_nce", Dict{String,Any}("temperature" => 0.3, "symmetric" => false)),
    ("info_nce", Dict{String,Any}("temperature" => 0.3, "symmetric" => true)),
]

made(name, attributes, place) = measure(name, attributes, has_axis(name) ? place : 0, "agreement 'a'")
has_axis(name) = name in ("cross_entropy", "kl", "cosine", "info_nce")

"The derivative of `f` for each number of `x`, by central differences."
function differences(f, x::Array{Float64})
    found = similar(x)
    for i in eachindex(x)
        up, down = copy(x), copy(x)
        up[i] += 1e-5
        down[i] -= 1e-5
        found[i] = (f(up) - f(down)) / 2e-5
    end
    return found
end

sizes = [((3, 4), 1), ((3, 2, 4), 1), ((3, 2, 4), 2)]
@testset "$name $(collect(values(attributes))), $dims, axis $place" for (name, attributes) in CASES, (dims, place) in sizes
    d = made(name, attributes, place)
    left, right = randn(X, dims), randn(X, dims)
    others = has_axis(name) ? Tuple(dims[i] for i in 1:length(dims) if i != place) : dims
    for mask in (nothing, rand(X, dims[end]), rand(X, others...))
        dleft, dright = both_gradients(d, left, right, mask, true, true, scale = 2.0)
        @test dleft ≈ differences(l -> 2divergence_value(d, l, right, mask), left) rtol = 1e-6
        @test dright ≈ differences(r -> 2divergence_value(d, left, r, mask), right) rtol = 1e-6
        @test divergence_gradients(d, left, right, mask, true, true, scale = 2.0)[1] ===
              divergence_value(d, left, right, mask)
        @test both_gradients(d, left, right, mask, false, true, scale = 2.0) == (nothing, dright)
        @test both_gradients(d, left, right, mask, true, false, scale = 2.0) == (dleft, nothing)
        mask === nothing && continue
        @test mask_gradient(d, left, right, mask, scale = 2.0) ≈
              differences(m -> 2divergence_value(d, left, right, m), mask) rtol = 1e-6
    end
end

@testset "class indices are one-hot columns" begin
    left, indices = randn(X, 3, 2, 4), rand(X, 0:2, 2, 4)
    columns = Float64[indices[j, s] == k - 1 for k in 1:3, j in 1:2, s in 1:4]
    for smoothing in (0.0, 0.3)
        d = measure("cross_entropy", Dict{String,Any}("label_smoothing" => smoothing), 1, "")
        @test divergence_value(d, left, indices) ≈ divergence_value(d, left, columns)
        @test both_gradients(d, left, indices, nothing, true, true)[1] ≈
              both_gradients(d, left, columns, nothing, true, true)[1]
        @test both_gradients(d, left, Int32.(indices), nothing, true, true)[2] === nothing
    end
end

@testset "nothing to agree on, in $T: $name" for T in (Float32, Float64), (name, attributes) in CASES
    d = made(name, attributes, 1)
    none, some = zeros(T, 3, 0), ones(T, 3, 2)
    @test divergence_value(d, none, none) === zero(T)
    @test both_gradients(d, none, none, nothing, true, true) == (none, none)
    for mask in (zeros(T, 2), [false, false], [0, 0])
        @test divergence_value(d, some, some, mask) === zero(T)
        @test both_gradients(d, some, 2some, mask, true, true) == (zero(some), zero(some))
        @test divergence_gradients(d, some, 2some, mask, true, true) == (zero(T), zero(some), zero(some))
    end
    @test divergence_value(d, some, some, ones(2)) isa Float64
end

@testset "weights" begin
    d = measure("mse", Dict{String,Any}(), 0, "")
    left, right = [1.0 2.0 3.0; 0.0 0.0 0.0], zeros(2, 3)
    @test divergence_value(d, left, right) ≈ 14 / 6
    @test divergence_value(d, left, right, [1.0, 0.0, 3.0]) ≈ (0.5 + 3 * 4.5) / 4
    @test divergence_value(d, left, right, [true false true; false false true]) ≈ 10 / 3
end

@testset "refusals" begin
    refusal(f) = try f(); nothing catch e; e isa BridgeError ? e.element : rethrow() end
    d = measure("cosine", Dict{String,Any}(), 1, "")
    x = ones(3, 2)
    @test refusal(() -> divergence_value(d, x, ones(2, 2), element = "a")) == "a, right"
    @test refusal(() -> divergence_value(d, x, ones(Int, 2), element = "a")) == "a, right"
    @test refusal(() -> divergence_value(d, x, x, ones(3), element = "a")) == "a, mask"
    @test refusal(() -> divergence_value(d, x, x, [1.0, -1.0], element = "a")) == "a, mask"
    @test refusal(() -> measure("mse", Dict{String,Any}("delta" => 1.0), 0, "a")) == "a, divergence 'mse'"
    @test refusal(() -> measure("wasserstein", Dict{String,Any}(), 0, "a")) == "a"
    @test length(MEASURES) == 8
end

end

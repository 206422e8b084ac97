module AttentionTests

isdefined(Main, :GradientCheck) || Base.include(Main, joinpath(@__DIR__, "gradient_check.jl"))

using DiagramBridge: BridgeError, Heap, LayerMode, build, forward, pullback
using Main.GradientCheck: check, layer
using Random
using Test

const X = MersenneTwister(8)

attention(; causal = false, mask = "none", scale = 0.0) =
    layer("attention", "causal" => causal, "mask" => mask, "scale" => scale)

"Queries (D, T), keys (D, S) and values (E, S) of one block by the formula; `keep` (S, T) says who sees whom."
function plain(q, k, v, keep, scale)
    weights = exp.(scale .* (k' * q)) .* keep
    totals = sum(weights, dims = 1)
    return v * (weights ./ ifelse.(totals .== 0, 1, totals))
end

@testset "gradients" begin
    for causal in (false, true), (queries, keys) in ((3, 4), (4, 2)), front in ((), (2,))
        q, k, v = randn(X, 2, queries, front..., 2), randn(X, 2, keys, front..., 2), randn(X, 3, keys, front..., 2)
        check(attention(causal = causal, scale = 0.3), (q, k, v))
    end
    check(layer("multi_head_attention", "width" => 4, "heads" => 2, "key_width" => 3, "value_width" => 5, "bias" => true,
                "causal" => true, "key_mask" => false, "mask" => false, "init" => "zeros"),
          (randn(X, 4, 3, 2), randn(X, 3, 4, 2), randn(X, 5, 4, 2)))
end

@testset "masks" begin
    q, k, v = randn(X, 2, 3, 2, 5), randn(X, 2, 4, 2, 5), randn(X, 3, 4, 2, 5)
    for causal in (false, true), mask in (rand(X, Bool, 4, 3, 5), rand(X, Bool, 4, 3, 2, 5))
        fill!(view(mask, :, 2, ntuple(_ -> 1, ndims(mask) - 2)...), false)
        f = attention(causal = causal, mask = "boolean")
        (y,), weights = forward(f, (), (q, k, v, mask), Heap(), LayerMode(true))
        for head in 1:2, sample in 1:5
            keep = ndims(mask) == 3 ? mask[:, :, sample] : mask[:, :, head, sample]
            keep = causal ? [keep[s, t] && s <= t for s in 1:4, t in 1:3] : keep
            @test y[:, :, head, sample] ≈ plain(q[:, :, head, sample], k[:, :, head, sample], v[:, :, head, sample], keep,
                                                1 / sqrt(2))
        end
        needs = (true, true, true, false)
        dq, _, _, dmask = pullback(f, (), (q, k, v, mask), (y,), weights, (y,), needs, (), Heap())[1]
        @test dmask === nothing
        @test all(iszero, dq[:, 2, 1, 1])
        @test all(isfinite, dq)
    end
    @test_throws BridgeError forward(attention(), (), (q, k, v[:, 1:3, :, :]), Heap(), LayerMode(true))
end

# Large enough for several threads, where Julia has them.
@testset "many queries, one by one" begin
    q, k, v = randn(X, Float32, 4, 700, 3), randn(X, Float32, 4, 300, 3), randn(X, Float32, 4, 300, 3)
    value(q) = forward(attention(), (), (q, k, v), Heap(), LayerMode(true))[1][1]
    y = value(q)
    for t in (1, 350, 700)
        @test y[:, t:t, :] ≈ value(q[:, t:t, :])
    end
end

end

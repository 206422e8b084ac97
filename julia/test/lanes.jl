module LanesTests

using DiagramBridge: LANES, add_first!, copy_first!, join_pairs!, split_pairs!
using Test

# Around what is written lie numbers that nothing may touch.
const AROUND = 3LANES
guarded(x::Vector{T}) where {T} = [fill(T(NaN), AROUND); x; fill(T(NaN), AROUND)]
start(x::Vector) = pointer(x, AROUND + 1)
function inside(x::Vector)
    @test all(isnan, x[1:AROUND]) && all(isnan, x[(end - AROUND + 1):end])
    return x[(AROUND + 1):(end - AROUND)]
end

@testset "$n pairs of $T" for T in (Float32, Float64), n in 0:(2LANES + 3)
    pairs, a, b = randn(T, 2n), randn(T, n), randn(T, n)
    x, first, second = map(guarded, (pairs, zero(a), zero(b)))
    GC.@preserve x first second a b begin
        split_pairs!(start(first), start(second), start(x), n)
        @test inside(first) == pairs[1:2:end] && inside(second) == pairs[2:2:end]
        join_pairs!(start(x), pointer(a), pointer(b), n)
        @test inside(x) == reduce(vcat, ([a[i], b[i]] for i in 1:n); init = T[])
    end
    # The last pair lacks its second.
    short = n == 0 ? T[] : pairs[1:(end - 1)]
    x, first = guarded(short), guarded(zero(a))
    GC.@preserve x first a begin
        copy_first!(start(first), start(x), n)
        @test inside(first) == short[1:2:end]
        add_first!(start(x), pointer(a), n)
        @test inside(x)[1:2:end] == short[1:2:end] .+ a && inside(x)[2:2:end] == short[2:2:end]
    end
end

end

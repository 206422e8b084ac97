module ElementaryTests

using DiagramBridge: vector_exp, vector_expm1, vector_log1p, vector_normal, vector_sigmoid, vector_tanh
using Random
using Test

const X = MersenneTwister(1)

"erf by its Taylor series, with enough bits for arguments up to 7: the terms cancel."
function series_erf(x::BigFloat)
    term = total = x
    n = 0
    while abs(term) > eps(abs(total)) / 4
        n += 1
        term *= -x^2 / n
        total += term / (2n + 1)
    end
    return 2total / sqrt(big(π))
end

"The largest error of `f` at `xs`, in units in the last place of the exact result."
function worst_ulp(f, exact, ::Type{T}, xs) where {T}
    return maximum(xs) do x
        y = exact(big(T(x)))
        iszero(y) ? Float64(abs(f(T(x)))) : Float64(abs(f(T(x)) - y) / eps(T(y)))
    end
end

@testset "elementary functions of $T" for T in (Float32, Float64)
    normal = [randn(X, 2000); 1e-3 .* randn(X, 500); 0.0]
    across(a, b) = range(a, b, length = 3000)
    below(x) = vector_normal(x)[1]
    exact_below(x) = (1 + series_erf(x / sqrt(big(2)))) / 2
    lowest, highest = T === Float32 ? (-103.0, 88.7) : (-744.0, 709.7)
    setprecision(BigFloat, 320) do
        @test worst_ulp(vector_exp, exp, T, [normal; across(lowest, highest)]) < 1.0
        @test worst_ulp(vector_expm1, expm1, T, [normal; across(-50, 60)]) < 2.0
        @test worst_ulp(vector_sigmoid, x -> 1 / (1 + exp(-x)), T, [normal; across(-80, 40)]) < 2.5
        @test worst_ulp(vector_tanh, tanh, T, [normal; across(-22, 22)]) < 2.5
        @test worst_ulp(vector_log1p, log1p, T, [abs.(normal[abs.(normal).<=1]); across(0, 1)]) < 2.0
        # The relative error of exp(−x²/2) grows as x² does.
        @test worst_ulp(below, exact_below, T, [normal; across(-5, 7)]) < 16
        @test maximum(x -> abs(below(T(x)) - exact_below(big(T(x)))) / eps(T), [normal; across(-9, 9)]) < 3
        @test worst_ulp(x -> vector_normal(x)[2], x -> exp(-x^2 / 2), T, [normal; across(-5, 5)]) < 12
    end
    for (f, lower, upper) in ((vector_exp, 0, Inf), (vector_sigmoid, 0, 1), (vector_tanh, -1, 1), (below, 0, 1))
        for x in (T(Inf), floatmax(T), T(1e30))
            @test f(-x) === T(lower)
            @test f(x) === T(upper)
        end
        @test isnan(f(T(NaN)))
    end
    @test vector_expm1(T(-Inf)) === T(-1)
    @test isnan(vector_expm1(T(NaN)))
    @test vector_tanh(T(-0.0)) === T(-0.0)
end

end

module BlasTests

using DiagramBridge: blas_name, gemm!, set_blas!
using Libdl
using LinearAlgebra: BLAS
using Test

# The arguments of gemm are the caller's to remove: a function without any may stand for one that writes nothing.
idle() = nothing

@testset "blas" begin
    library = dlopen(BLAS.libblas)
    symbol(name) = something(
        dlsym(library, name * "64_"; throw_error = false), dlsym(library, name * "_"; throw_error = false), C_NULL,
    )
    sgemm, dgemm = symbol("sgemm_"), symbol("dgemm_")
    wrong = @cfunction(idle, Cvoid, ())

    @test blas_name() == "julia"
    @test !set_blas!(wrong, wrong) # it multiplies nothing
    @test blas_name() == "julia"

    choices = sgemm == C_NULL || dgemm == C_NULL ? (false,) : (false, true)
    for by_address in choices
        if by_address
            @test !set_blas!(sgemm, wrong)
            @test blas_name() == "julia"
            @test set_blas!(sgemm, dgemm)
            @test startswith(blas_name(), "caller") # from Julia 1.7 on with what it does not cover
        end
        for T in (Float32, Float64), (m, n, k) in ((3, 4, 5), (1, 1, 1), (0, 3, 2), (3, 0, 2), (3, 2, 0))
            a, b, c = rand(T, m, k), rand(T, k, n), rand(T, m, n)
            for beta in (zero(T), one(T))
                expected = a * b .+ beta .* c
                @test gemm!('N', 'N', m, n, k, a, b, beta, copy(c)) ≈ expected
                @test gemm!('T', 'N', m, n, k, permutedims(a), b, beta, copy(c)) ≈ expected
                @test gemm!('N', 'T', m, n, k, a, permutedims(b), beta, copy(c)) ≈ expected
            end
            @test gemm!('N', 'N', m, n, k, a, b, zero(T), fill(T(NaN), m, n)) ≈ a * b
        end
    end
    @test set_blas!(C_NULL, C_NULL)
    @test blas_name() == "julia"
end

end

module SharedBlasTests

using DiagramBridge: library_of, share_blas!
using LinearAlgebra: BLAS
using Test

# That torch's library is shared is tested from Python, where there is one.
@testset "shared BLAS" begin
    if VERSION < v"1.7"
        @test_skip "libblastrampoline comes with Julia 1.7"
    else
        @test startswith(basename(library_of(cglobal(:jl_gc_collect))), "libjulia")
        @test library_of(Ptr{Cvoid}(16)) == ""
        before = BLAS.get_config().loaded_libs
        @test !share_blas!(Ptr{Cvoid}(16)) # no library is there: nothing changes
        @test BLAS.get_config().loaded_libs == before
    end
end

end

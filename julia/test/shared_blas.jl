module SharedBlasTests

using DiagramBridge: library_of, share_blas!
using Libdl
using LinearAlgebra: BLAS
using Test

@testset "shared BLAS" begin
    if VERSION < v"1.7"
        @test_skip "libblastrampoline comes with Julia 1.7"
    else
        @test library_of(Ptr{Cvoid}(16)) == ""
        @test !share_blas!(Ptr{Cvoid}(16))
        # A library of C's: none of its functions is BLAS, so that all stays as it was.
        before = [l.libname for l in BLAS.get_config().loaded_libs]
        address = dlsym(dlopen(first(filter(name -> occursin("libc.so", name), dllist()))), "strlen")
        @test occursin("libc", library_of(address))
        share_blas!(address)
        @test issubset(before, [l.libname for l in BLAS.get_config().loaded_libs])
        @test [1.0 2.0; 3.0 4.0] * [1.0 0.0; 0.0 2.0] == [1.0 4.0; 3.0 8.0]
    end
end

end

# All tests, or with an argument such as "1/2" every second file.
using DiagramBridge
using Test

# The last one has Julia use torch's BLAS.
const FILES = split("""
    wire golden doctests builder blas elementary build gradients layers shaping recurrent
    attention spatial engine shared_blas torch flux divergences order optimizers json
    checkpoint change progress lanes pythoncall
    """)

part, parts = isempty(ARGS) ? (1, 1) : parse.(Int, split(only(ARGS), '/'))

include("team.jl")
Team.play!()

@testset "DiagramBridge" begin
    for file in FILES[part:parts:end]
        include("$file.jl")
    end
    @testset "loops in teams allocate nothing" begin
        @test Team.LOOPS[] > 0
        @test Team.ALLOCATED[] == 0
        VERSION < v"1.9" && @test isempty(Team.allocating())
    end
end

# The Flux engine and Flux models, where Flux can be loaded.

if VERSION < v"1.9" || Base.find_package("Flux") === nothing
    reason = VERSION < v"1.9" ? "package extensions need Julia 1.9" : "Flux is not in the active project"
    @testset "Flux (skipped: $reason)" begin
        @test_skip "Flux"
    end
else
    using Flux
    include("flux/layers.jl")
    include("flux/native.jl")
    include("flux/models.jl")
    include("flux/port.jl")
end

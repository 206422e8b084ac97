using DiagramBridge
using Test

@testset "DiagramBridge" begin
    include("wire.jl")
    include("golden.jl")
    include("doctests.jl")
    include("builder.jl")
    include("blas.jl")
    include("elementary.jl")
    include("build.jl")
    include("gradients.jl")
    include("layers.jl")
    include("shaping.jl")
    include("recurrent.jl")
    include("attention.jl")
    include("spatial.jl")
    include("engine.jl")
    include("shared_blas.jl")
    include("torch.jl")
    include("flux.jl")
    include("divergences.jl")
    include("order.jl")
    include("optimizers.jl")
    include("json.jl")
    include("checkpoint.jl")
    include("change.jl")
    include("progress.jl")
    include("pythoncall.jl") # the last one: it has Julia use torch's BLAS
end

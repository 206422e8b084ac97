# What a first step would compile, most of it Zygote's, is run once while the extension is precompiled.

function exercise_engine()
    DiagramBridge.ENGINES["flux"] = FluxEngine()
    DiagramBridge.warm_up()
    component = FluxModel(Flux.Chain(Flux.Dense(2 => 2, NNlib.relu), Flux.Dense(2 => 2)), "a model")
    x = ones(Float32, 2, 3)
    mode = Mode(DiagramBridge.TRAIN_FLAG | DiagramBridge.GRAD_FLAG, 0, 0, 0)
    (value,), recorded = DiagramBridge.evaluate(component, (x,), mode)
    DiagramBridge.pullback(component, recorded, (value,))
    return nothing
end

ccall(:jl_generating_output, Cint, ()) == 1 && exercise_engine()

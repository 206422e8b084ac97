# A module of torch's as a layer of a Flux model: its children, its mode and its gradient.

Functors.functor(::Type{<:TorchModule}, m) =
    (parameters = m.parameters, buffers = m.buffers), children -> with(m, children)

Optimisers.trainable(m::TorchModule) = (parameters = m.parameters,)

"The module itself where these are its own arrays, as after a step in place, and else a copy of it with those values."
function with(m::TorchModule, children)
    old = [m.parameters..., m.buffers...]
    new = [children.parameters..., children.buffers...]
    all(map(===, old, new)) && return m
    for (path, a, b) in zip((keys(m.parameters)..., keys(m.buffers)...), old, new)
        b isa AbstractArray && size(a) == size(b) && eltype(a) == eltype(b) ||
            throw(BridgeError("'$path' of $m", "$(summary(a)), as torch has it", summary(b)))
    end
    made = copy(m)
    foreach(copyto!, [made.parameters..., made.buffers...], new)
    return made
end

function Flux.testmode!(m::TorchModule, mode::Union{Bool,Nothing,Symbol})
    mode isa Symbol && mode !== :auto && throw(ArgumentError("testmode! accepts only the symbol :auto, got :$mode"))
    m.active = mode isa Bool ? !mode : nothing
    return m
end

function ChainRulesCore.rrule(m::TorchModule, inputs::AbstractArray...)
    flags = DiagramBridge.GRAD_FLAG | (m.active === false ? UInt32(0) : DiagramBridge.TRAIN_FLAG)
    value, call = DiagramBridge.record(m, inputs, flags)
    needs = Bool[eltype(x) <: AbstractFloat for x in inputs]
    projections = map(ChainRulesCore.ProjectTo, inputs)
    function pull(dvalue)
        given = ChainRulesCore.unthunk(dvalue)
        doutputs = given isa ChainRulesCore.AbstractZero ? Any[nothing] :
                   call.is_single ? Any[given] : Any[of_output(given[k]) for k in 1:length(value)]
        all(isnothing, doutputs) && return ntuple(_ -> ChainRulesCore.ZeroTangent(), length(inputs) + 1)
        dinputs, dparameters = DiagramBridge.pull(call, doutputs, needs)
        named = NamedTuple{keys(m.parameters)}(map(tangent, Tuple(dparameters)))
        dm = ChainRulesCore.Tangent{TorchModule}(; parameters = ChainRulesCore.Tangent{typeof(m.parameters)}(; named...))
        return (dm, map((project, d) -> project(tangent(d)), projections, Tuple(dinputs))...)
    end
    return value, pull
end

tangent(d) = d
tangent(::Nothing) = ChainRulesCore.ZeroTangent()

of_output(d) = ChainRulesCore.unthunk(d)
of_output(::Union{Nothing,ChainRulesCore.AbstractZero}) = nothing

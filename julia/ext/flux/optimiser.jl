# Rules of Optimisers.jl for parameters that PyTorch holds: they are stepped in place, wherever their memory is.

"A rule with a state for each parameter, in the caller's order; a state is made when its parameter first has a gradient."
struct Stepper
    rule::Optimisers.AbstractRule
    states::Dict{Int,Any}
end

"The id of a new stepper; `rule` is a Julia expression in which the names of Optimisers.jl are known."
function make_stepper(rule::String)
    made = Core.eval(Optimisers, Meta.parse(rule))
    made isa Optimisers.AbstractRule ||
        throw(BridgeError("optimiser '$rule'", "a rule of Optimisers.jl", "a $(typeof(made))"))
    return DiagramBridge.hold(Stepper(made, Dict{Int,Any}()))
end

c_step(id::UInt64, n::Int, parameters::Ptr{DLTensor}, gradients::Ptr{DLTensor})::Int32 =
    DiagramBridge.guarded(step!, (id, n, parameters, gradients))

function step!((id, n, parameters, gradients)::Tuple)
    stepper = DiagramBridge.held(Stepper, id)
    for k in 1:n
        gradient = unsafe_load(gradients, k)
        gradient.ndim < 0 && continue
        step!(stepper, k, DiagramBridge.wrap(unsafe_load(parameters, k)), DiagramBridge.wrap(gradient))
    end
    return nothing
end

function step!(stepper::Stepper, k::Int, parameter::Array, gradient::Array)
    state = get!(() -> Optimisers.setup(stepper.rule, parameter), stepper.states, k)
    Optimisers.update!(state, parameter, gradient)
    return nothing
end

step_address() = @cfunction(c_step, Int32, (UInt64, Int64, Ptr{DLTensor}, Ptr{DLTensor}))

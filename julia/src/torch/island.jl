# An island of torch's as one step of an island of Julia's.

is_trained(i::TorchIsland) = i.trains
owns_gradients(::TorchIsland) = false # torch may give the same tensor for several

function run!(island::TorchIsland, step::Step, tape::StepTape, ::Vector{Room}, mode::Mode)
    left = TorchTape()
    push!(tape.torch, left)
    flags = mode.flags | (island.seeds ? SEEDED_FLAG : UInt32(0))
    any(v -> tape.island.places.learns[v], step.inputs) && (flags &= ~CONSTANT_FLAG)
    values = torch_forward(island.handle.id, Mode(flags, mode.pad, mode.seed, island.application),
                           Any[tape.values[v] for v in step.inputs], Any[tape.parameters[j] for j in step.parameters],
                           length(step.outputs), left)
    unwind()
    for (v, expected, value) in zip(step.outputs, step.expected, values)
        value === nothing && throw(BridgeError(expected.element, describe(expected, tape.bound), "nothing"))
        check(expected, value, tape.bound)
        tape.values[v] = value
    end
    return left
end

function pull!(island::TorchIsland, step::Step, k::Int, pass::Pass)
    gradients = Any[pass.gradients[v].array for v in step.outputs]
    all(isnothing, gradients) && return nothing
    is_float_value(v) = pass.tape.values[v] isa Array{<:AbstractFloat}
    needs_inputs = Bool[pass.wanted[v] && is_float_value(v) for v in step.inputs]
    needs_parameters = Bool[pass.needs[j] for j in step.parameters]
    any(needs_inputs) || any(needs_parameters) || return nothing
    found = torch_backward(island.handle.id, pass.tape.residuals[k]::TorchTape, gradients,
                           vcat(needs_inputs, needs_parameters))
    unwind()
    n = length(step.inputs)
    of_inputs, of_parameters = found[1:n], found[(n + 1):end]
    add_found!(pass, pass.gradients, pass.places, step.inputs, of_inputs, pass.tape.values, island)
    add_found!(pass, pass.parameter_gradients, pass.parameter_places, step.parameters, of_parameters, pass.tape.parameters,
               island)
    return nothing
end

function add_found!(pass::Pass, gradients, places, indices, found, of::Vector, island::TorchIsland)
    for (i, gradient) in zip(indices, found)
        gradient === nothing && continue
        check_gradient(island.element, "argument", gradient, of[i])
        add!(pass.lease, gradients, i, Gradient(gradient, false), places[i])
    end
    return nothing
end

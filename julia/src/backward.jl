# The way back through a tape: pullbacks in reverse order, gradients added up where a value was used more than once.

"The gradient of one value so far. `ours` says that nobody else reads its memory, so that more may be added in place."
struct Gradient
    array::Union{Array,Nothing}
    ours::Bool
end

const NO_GRADIENT = Gradient(nothing, false)

"Where the gradients of one step are written: into the caller's memory the first time, else into leased memory."
struct BackwardMemory <: Memory
    lease::Lease
    inputs::Vector{Ptr{Cvoid}}     # for each input of the step, or null
    parameters::Vector{Ptr{Cvoid}}
end

function place!(lease::Lease, data::Ptr{Cvoid}, ::Type{T}, dims::Dims{N}) where {T,N}
    (data == C_NULL || prod(dims) == 0) && return lease!(lease, T, dims)::Array{T,N}
    return unsafe_wrap(Array, Ptr{T}(data), dims)::Array{T,N}
end

scratch!(m::BackwardMemory, ::Type{T}, dims::Dims{N}) where {T,N} = lease!(m.lease, T, dims)::Array{T,N}
release!(m::BackwardMemory, a::Vector) = release!(m.lease, a)
input_gradient!(m::BackwardMemory, i::Int, ::Type{T}, dims::Dims{N}) where {T,N} = place!(m.lease, m.inputs[i], T, dims)
parameter_gradient!(m::BackwardMemory, j::Int, ::Type{T}, dims::Dims{N}) where {T,N} =
    place!(m.lease, m.parameters[j], T, dims)

"""
A backward pass under way. `wanted` says of each value whether its gradient leads to one that is asked for; `places` and
`parameter_places` have the caller's memory for the gradients of values and of parameters, or null.
"""
struct Pass
    tape::StepTape
    lease::Lease
    wanted::Vector{Bool}
    needs::Vector{Bool} # for each parameter
    gradients::Vector{Gradient}
    places::Vector{Ptr{Cvoid}}
    parameter_gradients::Vector{Gradient}
    parameter_places::Vector{Ptr{Cvoid}}
end

"Run a tape's island backward and answer the slots of its inputs and parameters."
function run_backward(tape::StepTape, tensors::Descriptors, din::Ptr{Slot}, needs)
    COUNTS.backwards += 1
    n = number_of_arguments(tape.island)
    doutputs, spans = Vector{Any}(nothing, length(tensors)), fill(NO_SPAN, length(tensors))
    for k in 1:length(tensors)
        t = tensors[k]
        t.ndim < 0 && continue
        doutputs[k] = wrap(t)
        spans[k] = count_bytes(Span(t))
    end
    needed = Bool[is_needed(needs, i) for i in 1:n]
    places = Ptr{Cvoid}[needed[i] ? given_place(slot(din, i), tape.spans[i]) : C_NULL for i in 1:n]
    lease = Lease(tape.island.workspace)
    try
        gradients = backward!(tape, doutputs, needed, places, lease)
        handover = Handover(tensors, spans, tape.spans, n, lease)
        for (i, gradient) in enumerate(gradients)
            with_type(a -> hand_over!(handover, slot(din, i), a), needed[i] ? gradient.array : nothing)
        end
    finally
        close(lease)
    end
    return nothing
end

"The memory that the caller gives for a gradient, which has the size of what it is the gradient of; or null."
function given_place(slot::Ptr{Slot}, of::Span)
    given = unsafe_load(slot)
    data = given.tensor.data
    data == C_NULL || given.value == of.last - of.first ||
        throw(BridgeError("gradient", "memory of $(of.last - of.first) bytes", string(given.value)))
    return data
end

"""
    backward!(tape, doutputs, needs, places, lease) -> Vector{Gradient}

The gradients of the island's inputs, then of its parameters, and none for each of its buffers. `doutputs` holds an array or
`nothing` for each output; `needs` and `places` say for each input and parameter whether its gradient is asked for, and where
the caller wants it.
"""
function backward!(tape::StepTape, doutputs::Vector, needs::Vector{Bool}, places::Vector{Ptr{Cvoid}}, lease::Lease)
    island = tape.island
    inputs = 1:length(island.inputs)
    parameters = (length(inputs) + 1):(length(inputs) + length(island.parameters))
    value_places = fill(Ptr{Cvoid}(C_NULL), island.values)
    copyto!(value_places, view(places, inputs))
    for (v, view_of_it) in enumerate(island.places.passes_to) # a view's gradient lies where its argument's does
        (view_of_it == 0 || v in island.outputs) || (value_places[view_of_it] = value_places[v])
    end
    pass = Pass(tape, lease, wanted_values(island, needs), needs[parameters], fill(NO_GRADIENT, island.values), value_places,
                fill(NO_GRADIENT, length(parameters)), places[parameters])
    for (v, dout) in zip(island.outputs, doutputs)
        (dout === nothing || !pass.wanted[v]) && continue
        check_gradient("island", "output", dout, tape.values[v])
        add!(pass.lease, pass.gradients, v, Gradient(dout, false), value_places[v])
    end
    k = length(island.steps)
    try
        while k > 0
            checkpoint()
            pull!(island.steps[k].operation, island.steps[k], k, pass)
            k -= 1
        end
    catch e
        rethrow_at(island.steps[k], e, catch_backtrace())
    end
    return vcat(pass.gradients[inputs], pass.parameter_gradients, fill(NO_GRADIENT, length(island.buffers)))
end

# A value is wanted if an input or parameter whose gradient is asked for lies at or below it, with no detach in between.
function wanted_values(island::StepIsland, needs::Vector{Bool})
    inputs = length(island.inputs)
    wanted = fill(false, island.values)
    copyto!(wanted, view(needs, 1:inputs))
    for step in island.steps
        step.operation isa Detach && continue
        any_wanted = any(v -> wanted[v], step.inputs) || any(j -> needs[inputs + j], step.parameters)
        any_wanted && foreach(v -> wanted[v] = true, step.outputs)
    end
    return wanted
end

pull!(::Detach, ::Step, ::Int, ::Pass) = nothing

function pull!(operation, step::Step, k::Int, pass::Pass)
    any(v -> pass.gradients[v].array !== nothing, step.outputs) || return nothing
    any(v -> pass.wanted[v], step.inputs) || any(j -> pass.needs[j], step.parameters) || return nothing
    needs_inputs = gather(pass.wanted, step.inputs)
    needs_parameters = gather(pass.needs, step.parameters)
    dvalues = length(step.outputs) == 1 ? (whole(pass, step.outputs[1]),) : Tuple(map(v -> whole(pass, v), step.outputs))
    dinputs, dparameters = pullback_of(operation, step, k, pass, dvalues, needs_inputs, needs_parameters)
    add_all!(pass.lease, pass.gradients, pass.places, step.inputs, dinputs, needs_inputs, dvalues, operation)
    add_all!(pass.lease, pass.parameter_gradients, pass.parameter_places, step.parameters, dparameters, needs_parameters,
             dvalues, operation)
    return nothing
end

# The caller's memory for those gradients that nothing has been written to yet; a value that stands twice among the inputs
# has two gradients, and only one of them can go there.
function free_places(gradients::Vector{Gradient}, places::Vector{Ptr{Cvoid}}, indices)
    return [gradients[i].array === nothing && findfirst(==(i), indices) == k ? places[i] : Ptr{Cvoid}(C_NULL)
            for (k, i) in enumerate(indices)]
end

function add_all!(lease, gradients, places, indices, more::Tuple, needs::Tuple, dvalues::Tuple, operation)
    for (k, i) in enumerate(indices)
        (needs[k] && more[k] !== nothing) || continue
        ours = owns_gradients(operation) && !any(d -> overlap(more[k], d), dvalues)
        add!(lease, gradients, i, Gradient(more[k], ours), places[i])
    end
    return nothing
end

"Whether the gradients that an operation makes are new arrays, which nobody else keeps."
owns_gradients(::Any) = true
owns_gradients(::Instance) = false

"The gradient of a value, with zeros where nothing came back."
function whole(pass::Pass, v::Int)
    array = pass.gradients[v].array
    array === nothing || return array
    value = pass.tape.values[v]
    return fill!(lease!(pass.lease, eltype(value), size(value)), zero(eltype(value)))
end

function pullback_of(layer, step::Step, k::Int, pass::Pass, dvalues::Tuple, needs_inputs, needs_parameters)
    tape = pass.tape
    memory = BackwardMemory(pass.lease, free_places(pass.gradients, pass.places, step.inputs),
                            free_places(pass.parameter_gradients, pass.parameter_places, step.parameters))
    return pullback(layer, gather(tape.parameters, step.parameters), gather(tape.values, step.inputs),
                    gather(tape.values, step.outputs), tape.residuals[k], dvalues, needs_inputs, needs_parameters, memory)
end

pullback_of(instance::Instance, step::Step, k::Int, pass::Pass, dvalues::Tuple, needs_inputs, needs_parameters) =
    pull_component(instance.component, step, pass.tape.residuals[k], gather(pass.tape.values, step.inputs),
                   gather(pass.tape.parameters, step.parameters), dvalues, needs_inputs, needs_parameters)

# `place` is where the caller wants the gradient's sum, if it gave memory for it.
function add!(lease::Lease, gradients::Vector{Gradient}, index::Int, more::Gradient, place::Ptr{Cvoid})
    so_far = gradients[index]
    if so_far.array === nothing
        gradients[index] = more
    elseif so_far.ours
        add_to!(so_far.array, more.array)
    else
        sum = place!(lease, place, eltype(more.array), size(more.array))
        copyto!(sum, so_far.array)
        add_to!(sum, more.array)
        gradients[index] = Gradient(sum, true)
    end
    return nothing
end

function add_to!(sum::Array{T,N}, more::Array{T,N}) where {T,N}
    @inbounds @simd for i in eachindex(sum, more)
        sum[i] += more[i]
    end
    return sum
end

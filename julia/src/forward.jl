# Running an island: the steps in order, and what is kept of them for the way back.

"""
What a forward pass leaves for its backward passes. None of it is changed by them: PyTorch may ask twice. `spans` are the
bytes of the caller's tensors, inputs first; `bound` has the size of each axis variable, or −1; `torch` are the tapes of
torch's islands. Layers see `working`, which are copies of the `buffers` where they may be written: a pass that does not come
to its end changes no buffer.
"""
struct StepTape <: Tape
    island::StepIsland
    values::Vector{Any}
    residuals::Vector{Any}
    parameters::Vector{Any}
    buffers::Vector{Any}
    working::Vector{Any}
    spans::Vector{Span}
    bound::Vector{Int}
    lease::Lease
    torch::Vector{TorchTape}
end

released(t::StepTape) = close(t)

"Give a tape's memory back, and other leases; what torch may still refer to waits until Python has let go of its tapes."
function Base.close(t::StepTape, others::Lease...)
    isempty(t.torch) || push!(ENDED, Ended(t.torch, [t.lease, others...]))
    isempty(t.torch) && foreach(close, (t.lease, others...))
    return nothing
end

"The memory of one step on the way forward: the caller's for the outputs that it gives room for, else leased."
struct ForwardMemory <: Memory
    lease::Lease
    values::Vector{Int}
    rooms::Vector{Room}
end

function output!(m::ForwardMemory, k::Int, ::Type{T}, dims::Dims{N}) where {T,N}
    for room in m.rooms
        room.value == m.values[k] || continue
        room.bytes == sizeof(T) * prod(dims) ||
            throw(BridgeError("output $k", "$(room.bytes) bytes", "$(sizeof(T) * prod(dims)), of size $(reverse(dims))"))
        return unsafe_wrap(Array, Ptr{T}(room.data), dims)::Array{T,N}
    end
    return lease!(m.lease, T, dims)::Array{T,N}
end

scratch!(m::ForwardMemory, ::Type{T}, dims::Dims{N}) where {T,N} = lease!(m.lease, T, dims)::Array{T,N}

"Run an island forward and answer its slots; the tape is held under `id`, unless that is 0."
function run_forward(island::StepIsland, mode::Mode, tensors::Descriptors, out::Ptr{Slot}, id::UInt64)
    tick!(island.workspace)
    COUNTS.forwards += 1
    tape = open_tape(island, tensors)
    forward!(tape, given_rooms(island, out), with_tape(mode, id))
    commit_buffers!(tape, mode)
    handover = Handover(tensors, tape.spans, NO_SPANS, length(island.outputs), tape.lease)
    for (k, v) in enumerate(island.outputs)
        with_type(a -> hand_over!(handover, slot(out, k), a), tape.values[v])
    end
    id == 0 ? close(tape) : hold(tape, id)
    return nothing
end

"A tape with nothing on it yet."
function StepTape(island::StepIsland)
    parameters, buffers = length(island.parameters), length(island.buffers)
    return StepTape(island, Vector{Any}(undef, island.values), Vector{Any}(nothing, length(island.steps)),
                    Vector{Any}(undef, parameters), Vector{Any}(undef, buffers), Vector{Any}(undef, buffers),
                    fill(NO_SPAN, number_of_arguments(island)), fill(-1, island.variables), Lease(island.workspace),
                    TorchTape[])
end

"A tape with the caller's tensors on it, checked and made arrays."
function open_tape(island::StepIsland, tensors::Descriptors)
    tape = StepTape(island)
    inputs, bound = length(island.inputs), tape.bound
    for k in 1:inputs
        expected = island.inputs[k]
        expected === nothing || check(expected, tensors[k], bound)
        tape.values[k] = wrap(tensors[k])
        tape.spans[k] = count_bytes(Span(tensors[k]))
    end
    for j in 1:length(island.parameters)
        t = tensors[inputs + j]
        tape.parameters[j] = current(island.parameters[j], island.parameters[j].array, t)
        tape.spans[inputs + j] = count_bytes(Span(t))
    end
    first = inputs + length(island.parameters)
    for b in 1:length(island.buffers)
        tape.buffers[b] = current(island.buffers[b], nothing, tensors[first + b])
        tape.spans[first + b] = count_bytes(Span(tensors[first + b]))
    end
    return tape
end

"A tape with arrays of Julia's own on it, which have been checked."
function open_tape(island::StepIsland, inputs::Vector{Array}, parameters::Vector{Array}, buffers::Vector{Array})
    tape = StepTape(island)
    copyto!(tape.values, inputs)
    copyto!(tape.parameters, parameters)
    copyto!(tape.buffers, buffers)
    for (expected, array) in zip(island.inputs, inputs)
        expected === nothing || check(expected, array, tape.bound) # binds axis variables
    end
    return tape
end

"""
    forward!(tape, rooms, mode)

Run every step of the tape's island. `rooms` is the memory that the caller gives for values. Buffers change by
`commit_buffers!`.
"""
function forward!(tape::StepTape, rooms::Vector{Room}, mode::Mode)
    steps = tape.island.steps
    written = !isempty(tape.buffers) && (is_train(mode) || any(step -> step.mode == TRAIN, steps))
    for (b, buffer) in enumerate(tape.buffers)
        tape.working[b] = written ? copyto!(lease!(tape.lease, eltype(buffer), size(buffer)), buffer) : buffer
    end
    k = 0
    try
        while k < length(steps)
            k += 1
            checkpoint()
            tape.residuals[k] = run!(steps[k].operation, steps[k], tape, rooms, mode)
        end
    catch e
        close(tape)
        rethrow_at(steps[k], e, catch_backtrace())
    end
    return nothing
end

"Let the buffers have what the layers wrote: those of components in train mode that are not frozen."
function commit_buffers!(tape::StepTape, mode::Mode)
    is_train(mode) || return nothing
    for (b, follows) in enumerate(tape.island.follows)
        follows && copyto!(tape.buffers[b], tape.working[b])
    end
    return nothing
end

# Keeps the backtrace of where the user's code threw; our own refusals and interrupts name themselves.
function rethrow_at(step::Step, e, backtrace)
    e isa Union{Interrupted,Unsupported} && throw(e)
    e isa InterruptException && throw(Interrupted())
    step.operation isa TorchIsland && e isa Union{BridgeError,PythonError} && throw(e) # names the arrow itself
    throw(ElementError(step.arrow, e, backtrace))
end

"The values at some places, as a tuple."
function gather(values::Vector, places::AbstractVector{Int})
    n = length(places)
    n == 1 && return (values[places[1]],)
    n == 2 && return (values[places[1]], values[places[2]])
    return ntuple(i -> values[places[i]], n)
end

function run!(layer, step::Step, tape::StepTape, rooms::Vector{Room}, mode::Mode)
    memory = ForwardMemory(tape.lease, step.outputs, rooms)
    variables = gather(tape.parameters, step.parameters)
    isempty(step.buffers) || (variables = (variables..., gather(tape.working, step.buffers)...))
    outputs, residual = forward(layer, variables, gather(tape.values, step.inputs), memory, layer_mode(step, mode))
    for (k, output) in enumerate(outputs)
        tape.values[step.outputs[k]] = output
    end
    return residual
end

layer_mode(step::Step, mode::Mode) =
    LayerMode(is_train(step, mode), mode.seed, mode.application + UInt64(step.application), step.layer)

function run!(::Detach, step::Step, tape::StepTape, ::Vector{Room}, ::Mode)
    tape.values[step.outputs[1]] = tape.values[step.inputs[1]]
    return nothing
end

function run!(instance::Instance, step::Step, tape::StepTape, ::Vector{Room}, mode::Mode)
    inputs = gather(tape.values, step.inputs)
    own = mode_of(step, mode, any(v -> tape.island.places.learns[v], step.inputs))
    outputs, residual = is_empty_batch(inputs) ? nothing_from(step, tape.bound) :
                        run_component(instance, instance.component, step, inputs, own, tape.bound)
    for (k, output) in enumerate(outputs)
        tape.values[step.outputs[k]] = output
    end
    return residual
end

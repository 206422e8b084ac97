# Running an island: the steps in order, and what is kept of them for the way back.

"""
What a forward pass leaves for its backward passes. None of it is changed by them: PyTorch may ask twice. `spans` are the
bytes of the caller's tensors, inputs first; `bound` has the size of each axis variable, or −1.
"""
struct Tape
    island::Island
    values::Vector{Any}
    residuals::Vector{Any}
    parameters::Vector{Any}
    spans::Vector{Span}
    bound::Vector{Int}
    lease::Lease
end

released(t::Tape) = close(t.lease)

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

"""
    forward!(tape, rooms, mode)

Run every step of the tape's island. `rooms` is the memory that the caller gives for values.
"""
function forward!(tape::Tape, rooms::Vector{Room}, mode::Mode)
    steps = tape.island.steps
    k = 0
    try
        while k < length(steps)
            k += 1
            checkpoint()
            tape.residuals[k] = run!(steps[k].operation, steps[k], tape, rooms, mode)
        end
    catch e
        close(tape.lease)
        rethrow_at(steps[k], e, catch_backtrace())
    end
    return nothing
end

# Keeps the backtrace of where the user's code threw; our own refusals and interrupts name themselves.
function rethrow_at(step::Step, e, backtrace)
    e isa Union{Interrupted,Unsupported} && throw(e)
    e isa InterruptException && throw(Interrupted())
    throw(ElementError(step.arrow, e, backtrace))
end

"The values at some places, as a tuple."
function gather(values::Vector, places::AbstractVector{Int})
    n = length(places)
    n == 1 && return (values[places[1]],)
    n == 2 && return (values[places[1]], values[places[2]])
    return ntuple(i -> values[places[i]], n)
end

is_train(step::Step, mode::Mode) = step.mode == FOLLOW ? is_train(mode) : step.mode == TRAIN

function run!(layer, step::Step, tape::Tape, rooms::Vector{Room}, mode::Mode)
    memory = ForwardMemory(tape.lease, step.outputs, rooms)
    outputs, residual = forward(layer, gather(tape.parameters, step.parameters), gather(tape.values, step.inputs), memory,
                                is_train(step, mode))
    for (k, output) in enumerate(outputs)
        tape.values[step.outputs[k]] = output
    end
    return residual
end

function run!(::Detach, step::Step, tape::Tape, ::Vector{Room}, ::Mode)
    tape.values[step.outputs[1]] = tape.values[step.inputs[1]]
    return nothing
end

function run!(instance::Instance, step::Step, tape::Tape, ::Vector{Room}, mode::Mode)
    inputs = gather(tape.values, step.inputs)
    batch = isempty(inputs) ? 1 : last_size(inputs[1])
    batch == 0 && return nothing_from!(step, tape)
    own = mode_of(step, mode, tape.island.places)
    result = step.mode == FOLLOW ? evaluate(instance.component, inputs, own) :
             with_constant(() -> evaluate(instance.component, inputs, own), instance.buffers)
    unwind()
    outputs, residual = outputs_and_residual(step, result)
    length(outputs) == length(step.outputs) ||
        throw(BridgeError(step.arrow, "$(length(step.outputs)) outputs from forward", "$(length(outputs))"))
    for k in 1:length(outputs)
        output = isempty(inputs) ? as_batch(outputs[k]) : outputs[k]
        tape.values[step.outputs[k]] = check_output(step.expected[k], output, batch, tape.bound)
    end
    return residual
end

"The mode of one application: its own train mode and number, and whether its own inputs are constants."
function mode_of(step::Step, mode::Mode, places::Places)
    flags = is_train(step, mode) ? mode.flags | TRAIN_FLAG : mode.flags & ~TRAIN_FLAG
    any(v -> places.learns[v], step.inputs) && (flags &= ~CONSTANT_FLAG)
    return Mode(flags, mode.pad, mode.seed, mode.application + UInt64(step.application))
end

# By dispatch, which is cached: asking `isa Tuple{Tuple,Any}` walks through the types each time.
outputs_and_residual(::Step, result::Tuple{Tuple,Any}) = result
outputs_and_residual(step::Step, result) =
    throw(BridgeError(step.arrow, "forward to return (outputs::Tuple, residual)", "a $(typeof(result))"))

"The residual of a component that was not run, since the batch was empty."
struct NotRun end

# A component of the user's need not bear an empty batch, and what it would do to its buffers means nothing.
function nothing_from!(step::Step, tape::Tape)
    for (v, e) in zip(step.outputs, step.expected)
        sizes = [n >= 0 ? n : max(tape.bound[-n], 1) for n in e.sizes]
        tape.values[v] = Array{e.type}(undef, sizes..., 0)
    end
    return NotRun()
end

"Call `f` and put the arrays' contents back: a frozen component's buffers never change."
function with_constant(f, arrays::Vector{Array})
    contents = map(copy, arrays)
    try
        return f()
    finally
        foreach(copyto!, arrays, contents)
    end
end

last_size(a::Array{T,N}) where {T,N} = size(a, N)

# A component without inputs returns a sample: a batch of one.
as_batch(sample::AbstractArray) = reshape(sample, (size(sample)..., 1))
as_batch(other) = other

function check_output(e::Expectation, output::Array, batch::Int, bound::Vector{Int})
    ndims(output) == length(e.sizes) + 1 && last_size(output) == batch ||
        throw(BridgeError(e.element, "$(describe(e, bound)), batch $batch", summary(output)))
    check(e, output, bound)
    return output
end
check_output(e::Expectation, output::AbstractArray, batch::Int, bound::Vector{Int}) =
    check_output(e, counted_copy(output), batch, bound)
check_output(e::Expectation, output, ::Int, bound::Vector{Int}) =
    throw(BridgeError(e.element, describe(e, bound), summary(output)))

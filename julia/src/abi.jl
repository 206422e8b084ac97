# The vtable of an island as C functions, and the control function (docs/abi.md).

const OK = Int32(0x0B51)
const ERROR = Int32(0x0B52)
const INTERRUPTED = Int32(0x0B53)
const UNSUPPORTED = Int32(0x0B54)

# C functions of Python's and torch's, by address; set by the handshake.
const TUPLE_ITEM = Ref{Ptr{Cvoid}}(C_NULL)
const TENSOR_FROM_OBJECT = Ref{Ptr{Cvoid}}(C_NULL)
const NONE = Ref{Ptr{Cvoid}}(C_NULL)
const CLEAR_ERROR = Ref{Ptr{Cvoid}}(C_NULL)

# No exception leaves a callback, and code defined after the pointer was made is seen. The arguments travel as one tuple:
# each one by itself would be boxed on its way through `invokelatest`.
function guarded(f::F, arguments::Tuple) where {F}
    INTERRUPTION[] = false
    try
        Base.invokelatest(f, arguments)
        return OK
    catch e
        return status_of(e, catch_backtrace())
    end
end

function status_of(e, backtrace)
    e isa Interrupted && return INTERRUPTED
    e isa Unsupported && return UNSUPPORTED
    record_failure(e, backtrace)
    return ERROR
end

load_tensors(n::Integer, tensors::Ptr{DLTensor}) = DLTensor[unsafe_load(tensors, i) for i in 1:n]

"""
The descriptors of a Python tuple of tensors, through torch's DLPack exchange functions; `None` has `ndim` −1.
"""
function describe_objects(tuple::Ptr{Cvoid}, n::Integer)
    tensors = Vector{DLTensor}(undef, n)
    for i in 1:n
        object = ccall(TUPLE_ITEM[], Ptr{Cvoid}, (Ptr{Cvoid}, Int), tuple, i - 1)
        object == C_NULL && throw_refused() # a shorter tuple
        if object == NONE[]
            tensors[i] = NO_TENSOR
        else
            status = ccall(TENSOR_FROM_OBJECT[], Cint, (Ptr{Cvoid}, Ptr{DLTensor}), object, pointer(tensors, i))
            status == 0 || throw_refused()
        end
    end
    return tensors
end

# Python's exception is dropped: the caller finds out what is wrong, and one that is set means a signal's handler raised it.
function throw_refused()
    CLEAR_ERROR[] == C_NULL || ccall(CLEAR_ERROR[], Cvoid, ())
    throw(Unsupported())
end

const NO_TENSOR = DLTensor(C_NULL, CPU, Int32(0), Int32(-1), UInt8(0), UInt8(0), UInt16(1), C_NULL, C_NULL, UInt64(0))

function run_forward(self::UInt64, mode::Mode, tensors::Vector{DLTensor}, n_out::Int, out::Ptr{Slot}, tape_out::Ptr{UInt64})
    island = held(Island, self)
    tick!(island.workspace)
    COUNTS.forwards += 1
    tape = open_tape(island, tensors)
    forward!(tape, given_rooms(island, n_out, out), mode)
    handover = Handover(tensors, tape.spans, Span[], tape.lease)
    for (k, v) in enumerate(island.outputs)
        with_type(a -> hand_over!(handover, slot(out, k), a), tape.values[v])
    end
    if tape_out == C_NULL || !wants_tape(mode)
        close(tape.lease)
    else
        unsafe_store!(tape_out, hold(tape))
    end
    return nothing
end

"A tape with nothing on it yet: the caller's tensors checked and made arrays."
function open_tape(island::Island, tensors::Vector{DLTensor})
    inputs, parameters = length(island.inputs), length(island.parameters)
    length(tensors) == inputs + parameters ||
        throw(BridgeError("island", "$inputs inputs and $parameters parameters", "$(length(tensors)) tensors"))
    bound = fill(-1, island.variables)
    tape = Tape(island, Vector{Any}(undef, island.values), Vector{Any}(nothing, length(island.steps)),
                Vector{Any}(undef, parameters), Vector{Span}(undef, length(tensors)), bound, Lease(island.workspace))
    for k in 1:inputs
        expected = island.inputs[k]
        expected === nothing || check(expected, tensors[k], bound)
        tape.values[k] = wrap(tensors[k])
        tape.spans[k] = count_bytes(Span(tensors[k]))
    end
    for j in 1:parameters
        t = tensors[inputs + j]
        tape.parameters[j] = current(island.parameters[j], t)
        tape.spans[inputs + j] = count_bytes(Span(t))
    end
    return tape
end

function run_backward(tape_id::UInt64, tensors::Vector{DLTensor}, n_in::Int, din::Ptr{Slot}, needs::Ptr{UInt8})
    tape = held(Tape, tape_id)
    COUNTS.backwards += 1
    doutputs, spans = Vector{Any}(nothing, length(tensors)), fill(NO_SPAN, length(tensors))
    for (k, t) in enumerate(tensors)
        t.ndim < 0 && continue
        doutputs[k] = wrap(t)
        spans[k] = count_bytes(Span(t))
    end
    needed = Bool[unsafe_load(needs, i) != 0 for i in 1:n_in]
    places = Ptr{Cvoid}[needed[i] ? given_place(slot(din, i), tape.spans[i]) : C_NULL for i in 1:n_in]
    lease = Lease(tape.island.workspace)
    try
        gradients = backward!(tape, doutputs, needed, places, lease)
        handover = Handover(tensors, spans, tape.spans, lease)
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

c_forward(self::UInt64, mode::Ptr{Mode}, n_in::Int, in::Ptr{DLTensor}, n_out::Int, out::Ptr{Slot}, tape::Ptr{UInt64})::Int32 =
    guarded(forward_descriptors, (self, mode, n_in, in, n_out, out, tape))
c_backward(self::UInt64, tape::UInt64, n_out::Int, dout::Ptr{DLTensor}, n_in::Int, din::Ptr{Slot}, needs::Ptr{UInt8})::Int32 =
    guarded(backward_descriptors, (tape, n_out, dout, n_in, din, needs))

forward_descriptors((self, mode, n_in, in, n_out, out, tape)::Tuple) =
    run_forward(self, unsafe_load(mode), load_tensors(n_in, in), n_out, out, tape)
backward_descriptors((tape, n_out, dout, n_in, din, needs)::Tuple) =
    run_backward(tape, load_tensors(n_out, dout), n_in, din, needs)

# The same for a caller in Python, in three arguments: `frame` is its memory for one call (mode, tape, an id to release
# first, slots), the tensors are a tuple.
c_forward_frame(self::UInt64, frame::Ptr{UInt8}, tensors::Ptr{Cvoid})::Int32 = guarded(forward_frame, (self, frame, tensors))
c_backward_frame(self::UInt64, frame::Ptr{UInt8}, gradients::Ptr{Cvoid}, needs::Ptr{UInt8})::Int32 =
    guarded(backward_frame, (self, frame, gradients, needs))

const TAPE_OFFSET, RELEASE_OFFSET, SLOTS_OFFSET = sizeof(Mode), sizeof(Mode) + 8, sizeof(Mode) + 16

function forward_frame((self, frame, tensors)::Tuple)
    release(unsafe_load(Ptr{UInt64}(frame + RELEASE_OFFSET)))
    island = held(Island, self)
    described = describe_objects(tensors, length(island.inputs) + length(island.parameters))
    return run_forward(self, unsafe_load(Ptr{Mode}(frame)), described, length(island.outputs),
                       Ptr{Slot}(frame + SLOTS_OFFSET), Ptr{UInt64}(frame + TAPE_OFFSET))
end

function backward_frame((self, frame, gradients, needs)::Tuple)
    island = held(Island, self)
    described = describe_objects(gradients, length(island.outputs))
    return run_backward(unsafe_load(Ptr{UInt64}(frame + TAPE_OFFSET)), described,
                        length(island.inputs) + length(island.parameters), Ptr{Slot}(frame + SLOTS_OFFSET), needs)
end

release_one((id,)::Tuple{UInt64}) = release(id)

c_release(id::UInt64)::Int32 = guarded(release_one, (id,))

# The last answer is kept until the next request: the caller copies it.
const ANSWER = Ref{Vector{UInt8}}(UInt8[])

c_control(request::Ptr{UInt8}, length::Int, response::Ptr{Ptr{UInt8}}, response_length::Ptr{Int})::Int32 =
    guarded(answer_request, (request, length, response, response_length))

function answer_request((request, length, response, response_length)::Tuple)
    bytes = copy(unsafe_wrap(Array, request, length))
    answer = try
        control(Wire.decode(Schema.Request, bytes))
    catch e
        e isa Interrupted && rethrow()
        Schema.Response(failure = record_failure(e, catch_backtrace()))
    end
    ANSWER[] = Wire.encode(answer)
    unsafe_store!(response, pointer(ANSWER[]))
    unsafe_store!(response_length, Base.length(ANSWER[]))
    return nothing
end

"""
    vtable() -> NTuple{6,Ptr{Cvoid}}

The addresses of control, forward, backward, release, and of forward and backward for a caller in Python, which take a
frame and a tuple of tensors.
"""
function vtable()
    return (@cfunction(c_control, Int32, (Ptr{UInt8}, Int64, Ptr{Ptr{UInt8}}, Ptr{Int64})),
            @cfunction(c_forward, Int32, (UInt64, Ptr{Mode}, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt64})),
            @cfunction(c_backward, Int32, (UInt64, UInt64, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt8})),
            @cfunction(c_release, Int32, (UInt64,)),
            @cfunction(c_forward_frame, Int32, (UInt64, Ptr{UInt8}, Ptr{Cvoid})),
            @cfunction(c_backward_frame, Int32, (UInt64, Ptr{UInt8}, Ptr{Cvoid}, Ptr{UInt8})))
end

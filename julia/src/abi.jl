# The vtable of an island as C functions, and the control function (docs/abi.md).

const OK = Int32(0x0B51)
const ERROR = Int32(0x0B52)
const INTERRUPTED = Int32(0x0B53)
const UNSUPPORTED = Int32(0x0B54)

const TRAIN_FLAG = UInt32(1)
const GRAD_FLAG = UInt32(2)

# C functions of Python's and torch's, by address; set by the handshake.
const TUPLE_ITEM = Ref{Ptr{Cvoid}}(C_NULL)
const TENSOR_FROM_OBJECT = Ref{Ptr{Cvoid}}(C_NULL)
const NONE = Ref{Ptr{Cvoid}}(C_NULL)

# No exception leaves a callback, and code defined after the pointer was made is seen.
function guarded(f::F, arguments::Vararg{Any,N}) where {F,N}
    try
        Base.invokelatest(f, arguments...)
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
The descriptors of a Python tuple of tensors, through torch's DLPack exchange functions; `None` has `ndim` −1. A tensor
that they refuse leaves a Python exception set, which the caller reads together with UNSUPPORTED.
"""
function describe_objects(tuple::Ptr{Cvoid}, n::Integer)
    tensors = Vector{DLTensor}(undef, n)
    for i in 1:n
        object = ccall(TUPLE_ITEM[], Ptr{Cvoid}, (Ptr{Cvoid}, Int), tuple, i - 1)
        if object == NONE[]
            tensors[i] = NO_TENSOR
        else
            status = ccall(TENSOR_FROM_OBJECT[], Cint, (Ptr{Cvoid}, Ptr{DLTensor}), object, pointer(tensors, i))
            status == 0 || throw(Unsupported())
        end
    end
    return tensors
end

const NO_TENSOR = DLTensor(C_NULL, CPU, Int32(0), Int32(-1), UInt8(0), UInt8(0), UInt16(1), C_NULL, C_NULL, UInt64(0))

function run_forward(self::UInt64, mode::Mode, tensors::Vector{DLTensor}, n_out::Int, out::Ptr{Slot}, tape_out::Ptr{UInt64})
    island = held(Island, self)
    tick!(island.workspace)
    COUNTS.forwards += 1
    tape = open_tape(island, tensors)
    forward!(tape, given_rooms(island, n_out, out), mode.flags & TRAIN_FLAG != 0)
    handover = Handover(tape.spans, Span[], tape.lease)
    for (k, v) in enumerate(island.outputs)
        hand_over!(handover, slot(out, k), tape.values[v])
    end
    if tape_out == C_NULL || mode.flags & GRAD_FLAG == 0
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
    tape = Tape(island, Vector{Any}(undef, island.values), Vector{Any}(nothing, length(island.steps)),
                Vector{Any}(undef, parameters), Vector{Span}(undef, length(tensors)), Lease(island.workspace))
    bound = fill(-1, island.variables)
    for k in 1:inputs
        array = wrap(tensors[k])
        expected = island.inputs[k]
        expected === nothing || check(expected, array, bound)
        tape.values[k] = array
        tape.spans[k] = count_bytes(Span(array))
    end
    for j in 1:parameters
        array = wrap(tensors[inputs + j])
        tape.parameters[j] = current(island.parameters[j], array)
        tape.spans[inputs + j] = count_bytes(Span(array))
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
        spans[k] = count_bytes(Span(doutputs[k]))
    end
    needed = Bool[unsafe_load(needs, i) != 0 for i in 1:n_in]
    places = Ptr{Cvoid}[unsafe_load(Ptr{DLTensor}(slot(din, i))).data for i in 1:n_in]
    lease = Lease(tape.island.workspace)
    try
        gradients = backward!(tape, doutputs, needed, places, lease)
        handover = Handover(spans, tape.spans, lease)
        for (i, gradient) in enumerate(gradients)
            hand_over!(handover, slot(din, i), needed[i] ? gradient.array : nothing)
        end
    finally
        close(lease)
    end
    return nothing
end

c_forward(self::UInt64, mode::Ptr{Mode}, n_in::Int, in::Ptr{DLTensor}, n_out::Int, out::Ptr{Slot}, tape::Ptr{UInt64})::Int32 =
    guarded(forward_descriptors, self, mode, n_in, in, n_out, out, tape)
c_backward(self::UInt64, tape::UInt64, n_out::Int, dout::Ptr{DLTensor}, n_in::Int, din::Ptr{Slot}, needs::Ptr{UInt8})::Int32 =
    guarded(backward_descriptors, tape, n_out, dout, n_in, din, needs)
c_forward_objects(self::UInt64, mode::Ptr{Mode}, n_in::Int, in::Ptr{Cvoid}, n_out::Int, out::Ptr{Slot}, tape::Ptr{UInt64})::Int32 =
    guarded(forward_objects, self, mode, n_in, in, n_out, out, tape)
c_backward_objects(self::UInt64, tape::UInt64, n_out::Int, dout::Ptr{Cvoid}, n_in::Int, din::Ptr{Slot}, needs::Ptr{UInt8})::Int32 =
    guarded(backward_objects, tape, n_out, dout, n_in, din, needs)

forward_descriptors(self, mode, n_in, in, n_out, out, tape) =
    run_forward(self, unsafe_load(mode), load_tensors(n_in, in), n_out, out, tape)
forward_objects(self, mode, n_in, in, n_out, out, tape) =
    run_forward(self, unsafe_load(mode), describe_objects(in, n_in), n_out, out, tape)
backward_descriptors(tape, n_out, dout, n_in, din, needs) = run_backward(tape, load_tensors(n_out, dout), n_in, din, needs)
backward_objects(tape, n_out, dout, n_in, din, needs) = run_backward(tape, describe_objects(dout, n_out), n_in, din, needs)

c_release(id::UInt64)::Int32 = guarded(release, id)

# The last answer is kept until the next request: the caller copies it.
const ANSWER = Ref{Vector{UInt8}}(UInt8[])

c_control(request::Ptr{UInt8}, length::Int, response::Ptr{Ptr{UInt8}}, response_length::Ptr{Int})::Int32 =
    guarded(answer_request, request, length, response, response_length)

function answer_request(request::Ptr{UInt8}, length::Int, response::Ptr{Ptr{UInt8}}, response_length::Ptr{Int})
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

The addresses of control, forward, backward, release, and of forward and backward that take a Python tuple of tensors in
place of descriptors.
"""
function vtable()
    return (@cfunction(c_control, Int32, (Ptr{UInt8}, Int64, Ptr{Ptr{UInt8}}, Ptr{Int64})),
            @cfunction(c_forward, Int32, (UInt64, Ptr{Mode}, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt64})),
            @cfunction(c_backward, Int32, (UInt64, UInt64, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt8})),
            @cfunction(c_release, Int32, (UInt64,)),
            @cfunction(c_forward_objects, Int32, (UInt64, Ptr{Mode}, Int64, Ptr{Cvoid}, Int64, Ptr{Slot}, Ptr{UInt64})),
            @cfunction(c_backward_objects, Int32, (UInt64, UInt64, Int64, Ptr{Cvoid}, Int64, Ptr{Slot}, Ptr{UInt8})))
end

# The vtable of an island as C functions, and the control function (docs/abi.md).

const OK = Int32(0x0B51)
const ERROR = Int32(0x0B52)
const INTERRUPTED = Int32(0x0B53)
const UNSUPPORTED = Int32(0x0B54)
const BUSY = Int32(0x0B55)

"What the two sides compare when they shake hands."
structure_sizes() = (abi_version = ABI_VERSION, descriptor_size = UInt32(sizeof(DLTensor)),
                     mode_size = UInt32(sizeof(Mode)), slot_size = UInt32(sizeof(Slot)))

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

c_forward(self::UInt64, mode::Ptr{Mode}, n_in::Int, in::Ptr{DLTensor}, n_out::Int, out::Ptr{Slot}, tape::UInt64)::Int32 =
    guarded(forward_descriptors, (self, mode, n_in, in, n_out, out, tape))
c_backward(::UInt64, tape::UInt64, n_out::Int, dout::Ptr{DLTensor}, n_in::Int, din::Ptr{Slot}, needs::Ptr{UInt8})::Int32 =
    guarded(backward_descriptors, (tape, n_out, dout, n_in, din, needs))

function forward_descriptors((self, mode, n_in, in, n_out, out, tape)::Tuple)
    island = held(Island, self)
    check_count("tensors", number_of_arguments(island), n_in)
    check_count("outputs", length(island.outputs), n_out)
    return run_forward(island, unsafe_load(mode), Descriptors(in, n_in), out, tape)
end

function backward_descriptors((id, n_out, dout, n_in, din, needs)::Tuple)
    tape = held(Tape, id)
    check_count("gradients", length(tape.island.outputs), n_out)
    check_count("inputs and parameters", number_of_arguments(tape.island), n_in)
    return run_backward(tape, Descriptors(dout, n_out), din, needs)
end

check_count(what::String, expected::Int, found::Int) =
    expected == found || throw(BridgeError("island", "$expected $what", "$found"))

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

# Torch's islands, which Python runs: the vtable that it hands in (bridge/julia/vtable.py), and what it answers.

"Addresses of Python's C functions; null where there is no Python."
mutable struct TorchFunctions
    control::Ptr{Cvoid}
    forward::Ptr{Cvoid}
    backward::Ptr{Cvoid}
    release::Ptr{Cvoid}
    holds_gil::Ptr{Cvoid}
end

const TORCH_FUNCTIONS = TorchFunctions(C_NULL, C_NULL, C_NULL, C_NULL, C_NULL)

const TORCH_SYMBOLS = ("torch.control", "torch.forward", "torch.backward", "torch.release", "PyGILState_Check")

has_torch() = TORCH_FUNCTIONS.control != C_NULL

# Where Julia started first, what gives the addresses that else a handshake brings: the extension for PythonCall sets it.
const FIND_TORCH = Ref{Any}(nothing)

"Whether torch can be called. A Python that PythonCall runs is asked for its vtable when it is first needed."
function reach_torch!()
    (has_torch() || FIND_TORCH[] === nothing) && return has_torch()
    addresses = Base.invokelatest(FIND_TORCH[])::Dict{String,UInt64}
    use_blas!(addresses)
    use_threads!(addresses)
    use_torch!(addresses)
    return true
end

"Take Python's vtable, by the names of `TORCH_SYMBOLS`, and compare what both sides think of the structures."
function use_torch!(addresses::Dict{String,UInt64})
    for (name, field) in zip(TORCH_SYMBOLS, fieldnames(TorchFunctions))
        setfield!(TORCH_FUNCTIONS, field, Ptr{Cvoid}(get(addresses, name, UInt64(0))))
    end
    has_torch() || return nothing
    try
        ask_torch(Schema.Request(hello = Schema.Hello(; structure_sizes()...)))
    catch
        TORCH_FUNCTIONS.control = C_NULL
        rethrow()
    end
    return nothing
end

"What Python's control function answers; a failure that it reports is thrown."
function ask_torch(request::Schema.Request)
    answer = torch_answer(request)
    answer.failure === nothing || throw(torch_failure(answer.failure))
    return answer
end

function torch_answer(request::Schema.Request)
    check_gil()
    bytes = encode(request)
    response, length = Ref{Ptr{UInt8}}(C_NULL), Ref{Int64}(0)
    status = GC.@preserve bytes ccall(TORCH_FUNCTIONS.control, Int32, (Ptr{UInt8}, Int64, Ptr{Ptr{UInt8}}, Ptr{Int64}),
                                      pointer(bytes), Base.length(bytes), response, length)
    status == OK || throw(escaped())
    return decode(Schema.Response, copy(unsafe_wrap(Array, response[], length[])))
end

"Throw what stands behind a status that is not OK."
function check_torch(status::Int32)
    status == OK && return nothing
    status == ERROR || throw(escaped())
    throw(torch_failure(torch_answer(Schema.Request(last_error = Schema.LastError())).failure::Schema.Failure))
end

# Only the exception of a signal's handler can strike outside of the lines that keep exceptions. Python raises it again.
function escaped()
    INTERRUPTION[] = true
    return Interrupted()
end

"A failure in Python as an exception here; Python raises its own again where it drives."
function torch_failure(f::Schema.Failure)
    f.kind == "KeyboardInterrupt" && (INTERRUPTION[] = true) # code of the user's may catch it
    e = f.kind == "BridgeError" ? BridgeError(f.element, f.expected, f.found) : PythonError(f.kind, f.message, f.stacktrace)
    PYTHON_FAILURE[] = (e, f.exception)
    return e
end

holds_gil() = TORCH_FUNCTIONS.holds_gil != C_NULL && ccall(TORCH_FUNCTIONS.holds_gil, Cint, ()) == 1

# Waiting for Python's lock would freeze a process whose other thread holds it and waits for this one.
function check_gil()
    holds_gil() && return nothing
    throw(BridgeError("a torch component", "a call from the thread that holds Python's lock",
                      "one from thread $(Threads.threadid())"))
end

"Call torch's forward; other threads of Julia's may collect garbage meanwhile."
function call_forward(island::UInt64, mode::Ref{Mode}, given::Vector{DLTensor}, out::Vector{Slot}, tape::UInt64)
    check_gil()
    GC.@preserve mode given out begin
        at = Base.unsafe_convert(Ptr{Mode}, mode)
        state = enter_torch()
        status = ccall(TORCH_FUNCTIONS.forward, Int32, (UInt64, Ptr{Mode}, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, UInt64),
                       island, at, length(given), pointer(given), length(out), pointer(out), tape)
        leave_torch(state)
    end
    return check_torch(status)
end

"Call torch's backward, likewise."
function call_backward(
    island::UInt64, tape::UInt64, dout::Vector{DLTensor}, din::Vector{Slot}, needs::Vector{UInt8},
)
    check_gil()
    GC.@preserve dout din needs begin
        state = enter_torch()
        status = ccall(TORCH_FUNCTIONS.backward, Int32,
                       (UInt64, UInt64, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt8}),
                       island, tape, length(dout), pointer(dout), length(din), pointer(din), pointer(needs))
        leave_torch(state)
    end
    return check_torch(status)
end

"Let go of something of Python's; false if it is a tape whose memory is still in use."
function call_release(id::UInt64)
    status = ccall(TORCH_FUNCTIONS.release, Int32, (UInt64,), id)
    status == BUSY && return false
    check_torch(status)
    return true
end

# A thread that is in a C function for long would have the others wait for it before each collection. Code that is called
# back enters Julia again by itself, from 1.9 on.
enter_torch() = MEETS_THREADS && Threads.nthreads() > 1 ? ccall(:jl_gc_safe_enter, Int8, ()) : Int8(-1)
leave_torch(state::Int8) = state == -1 || ccall(:jl_gc_safe_leave, Cvoid, (Int8,), state)

# Errors that cross to the caller, and the interrupt that unwinds a long computation.

"""
    BridgeError(element, expected, found, kind = "")

A refusal: the element it is about, what was expected of it and what was found. `kind` is a short stable word for the rule
that was broken, the same in Python: of a diagram one of those in bridge/diagram/messages.py, of a file "file", of a
placement "binding".
"""
struct BridgeError <: Exception
    element::String
    expected::String
    found::String
    kind::String
end

BridgeError(element, expected, found) = BridgeError(element, expected, found, "")

Base.showerror(io::IO, e::BridgeError) = print(io, e.element, ": expected ", e.expected, ", found ", e.found)

"Python has a signal to handle (Ctrl-C, as a rule): the call unwinds and Python raises."
struct Interrupted <: Exception end

"Tensors that can't be taken as they are; the caller mends them or refuses them by name."
struct Unsupported <: Exception end

"An error together with the arrow in which it was thrown; `cause` keeps its own backtrace."
struct ElementError <: Exception
    element::String
    cause::Any
    backtrace::Vector
end

Base.showerror(io::IO, e::ElementError) = (print(io, e.element, ": "); showerror(io, e.cause, e.backtrace))

"""
    PythonError

An exception that Python code raised: the name of its type, its text and Python's traceback.
"""
struct PythonError <: Exception
    kind::String
    message::String
    traceback::String
end

Base.showerror(io::IO, e::PythonError) = print(io, e.kind, " in Python: ", e.message, "\n", rstrip(e.traceback))

# The last failure in Python, as an exception here, and the number under which Python keeps its own to raise it again.
const PYTHON_FAILURE = Ref{Tuple{Any,UInt64}}((nothing, UInt64(0)))

# Whether an `Interrupted` has been thrown in this call: code of the user's may have caught it.
const INTERRUPTION = Ref(false)

"""
    checkpoint()

Let Ctrl-C through. A component that computes for long calls this now and then, from the thread that Python called:
if Python has received a signal the computation unwinds, and `KeyboardInterrupt` is raised there.
Without Python in the process, and without its lock, it does nothing.
"""
function checkpoint()
    PYTHON.check_signals != C_NULL && holds_gil() || return nothing
    ccall(PYTHON.check_signals, Cint, ()) == 0 && return nothing
    INTERRUPTION[] = true
    throw(Interrupted())
end

"Go on unwinding where code of the user's caught the interrupt."
unwind() = INTERRUPTION[] ? throw(Interrupted()) : nothing

# The failure behind the last status ERROR, kept whole until it is asked for.
const LAST_FAILURE = Ref{Union{Schema.Failure,Nothing}}(nothing)

"Describe an exception with its backtrace as a `Failure` message, and keep it as the last one."
function record_failure(exception, backtrace)
    element = ""
    if exception isa ElementError
        element, exception, backtrace = exception.element, exception.cause, exception.backtrace
    end
    last = failure(exception, element, strip(printed(show_backtrace, backtrace)))
    of_python, number = PYTHON_FAILURE[]
    of_python === exception && (last.exception = number)
    return LAST_FAILURE[] = last
end

failure(e, element, trace) = Schema.Failure(kind = string(nameof(typeof(e))), message = printed(showerror, e),
                                            stacktrace = trace, element = element)
failure(e::Union{BridgeError,WireError}, ::Any, trace) =
    Schema.Failure(kind = "BridgeError", stacktrace = trace, element = e.element, expected = e.expected, found = e.found)

# An exception's own printing may throw.
function printed(show, object)
    return try
        Base.invokelatest(sprint, show, object)
    catch
        "(it could not be printed)"
    end
end

show_backtrace(io::IO, backtrace) = Base.show_backtrace(io, VERSION < v"1.9" ? filter(in_julia, backtrace) : backtrace)

# Looking up the C frames of a process that Julia was not built for makes the LLVM of old releases complain about Python's
# debug information; they would not be shown anyway.
function in_julia(address::Ptr{Cvoid})
    frames = ccall(:jl_lookup_code_address, Any, (Ptr{Cvoid}, Cint), address - 1, true)
    return any(frame -> !frame[5], frames) # the fifth field: from C
end
in_julia(::Any) = true

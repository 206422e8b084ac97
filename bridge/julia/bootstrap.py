"""The few lines of Julia that every session starts with: code in, an answer or an exception with its trace out.

`DiagramBridgeStart.entry` is a C function pointer, so that it is called the same way however Julia was started.
It runs in the newest world (`Base.invokelatest`), lets no exception out, and its answers stay alive in `kept` until the
next call. What it writes to `out`, in machine words: the value; then address and length of three texts. The texts are
the value as a string where one was asked for; or, after an exception, its kind, message and stack trace.
"""

from __future__ import annotations

__all__ = ["BOOTSTRAP", "NOTHING", "OK", "POINTER", "STRING", "WORDS"]

OK = 0x0B51
"""The status of a call that returned."""

NOTHING, POINTER, STRING = 0, 1, 2
"""What is wanted of the last expression's value: nothing, an address or integer, a string."""

WORDS = 7
"""The number of machine words in an answer."""

BOOTSTRAP = r"""
module DiagramBridgeStart

const OK = Cint(0x0B51)
const ERROR = Cint(0x0E55)
const LIMIT = 60
const kept = Ref{NTuple{3,String}}(("", "", ""))

# Looking up the C frames of a process that Julia was not built for makes the LLVM of old releases print complaints
# about Python's debug information; they would not be shown anyway.
function in_julia(address::Ptr{Cvoid})
    frames = ccall(:jl_lookup_code_address, Any, (Ptr{Cvoid}, Cint), address - 1, true)
    return any(frame -> !frame[5], frames)  # the fifth field: from C
end
in_julia(other) = true

# Newest first, ending where this module called the user's code.
function stacktrace_text(trace)
    frames = Base.StackTraces.stacktrace(VERSION < v"1.9" ? filter(in_julia, trace) : trace)
    last = findfirst(frame -> endswith(String(frame.file), "include_string") || frame.func === :include_string ||
                              frame.func === :evaluate, frames)
    shown = last === nothing ? frames : frames[1:last-1]
    lines = [string(" [", k, "] ", frame) for (k, frame) in enumerate(shown)]
    omitted = length(lines) - LIMIT  # a stack overflow has tens of thousands
    omitted > 0 && splice!(lines, LIMIT÷2+1:LIMIT÷2+omitted, [" … $omitted more"])
    return join(lines, '\n')
end

cause(exception) = exception
cause(exception::LoadError) = cause(exception.error)

function describe(exception, trace)
    kind = String(nameof(typeof(exception)))
    message = try
        Base.invokelatest(sprint, showerror, exception)
    catch
        "(its showerror method failed)"
    end
    text = try
        stacktrace_text(trace)
    catch
        "(not available)"
    end
    return kind, message, text
end

address(value::Ptr) = UInt(value)
address(value::Integer) = value % UInt

function evaluate(code::Ptr{UInt8}, size::Csize_t, want::Cint, out::Ptr{UInt})::Cint
    word, status = UInt(0), OK
    try
        value = Base.invokelatest(include_string, Main, unsafe_string(code, size), "Python")
        if want == 1
            word = Base.invokelatest(address, value)::UInt
        elseif want == 2
            kept[] = (Base.invokelatest(string, value)::String, "", "")
        end
    catch exception
        status = ERROR
        kept[] = Base.invokelatest(describe, cause(exception), catch_backtrace())::NTuple{3,String}
    end
    unsafe_store!(out, word, 1)
    for k in 1:3
        text = kept[][k]
        unsafe_store!(out, UInt(pointer(text)), 2k)
        unsafe_store!(out, UInt(sizeof(text)), 2k + 1)
    end
    return status
end

const entry = @cfunction(evaluate, Cint, (Ptr{UInt8}, Csize_t, Cint, Ptr{UInt}))

end
"""

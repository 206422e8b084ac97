# Islands called from Python without anything in between: builtin functions of CPython's vectorcall convention
# (METH_FASTCALL), whose C function is ours. `ctypes` converts each argument by itself, which costs a tenth of an identity
# function of autograd's.

const PyPtr = Ptr{Cvoid}

as_integer(object::PyPtr) = ccall(PYTHON.as_integer, UInt64, (PyPtr,), object)
new_reference(object::PyPtr) = (ccall(PYTHON.increment, Cvoid, (PyPtr,), object); object)
tuple_item(tuple::PyPtr, k::Int) = ccall(PYTHON.tuple_item, PyPtr, (PyPtr, Int), tuple, k - 1)
type_of(object::PyPtr) = unsafe_load(Ptr{PyPtr}(object + PYTHON.type_offset))

"""
Memory of the caller's for one call at a time: which island and how, a slot for each result with room for its sizes, and
room for the descriptors of the arguments.
"""
struct Frame
    island::UInt64
    flags::UInt64
    application::UInt64
    slots::UInt64 # how many
end

"A call from Python: the frame it is made with, and its arguments."
struct Call
    frame::Ptr{Frame}
    arguments::Ptr{PyPtr}
    count::Int
end

argument(c::Call, k::Int) = unsafe_load(c.arguments, k)
slots(c::Call) = Ptr{Slot}(c.frame + sizeof(Frame))
descriptors(c::Call) = Ptr{DLTensor}(slots(c) + unsafe_load(c.frame).slots * (sizeof(Slot) + sizeof(Int64) * MAX_AXES))

"The descriptors of the `n` arguments behind the first `skipped`, written by torch itself; `None` has `ndim` −1."
function describe_arguments(c::Call, skipped::Int, n::Int)
    c.count == skipped + n || throw(BridgeError("island", "$n tensors", "$(c.count - skipped)"))
    at = descriptors(c)
    for i in 1:n
        describe_object(argument(c, skipped + i), at + (i - 1) * sizeof(DLTensor))
    end
    return Descriptors(at, n)
end

function describe_object(object::PyPtr, at::Ptr{DLTensor})
    object == PYTHON.none && return unsafe_store!(at, NO_TENSOR)
    type = type_of(object) # a subclass may compute its elements
    type == PYTHON.tensor_type || type == PYTHON.parameter_type || throw(Unsupported())
    ccall(PYTHON.from_object, Cint, (PyPtr, Ptr{DLTensor}), object, at) == 0 || throw_refused()
    is_negative(object) && throw(Unsupported()) # torch shares the memory of a lazily negated view all the same
    return at
end

function is_negative(object::PyPtr)
    answer = ccall(PYTHON.call, PyPtr, (PyPtr, PyPtr), PYTHON.is_negative, object)
    answer == C_NULL && throw_refused()
    ccall(PYTHON.decrement, Cvoid, (PyPtr,), answer)
    return answer == PYTHON.yes
end

# Python's exception is dropped: the caller finds out what is wrong with its tensor.
function throw_refused()
    ccall(PYTHON.clear_error, Cvoid, ())
    throw(Unsupported())
end

"Tell the slots which memory is given: a tuple of tensors and `None`, or `None` alone."
function offer_rooms!(c::Call, rooms::PyPtr, n::Int)
    for k in 1:n
        at = slot(slots(c), k)
        unsafe_store!(Ptr{Ptr{Cvoid}}(at), C_NULL)
        rooms == PYTHON.none && continue
        room = tuple_item(rooms, k)
        room == PYTHON.none && continue
        described = Ref(NO_TENSOR)
        GC.@preserve described begin
            describe_object(room, Base.unsafe_convert(Ptr{DLTensor}, described))
        end
        span = Span(described[])
        unsafe_store!(Ptr{Ptr{Cvoid}}(at), Ptr{Cvoid}(span.first))
        answer(at, FILLED, span.last - span.first)
    end
    return nothing
end

"""
What the slots answer, as a tuple of Python's behind `leading` times `None`, where each result is a room, one of the
arguments behind the first `skipped`, or `None`; else the status OK, and the caller reads the slots.
"""
function answer_to_python(c::Call, rooms::PyPtr, skipped::Int, n::Int, leading::Int)
    for k in 1:n
        kind = unsafe_load(slot(slots(c), k)).kind
        kind == FILLED || kind == ALIAS || kind == ABSENT || return status_object(OK)
    end
    tuple = ccall(PYTHON.new_tuple, PyPtr, (Int,), leading + n)
    for k in 1:leading
        set_item!(tuple, k, PYTHON.none)
    end
    for k in 1:n
        s = unsafe_load(slot(slots(c), k))
        set_item!(tuple, leading + k, s.kind == FILLED ? tuple_item(rooms, k) :
                                 s.kind == ALIAS ? argument(c, skipped + Int(s.value) + 1) : PYTHON.none)
    end
    return tuple
end

set_item!(tuple::PyPtr, k::Int, object::PyPtr) =
    ccall(PYTHON.set_tuple_item, Cint, (PyPtr, Int, PyPtr), tuple, k - 1, new_reference(object))

status_object(status::Int32) = ccall(PYTHON.integer, PyPtr, (Clong,), status)

# Which gradients are wanted: bytes in the vtable, a tuple of Python's in a call from there.
struct NeedsOfPython
    tuple::PyPtr
    leading::Int
end

is_needed(needs::Ptr{UInt8}, i::Int) = unsafe_load(needs, i) != 0
is_needed(needs::NeedsOfPython, i::Int) = tuple_item(needs.tuple, needs.leading + i) == PYTHON.yes

"""
forward(tape, seed, needs, rooms, tensors…): the tape is kept under the number that the caller chose, 0 for none.
"""
function forward_from_python(island::Island, c::Call)
    n = length(island.outputs)
    tensors = describe_arguments(c, 4, number_of_arguments(island))
    offer_rooms!(c, argument(c, 4), n)
    tape = as_integer(argument(c, 1))
    frame = unsafe_load(c.frame)
    needs, flags = argument(c, 3), frame.flags % UInt32
    if needs != PYTHON.none && !any(i -> is_needed(NeedsOfPython(needs, 1), i), 1:length(island.inputs))
        flags |= CONSTANT_FLAG
    end
    mode = Mode(flags, UInt32(0), as_integer(argument(c, 2)), frame.application)
    run_forward(island, mode, tensors, slots(c), tape)
    return answer_to_python(c, argument(c, 4), 4, n, 0)
end

"""
backward(tape, keep, needs, rooms, gradients…): `needs` and the answer begin with one for the seed, which is no tensor.
"""
function backward_from_python(tape::Tape, c::Call)
    n = number_of_arguments(tape.island)
    gradients = describe_arguments(c, 4, length(tape.island.outputs))
    offer_rooms!(c, argument(c, 4), n)
    run_backward(tape, gradients, slots(c), NeedsOfPython(argument(c, 3), 1))
    argument(c, 2) == PYTHON.yes || release(as_integer(argument(c, 1)))
    return answer_to_python(c, argument(c, 4), 4, n, 1)
end

# What is held is told by dispatch: asking whether it is an island takes longer.
forward_from_python(::Any, c::Call) = throw(not_held(Island, unsafe_load(c.frame).island))
backward_from_python(::Any, c::Call) = throw(not_held(Tape, as_integer(argument(c, 1))))

py_forward(self::PyPtr, arguments::Ptr{PyPtr}, count::Int)::PyPtr = from_python(self, arguments, count) do call
    return Base.invokelatest(forward_from_python, found(unsafe_load(call.frame).island), call)::PyPtr
end

py_backward(self::PyPtr, arguments::Ptr{PyPtr}, count::Int)::PyPtr = from_python(self, arguments, count) do call
    return Base.invokelatest(backward_from_python, found(as_integer(argument(call, 1))), call)::PyPtr
end

# No exception leaves a callback. One of Python's that is set (a signal's handler raised it) is told by returning NULL.
function from_python(f::F, self::PyPtr, arguments::Ptr{PyPtr}, count::Int) where {F}
    INTERRUPTION[] = false
    try
        return f(Call(Ptr{Frame}(as_integer(self)), arguments, count))
    catch e
        status = status_of(e, catch_backtrace())
        ccall(PYTHON.error_occurred, PyPtr, ()) == C_NULL || return C_NULL
        return status_object(status)
    end
end

"""
    vtable() -> NTuple{6,Ptr{Cvoid}}

The addresses of control, forward, backward and release, and of forward and backward as C functions of builtin functions
of Python's.
"""
function vtable()
    return (@cfunction(c_control, Int32, (Ptr{UInt8}, Int64, Ptr{Ptr{UInt8}}, Ptr{Int64})),
            @cfunction(c_forward, Int32, (UInt64, Ptr{Mode}, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, UInt64)),
            @cfunction(c_backward, Int32, (UInt64, UInt64, Int64, Ptr{DLTensor}, Int64, Ptr{Slot}, Ptr{UInt8})),
            @cfunction(c_release, Int32, (UInt64,)),
            @cfunction(py_forward, PyPtr, (PyPtr, Ptr{PyPtr}, Int64)),
            @cfunction(py_backward, PyPtr, (PyPtr, Ptr{PyPtr}, Int64)))
end

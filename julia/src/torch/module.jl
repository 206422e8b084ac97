# A module of Python's as a function of arrays, in a model of the user's. Its calls are not islands: whoever holds a
# result, or the way back, holds the tape, and Julia's collector finds out when nobody does.

"""
    TorchModule(object)

A `torch.nn.Module` of Python's (a `Py` of PythonCall's) as a function of arrays: `TorchModule(object)(x, y, …)` calls the
module on tensors over the same memory, with their axes reversed, and returns an array over torch's result, or a tuple of
them. Arrays are of `Float32`, `Float64`, `Int32`, `Int64` or `Bool`.

With Flux loaded it is a layer of any model: it has an `rrule`, so that Zygote differentiates through torch, and its
parameters and buffers are the module's own memory, which `Flux.setup` and `Flux.update!` see and step in place. A way back
that is asked for twice calls the module again. `parameters` and `buffers` have its variables by torch's path.

`active` is its mode: `true` to train, `false` to test, and `nothing` (the default) to train where gradients are computed
and to test elsewhere, as in Flux's own layers; `Flux.trainmode!` and `Flux.testmode!` set it. What torch draws in a call is
seeded from Julia's default generator.

Throws a `BridgeError` for what is no module, and where no PythonCall is loaded; a call throws a `PythonError` with the
message and the traceback of what the module raised.

```julia
using DiagramBridge, Flux, PythonCall
torch = pyimport("torch")
model = Chain(TorchModule(torch.nn.Linear(4, 8)), Dense(8 => 2))
gradient = Flux.gradient(m -> sum(abs2, m(ones(Float32, 4, 3))), model)[1]
Flux.update!(Flux.setup(Adam(), model), model, gradient)
```
"""
mutable struct TorchModule
    object::Any
    name::String # of its class: messages are written where nobody may hold Python's lock
    instance::TorchInstance
    parameters::NamedTuple
    buffers::NamedTuple
    active::Union{Bool,Nothing}
end

function TorchModule(object; active::Union{Bool,Nothing} = nothing)
    instance = TorchInstance(offer(object, "the module"))
    return TorchModule(object, called(object), instance, by_path(instance.parameters), by_path(instance.buffers), active)
end

by_path(variables::Vector{Pair{String,Array}}) = (; (Symbol(path) => array for (path, array) in variables)...)

parameters(m::TorchModule) = m.instance.parameters
buffers(m::TorchModule) = m.instance.buffers

"A module of its own, with the same values."
Base.copy(m::TorchModule) = TorchModule(copied(m.object); active = m.active)

Base.deepcopy_internal(m::TorchModule, known::IdDict) = get!(() -> copy(m), known, m)

offer(m::TorchModule, name::String) = offer(m.object, name)

function Base.show(io::IO, m::TorchModule)
    print(io, "TorchModule(", m.name, ", ", mapreduce(length, +, m.parameters; init = 0), " parameters")
    return print(io, m.active === nothing ? ")" : ", active = $(m.active))")
end

(m::TorchModule)(inputs::AbstractArray...) = first(record(m, inputs, m.active === true ? TRAIN_FLAG : UInt32(0)))

"""
A call and its way back, which may be asked for several times: torch's graph lives until the first, and is made again for
others.
"""
mutable struct TorchCall
    m::TorchModule
    inputs::Vector{Array}
    mode::Mode
    tape::TorchTape
    handle::TorchHandle
    types::Vector{DataType} # of the results' elements
    is_used::Bool
    is_single::Bool # one result, no tuple
end

const MOST_RESULTS = 64

"""
    record(m::TorchModule, inputs, flags) -> (value, call)

Call a module; with `GRAD_FLAG` `call` has the way back.
"""
function record(m::TorchModule, inputs, flags::UInt32)
    collect_calls()
    given = Array[accepted(m, x) for x in inputs]
    mode = Mode(flags | SEEDED_FLAG | ONCE_FLAG, UInt32(0), rand(UInt64), UInt64(0))
    values, tape, handle = call(m, given, mode)
    is_single = length(values) == 1
    types = DataType[eltype(y) for y in values]
    return is_single ? values[1] : Tuple(values), TorchCall(m, given, mode, tape, handle, types, false, is_single)
end

function accepted(m::TorchModule, x::AbstractArray)
    eltype(x) in ELEMENT_TYPES && return dense(x, m.name)
    throw(BridgeError("an input of $m", "elements of $(join(ELEMENT_TYPES, ", "))", summary(x)))
end

function call(m::TorchModule, inputs::Vector{Array}, mode::Mode)
    tape = TorchTape()
    handle = TorchHandle(tape.id, Array[], tape.memory)
    parameters = Array[m.parameters...]
    found = torch_forward(m.instance.handle.id, mode, inputs, parameters, MOST_RESULTS, tape)
    values = Array[y for y in found if y !== nothing]
    lend_results!(handle, values, [inputs; parameters])
    return values, tape, handle
end

"Keep a tape for those of its results that do not lie in memory that was passed to it."
function lend_results!(handle::TorchHandle, results, passed)
    own = filter(y -> !any(x -> address(x) == address(y), passed), results)
    LENT_BYTES[] += mapreduce(sizeof, +, own; init = 0)
    return keep_for!(handle, own)
end

"""
    pull(call, doutputs, needs) -> (dinputs, dparameters)

The gradients of a call's inputs, where `needs` says so, and of its parameters, from those of its results; `nothing` is zero.
"""
function pull(c::TorchCall, doutputs::Vector, needs::Vector{Bool})
    if c.is_used
        _, c.tape, c.handle = call(c.m, c.inputs, c.mode)
    end
    c.is_used = true
    given = Any[d === nothing ? nothing : convert(Array{T}, d) for (T, d) in zip(c.types, doutputs)]
    wanted = [needs; fill(true, length(c.m.parameters))]
    found = torch_backward(c.m.instance.handle.id, c.tape, given, wanted)
    lend_results!(c.handle, Array[d for d in found if d !== nothing], Array[d for d in given if d !== nothing])
    n = length(needs)
    return found[1:n], found[(n + 1):end]
end

# Julia's collector knows its own small objects, and not how much of torch's memory they hold.
const LENT_BYTES = Ref(0)
const MOST_BYTES = 1 << 28
const CALLS_AT_LAST_COLLECTION = Ref(0)
const MORE_CALLS = 256

"Give back what ended; Julia's garbage is collected first where much has been lent since the last time."
function collect_calls()
    give_back()
    held = length(TORCH_HANDLES)
    LENT_BYTES[] < MOST_BYTES && held < 2 * CALLS_AT_LAST_COLLECTION[] + MORE_CALLS && return nothing
    GC.gc(false)
    give_back()
    if length(TORCH_HANDLES) > held ÷ 2 # they have lived long
        GC.gc(true)
        give_back()
    end
    LENT_BYTES[], CALLS_AT_LAST_COLLECTION[] = 0, length(TORCH_HANDLES)
    return nothing
end

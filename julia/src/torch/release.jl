# What Julia gives back to Python: tapes and results of calls, instances and islands. Nothing is given back where it ends,
# since Python may have an exception set there, but at the start of the next call and at the end of a pass that went well.

"A tape of torch's by its number, Julia's memory that its tensors may lie over, and its results by their numbers."
struct TorchTape
    id::UInt64
    memory::Vector{Array}
    results::Vector{UInt64}
end

const TORCH_TAPES = Ref{UInt64}(0)

TorchTape() = TorchTape(TORCH_TAPES[] += 2, Array[], UInt64[])

"Tapes that came to their end, and the leases of the memory that they may refer to."
struct Ended
    tapes::Vector{TorchTape}
    leases::Vector{Lease}
end

const ENDED = Ended[]

# Tapes whose memory some tensor in Python still looks at (a module has kept its input).
const BUSY_TAPES = TorchTape[]

"The number of something of Python's that lives as long as this object."
mutable struct TorchHandle
    id::UInt64
end

# Numbers of Python's, each with what keeps it: a handle, and arrays over its memory.
const TORCH_HANDLES = Tuple{UInt64,Vector{WeakRef}}[]

"Hold something of Python's for as long as the handle lives, or one of the arrays, which lie over its memory."
function TorchHandle(id::UInt64, arrays::Vector{<:Array})
    handle = TorchHandle(id)
    push!(TORCH_HANDLES, (id, [WeakRef(handle); [WeakRef(storage(a)) for a in arrays]]))
    return handle
end

# From 1.11 on an array may be gone while another one shares its memory.
storage(a::Array) = VERSION >= v"1.11" ? getfield(getfield(a, :ref), :mem) : a

"""
    give_back()

Let Python release what has ended and what nobody refers to any more.
"""
function give_back()
    has_torch() || return nothing
    while !isempty(ENDED)
        ended = last(ENDED)
        while !isempty(ended.tapes)
            tape = last(ended.tapes)
            if !release_tape(tape)
                foreach(lease -> foreach(a -> keep!(lease, a), tape.memory), ended.leases)
                push!(BUSY_TAPES, tape)
            end
            pop!(ended.tapes)
        end
        foreach(close, ended.leases)
        pop!(ENDED)
    end
    isempty(BUSY_TAPES) || release_all!(release_tape, BUSY_TAPES)
    release_all!(((id, holders),) -> all(h -> h.value === nothing, holders) && call_release(id), TORCH_HANDLES)
    return nothing
end

function release_tape(tape::TorchTape)
    while !isempty(tape.results)
        call_release(last(tape.results))
        pop!(tape.results)
    end
    return call_release(tape.id)
end

# Not `filter!`: what an exception interrupts has to be as it was.
function release_all!(release, waiting::Vector)
    k = 1
    while k <= length(waiting)
        release(waiting[k]) ? deleteat!(waiting, k) : (k += 1)
    end
    return nothing
end

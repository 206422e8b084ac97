# What Julia gives back to Python: tapes and results of calls, instances and islands. Nothing is given back where it ends,
# since Python may have an exception set there, but at the start of the next call and at the end of a pass that went well.

"A tape of torch's by its number, and Julia's memory that its tensors may lie over. Results are there as long as it is."
struct TorchTape
    id::UInt64
    memory::Vector{Array}
end

const TORCH_TAPES = Ref{UInt64}(0)

TorchTape() = TorchTape(TORCH_TAPES[] += 2, Array[])

"Tapes that came to their end, and the leases of the memory that they may refer to."
struct Ended
    tapes::Vector{TorchTape}
    leases::Vector{Lease}
end

const ENDED = Ended[]

# Tapes whose memory some tensor in Python still looks at (a module has kept its input).
const BUSY_TAPES = TorchTape[]

"The number of something of Python's that lives as long as this object, or one of the arrays over its memory."
mutable struct TorchHandle
    id::UInt64
    holders::Vector{WeakRef} # the handle, and the arrays
end

"A number of Python's, what keeps it, and memory of Julia's that Python may look at until it is released."
struct HeldInTorch
    id::UInt64
    holders::Vector{WeakRef}
    memory::Vector{Array}
end

const TORCH_HANDLES = HeldInTorch[]

"Hold something of Python's for as long as the handle lives, or one of the arrays, which lie over its memory."
function TorchHandle(id::UInt64, arrays::Vector{<:Array}, memory::Vector{Array} = Array[])
    handle = TorchHandle(id, WeakRef[])
    push!(handle.holders, WeakRef(handle))
    push!(TORCH_HANDLES, HeldInTorch(id, handle.holders, memory))
    keep_for!(handle, arrays)
    return handle
end

keep_for!(handle::TorchHandle, arrays) = append!(handle.holders, [WeakRef(storage(a)) for a in arrays])

# From 1.11 on an array may be gone while another one shares its memory.
storage(a::Array) = VERSION >= v"1.11" ? getfield(getfield(a, :ref), :mem) : a

"""
    give_back()

Let Python release what has ended and what nobody refers to any more.
"""
function give_back()
    has_torch() && holds_gil() || return nothing
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
    release_all!(h -> all(holder -> holder.value === nothing, h.holders) && call_release(h.id), TORCH_HANDLES)
    return nothing
end

"Before each pass: what ended is given back, and an interrupt that another pass ended with is over."
function begin_pass()
    INTERRUPTION[] = false
    return give_back()
end

release_tape(tape::TorchTape) = call_release(tape.id)

# Not `filter!`: what an exception interrupts has to be as it was.
function release_all!(release, waiting::Vector)
    k = 1
    while k <= length(waiting)
        release(waiting[k]) ? deleteat!(waiting, k) : (k += 1)
    end
    return nothing
end

# What the caller holds by number: islands, instances, tapes and memory of ours. It gives each back through the release
# queue.

const HELD = Dict{UInt64,Any}()
const NEXT_ID = Ref{UInt64}(1) # ours are odd; even ones are the caller's to choose, for its tapes

"Keep an object alive under a new id until it is released."
function hold(object)
    id = NEXT_ID[]
    NEXT_ID[] += 2
    HELD[id] = object
    return id
end

"Keep an object alive under an id that the caller chose, in the place of what is there, which it has done with."
function hold(object, id::UInt64)
    iseven(id) || throw(BridgeError("id $id", "an even number", "an odd one"))
    before = found(id)
    HELD[id] = object
    before === nothing || released(before)
    return id
end

"""
The object held under an id; ids that were released, or never given, are an error of the caller's.
"""
function held(::Type{T}, id::UInt64) where {T}
    object = found(id)
    return object isa T ? object : throw(not_held(T, id))
end

found(id::UInt64) = get(HELD, id, nothing)

function not_held(::Type{T}, id::UInt64) where {T}
    object = found(id)
    return BridgeError("id $id", "a live $(nameof(T))", object === nothing ? "nothing" : string(typeof(object)))
end

"Let go of an id. Releasing twice is harmless, and so is 0."
function release(id::UInt64)
    object = pop!(HELD, id, nothing)
    object === nothing || released(object)
    return nothing
end

released(::Any) = nothing

"Memory of ours that a tensor of the caller's lies in."
struct Owned
    array::Array
end

# How many of the caller's storages lie over an address: what is lent out, and the variables of users' components. Results
# are handed over so that there is never a second one.
const LENT = Dict{UInt,Int}()

lent!(array::Array) = (isempty(array) || (LENT[address(array)] = get(LENT, address(array), 0) + 1); nothing)

function returned!(array::Array)
    isempty(array) && return nothing
    left = LENT[address(array)] - 1
    left == 0 ? delete!(LENT, address(array)) : (LENT[address(array)] = left)
    return nothing
end

"Lend an array to the caller; `nothing` if its memory is lent already."
function lend(array::Array)
    haskey(LENT, address(array)) && return nothing
    lent!(array)
    return hold(Owned(array))
end

released(o::Owned) = returned!(o.array)

mutable struct RunningCounts
    forwards::UInt64
    backwards::UInt64
    crossed_bytes::UInt64
    copies::UInt64
    copied_bytes::UInt64
end

const COUNTS = RunningCounts(0, 0, 0, 0, 0)

count_bytes(s::Span) = (COUNTS.crossed_bytes += s.last - s.first; s)

function count_copy(bytes::Integer)
    COUNTS.copies += 1
    COUNTS.copied_bytes += bytes
    return nothing
end

"A copy of an array that can't be shared as it is; it is counted."
function counted_copy(a::AbstractArray)
    count_copy(sizeof(eltype(a)) * length(a))
    return Array(copy(a))
end

number_held(::Type{T}) where {T} = UInt64(count(o -> o isa T, values(HELD)))

"""
The protobuf wire format (https://protobuf.dev/programming-guides/encoding/), for the messages of `Schema`.

A message is a mutable struct whose field types say how each field is written; `numbers` gives their numbers. Reading
follows protobuf (the last scalar wins, repeated messages merge, packed or not) but is strict: unknown fields and
unknown values of an enumeration, integers longer than needed or out of range, and text that isn't UTF-8 are refused.
Writing is canonical: fields in ascending order, shortest integers, packed lists, defaults left out.
"""
module Wire

export Message, WireError, decode, decode_file, encode

"The supertype of every message of the schema."
abstract type Message end

"""
    numbers(::Type{M}) -> NTuple{N,Int}

The field numbers of the message type `M`, ascending, in the order of its fields.
"""
function numbers end

"""
    alternatives(::Type{M}, index) -> Tuple

The places of the other members of the oneof that the field at `index` belongs to.
"""
alternatives(::Type{<:Message}, index::Int) = ()

"""
    WireError(element, expected, found)

Bytes that are not a message of the schema.
"""
struct WireError <: Exception
    element::String
    expected::String
    found::String
end

Base.showerror(io::IO, e::WireError) = print(io, e.element, ": expected ", e.expected, ", found ", e.found)

const MAXIMUM_DEPTH = 64

const VARINT, FIXED64, DELIMITED = 0, 1, 2

Base.:(==)(a::M, b::M) where {M<:Message} = all(i -> isequal(getfield(a, i), getfield(b, i)), 1:fieldcount(M))
Base.hash(a::Message, h::UInt) = foldl((h, i) -> hash(getfield(a, i), h), 1:nfields(a); init = hash(typeof(a), h))

include("wire_layout.jl")
include("wire_decode.jl")
include("wire_encode.jl")

end

"Bytes that are being read. Positions count from 0; `path` leads to what is being read, with places in lists."
mutable struct Reader
    bytes::Vector{UInt8}
    position::Int
    what::String
    path::Vector{Tuple{String,Int}} # a place of −1: not in a list
    from_file::Bool
    has_long_keys::Bool
end

"What is being read, as an error calls it."
function inside(r::Reader)
    parts = (place < 0 ? name : "$name[$place]" for (name, place) in r.path)
    return isempty(r.path) ? r.what : "$(r.what), $(join(parts, "."))"
end

# Messages are made out of line, which keeps the code of the common path small.
@noinline refuse(r::Reader, expected, found) = throw(WireError(inside(r), string(expected), string(found)))
@noinline refuse_field(r::Reader, l::Layout, number, at) =
    refuse(r, "a field of $(nameof(l.type))", "field number $number at byte $at, unknown to this release")

"""
    decode(M, bytes) -> M

The message of type `M` that `bytes` hold. Throws a `WireError` where they hold none.
"""
function decode(::Type{M}, bytes::AbstractVector{UInt8}) where {M<:Message}
    return read_all(M, Reader(bytes, 0, string(nameof(M)), Tuple{String,Int}[], false, false))
end

"""
    decode_file(M, bytes, what) -> M

The message that a file holds, whoever wrote it: integers may be longer than they need, and unknown values of enumerations
are kept for the reader to refuse by name. What protobuf would mend silently is refused: values that come twice. Errors are
about `what` and the path of the field.
"""
function decode_file(::Type{M}, bytes::Vector{UInt8}, what::AbstractString) where {M<:Message}
    reader = Reader(bytes, 0, what, Tuple{String,Int}[], true, false)
    message = read_all(M, reader)
    reader.has_long_keys && refuse(reader, "$(nameof(M)) in protobuf's binary form", "a key or length of more than 5 bytes")
    return message
end

function read_all(::Type{M}, reader::Reader) where {M<:Message}
    message = M()
    read_message!(message, layout(M), reader, length(reader.bytes), 1)
    return message
end

# Not specialised: a schema has dozens of types that would each be compiled.
function read_message!(@nospecialize(message::Message), l::Layout, r::Reader, stop::Int, depth::Int)
    depth <= MAXIMUM_DEPTH || refuse(r, "messages not as deep", "more than $MAXIMUM_DEPTH")
    counts = zeros(Int, length(l.fields))
    while r.position < stop
        start = r.position
        key = read_key(r, stop)
        k = place(l, key >> 3)
        k == 0 && refuse_field(r, l, key >> 3, start)
        f = l.fields[k]
        push!(r.path, (f.name, f.repeated ? counts[k] : -1))
        f.repeated || counts[k] == 0 || !r.from_file || refuse(r, "one value", "another at byte $start")
        counts[k] += 1
        read_field!(message, f, Int(key & 7), r, stop, depth)
        pop!(r.path)
    end
    return nothing
end

function read_field!(@nospecialize(message::Message), f::Field, wire::Int, r::Reader, stop::Int, depth::Int)
    packed = f.repeated && wire == DELIMITED && f.wire != DELIMITED
    wire == f.wire || packed || refuse(r, "wire type $(f.wire)", "wire type $wire at byte $(r.position)")
    if f.wire == DELIMITED
        inner = read_length(r, stop)
        f.kind == MESSAGE ? read_part!(message, f, r, inner, depth) : store!(message, f, read_bytes(f, r, inner))
    elseif packed
        inner = read_length(r, stop)
        while r.position < inner
            store!(message, f, read_number(f, r, inner))
        end
    else
        store!(message, f, read_number(f, r, stop))
    end
    return nothing
end

function store!(@nospecialize(message::Message), f::Field, @nospecialize(value))
    if !f.repeated
        setfield!(message, f.index, value)
        return nothing
    end
    list = getfield(message, f.index)
    if list isa Vector{UInt32}
        push!(list, value::UInt32)
    elseif list isa Vector{String}
        push!(list, value::String)
    else
        push!(list, value)
    end
    return nothing
end

function read_part!(@nospecialize(message::Message), f::Field, r::Reader, stop::Int, depth::Int)
    for other in f.others
        setfield!(message, other, nothing)
    end
    known = f.repeated ? nothing : getfield(message, f.index)
    part = known === nothing ? (f.layout::Layout).make()::Message : known::Message
    known === nothing && store!(message, f, part)
    read_message!(part, f.layout::Layout, r, stop, depth + 1)
    return nothing
end

function read_number(f::Field, r::Reader, stop::Int)
    f.wire == FIXED64 && return read_fixed(r, stop)
    at = r.position
    value = read_varint(r, stop)
    value <= f.most || refuse(r, "a number of at most $(f.most)", "$value at byte $at")
    f.kind == NATURAL && return UInt32(value)
    f.kind == LONG_NATURAL && return value
    f.kind == INTEGER && return (value >> 1) % Int64 ⊻ -((value & 1) % Int64) # zigzag
    f.kind == TRUTH && return value == 1
    known = findfirst(==(value), f.codes)
    known === nothing || return f.instances[known]
    r.from_file || refuse(r, "a value of $(nameof(f.type))", value)
    return reinterpret(f.type, Int32(value))
end

function read_key(r::Reader, stop::Int)
    at = r.position
    key = read_varint(r, stop)
    r.position - at > 5 && (r.has_long_keys = true)
    return key
end

"Where the bytes end whose length comes next."
function read_length(r::Reader, stop::Int)
    length = read_key(r, stop)
    length <= stop - r.position || truncated(r, length, stop)
    return r.position + Int(length)
end

@noinline truncated(r::Reader, length, stop) =
    refuse(r, "$length bytes from byte $(r.position)", "$(stop - r.position): the file is truncated or damaged")

function read_varint(r::Reader, stop::Int)::UInt64
    value, shift, start = UInt64(0), 0, r.position
    while true
        r.position < stop ||
            refuse(r, "a number at byte $start", "the end: the file is truncated or damaged")
        byte = r.bytes[r.position + 1]
        # The tenth byte has room for one bit, and elsewhere than in files a last byte of zero is none too few.
        (shift == 63 && byte > 0x01 || !r.from_file && shift > 0 && byte == 0x00) &&
            refuse(r, "a number of at most 64 bits at byte $start", "a longer one")
        r.position += 1
        value |= UInt64(byte & 0x7f) << shift
        byte < 0x80 && return value
        shift += 7
    end
end

function read_fixed(r::Reader, stop::Int)
    stop - r.position >= 8 || truncated(r, 8, stop)
    bits = UInt64(0)
    for i in 0:7
        bits |= UInt64(r.bytes[r.position + 1 + i]) << 8i
    end
    r.position += 8
    return reinterpret(Float64, bits)
end

function read_bytes(f::Field, r::Reader, stop::Int)
    bytes = r.bytes[(r.position + 1):stop]
    f.kind == TEXT && return read_text(bytes, r, stop)
    r.position = stop
    return bytes
end

function read_text(bytes::Vector{UInt8}, r::Reader, stop::Int)
    text = String(bytes)
    if !isvalid(text)
        at = findfirst(!isvalid, text)
        refuse(r, "UTF-8", "byte 0x$(string(codeunit(text, at); base = 16, pad = 2)) at byte $(r.position + at - 1)")
    end
    r.position = stop
    return text
end

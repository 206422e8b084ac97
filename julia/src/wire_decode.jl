mutable struct Reader
    bytes::Vector{UInt8}
    position::Int # of the next byte
    stop::Int     # of the last byte of the message or list that is being read
end

remaining(reader::Reader) = reader.stop - reader.position + 1

# Messages are made out of line, which keeps the code of the common path small.
@noinline function refuse(reader::Reader, expected, found)
    throw(WireError("byte $(reader.position - 1)", string(expected), string(found)))
end
@noinline refuse_field(T::Type, reader::Reader, number::Int) =
    throw(WireError("$(nameof(T)) at byte $(reader.position - 1)", "a known field", "number $number"))
@noinline refuse_wire(expected::Int, found::Int, reader::Reader) =
    refuse(reader, WIRE_NAMES[expected], get(WIRE_NAMES, found, "wire type $found"))

"""
    decode(M, bytes) -> M

The message of type `M` that `bytes` hold. Throws a `WireError` where they hold none.
"""
function decode(::Type{M}, bytes::AbstractVector{UInt8}) where {M<:Message}
    reader = Reader(bytes, 1, length(bytes))
    message = M()
    read_message!(message, reader, 1)
    return message
end

# Not specialised: reading is rare, and a schema has dozens of types that would each be compiled.
function read_message!(@nospecialize(message::Message), reader::Reader, depth::Int)
    depth <= MAXIMUM_DEPTH || refuse(reader, "messages not as deep", "more than $MAXIMUM_DEPTH")
    T = typeof(message)
    while remaining(reader) > 0
        key = read_varint(reader)
        number, wire = Int(key >> 3), Int(key & 7)
        index = find(numbers(T), number)
        index == 0 && refuse_field(T, reader, number)
        read_field!(message, index, wire, reader, depth)
    end
end

function find(@nospecialize(numbers::Tuple), number::Int)
    for i in 1:nfields(numbers)
        getfield(numbers, i) === number && return i
    end
    return 0
end

function read_field!(@nospecialize(message::Message), index::Int, wire::Int, reader::Reader, depth::Int)
    T = typeof(message)
    F = fieldtype(T, index)
    if F <: Vector && F !== Vector{UInt8}
        read_element!(getfield(message, index), wire, reader, depth)
    elseif F isa Union
        for other in alternatives(T, index)
            setfield!(message, other, nothing)
        end
        part = getfield(message, index)
        if part === nothing
            part = present(F)()
            setfield!(message, index, part)
        end
        check_wire(DELIMITED, wire, reader)
        read_delimited!(part, reader, depth)
    else
        check_wire(wire_type(F), wire, reader)
        setfield!(message, index, read_value(F, reader))
    end
end

present(::Type{Union{Nothing,M}}) where {M<:Message} = M

function read_element!(list::Vector{E}, wire::Int, reader::Reader, depth::Int) where {E<:Packed}
    if wire == wire_type(E)
        push!(list, read_value(E, reader))
    else
        check_wire(DELIMITED, wire, reader)
        outer = enter!(reader)
        while remaining(reader) > 0
            push!(list, read_value(E, reader))
        end
        reader.stop = outer
    end
end

function read_element!(list::Vector{E}, wire::Int, reader::Reader, depth::Int) where {E<:Union{String,Vector{UInt8}}}
    check_wire(DELIMITED, wire, reader)
    push!(list, read_value(E, reader))
end

function read_element!(list::Vector{E}, wire::Int, reader::Reader, depth::Int) where {E<:Message}
    check_wire(DELIMITED, wire, reader)
    element = E()
    read_delimited!(element, reader, depth)
    push!(list, element)
end

function read_delimited!(@nospecialize(message::Message), reader::Reader, depth::Int)
    outer = enter!(reader)
    read_message!(message, reader, depth + 1)
    reader.stop = outer
end

"Read a length, narrow the reader to that many bytes and return where it stopped before."
function enter!(reader::Reader)
    outer = reader.stop
    length = read_length(reader)
    reader.stop = reader.position + length - 1
    return outer
end

function check_wire(expected::Int, found::Int, reader::Reader)
    found == expected || refuse_wire(expected, found, reader)
    return nothing
end

truncated(reader::Reader) = refuse(reader, "more bytes", "the end")

function read_varint(reader::Reader)::UInt64
    value, shift = UInt64(0), 0
    while true
        remaining(reader) > 0 || truncated(reader)
        byte = reader.bytes[reader.position]
        # A last byte of zero adds nothing, and the tenth byte has room for one bit.
        if shift > 0 && byte == 0x00 || shift == 63 && byte > 0x01
            refuse(reader, "an integer in as few bytes as it needs", "a longer one")
        end
        reader.position += 1
        value |= UInt64(byte & 0x7f) << shift
        byte < 0x80 && return value
        shift += 7
    end
end

function read_length(reader::Reader)::Int
    length = read_varint(reader)
    length <= remaining(reader) || truncated(reader)
    return Int(length)
end

function read_value(::Type{UInt32}, reader::Reader)
    value = read_varint(reader)
    value <= typemax(UInt32) || refuse(reader, "an integer of 32 bits", value)
    return UInt32(value)
end

read_value(::Type{UInt64}, reader::Reader) = read_varint(reader)

function read_value(::Type{Int64}, reader::Reader) # sint64: zigzag
    value = read_varint(reader)
    return (value >> 1) % Int64 ⊻ -((value & 1) % Int64)
end

function read_value(::Type{Bool}, reader::Reader)
    value = read_varint(reader)
    value <= 1 || refuse(reader, "0 or 1", value)
    return value == 1
end

function read_value(::Type{E}, reader::Reader) where {E<:Enum}
    value = read_varint(reader)
    for instance in instances(E)
        UInt64(Integer(instance)) == value && return instance
    end
    refuse(reader, "a value of $(nameof(E))", value)
end

function read_value(::Type{Float64}, reader::Reader)
    remaining(reader) >= 8 || truncated(reader)
    bits = UInt64(0)
    for i in 0:7
        bits |= UInt64(reader.bytes[reader.position+i]) << 8i
    end
    reader.position += 8
    return reinterpret(Float64, bits)
end

function read_value(::Type{Vector{UInt8}}, reader::Reader)
    length = read_length(reader)
    value = reader.bytes[reader.position:reader.position+length-1]
    reader.position += length
    return value
end

function read_value(::Type{String}, reader::Reader)
    text = String(read_value(Vector{UInt8}, reader))
    isvalid(text) || refuse(reader, "UTF-8 text before it", "other bytes")
    return text
end

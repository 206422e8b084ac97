"""
    encode(message) -> Vector{UInt8}

The canonical bytes of `message`: equal messages have equal bytes.
"""
function encode(message::Message)
    io = IOBuffer()
    write_message(io, message)
    return take!(io)
end

function write_message(io::IOBuffer, @nospecialize(message::Message))
    tags = numbers(typeof(message))
    for i in 1:nfields(message)
        write_field(io, getfield(tags, i)::Int, getfield(message, i))
    end
end

write_field(io::IOBuffer, number::Int, ::Nothing) = nothing

function write_field(io::IOBuffer, number::Int, value::T) where {T<:Packed}
    is_default(value) && return
    write_key(io, number, wire_type(T))
    write_value(io, value)
end

function write_field(io::IOBuffer, number::Int, value::Union{String,Vector{UInt8}})
    isempty(value) || write_delimited(io, number, value)
end

function write_field(io::IOBuffer, number::Int, @nospecialize(value::Message))
    write_delimited(io, number, encode(value))
end

function write_field(io::IOBuffer, number::Int, list::Vector{E}) where {E<:Packed}
    isempty(list) && return
    packed = IOBuffer()
    for value in list
        write_value(packed, value)
    end
    write_delimited(io, number, take!(packed))
end

function write_field(io::IOBuffer, number::Int, list::Vector{<:Union{String,Vector{UInt8}}})
    for value in list
        write_delimited(io, number, value)
    end
end

function write_field(io::IOBuffer, number::Int, @nospecialize(list::Vector{<:Message}))
    for message in list
        write_delimited(io, number, encode(message))
    end
end

is_default(value::Union{UInt32,UInt64,Int64,Bool}) = iszero(value)
is_default(value::Enum) = iszero(Integer(value))
is_default(value::Float64) = iszero(reinterpret(UInt64, value)) # -0.0 is written

write_key(io::IOBuffer, number::Int, wire::Int) = write_varint(io, UInt64(number) << 3 | UInt64(wire))

function write_delimited(io::IOBuffer, number::Int, bytes::Union{String,Vector{UInt8}})
    write_key(io, number, DELIMITED)
    write_varint(io, UInt64(sizeof(bytes)))
    write(io, bytes)
end

function write_varint(io::IOBuffer, value::UInt64)
    while value >= 0x80
        write(io, (value % UInt8) | 0x80)
        value >>= 7
    end
    write(io, value % UInt8)
end

write_value(io::IOBuffer, value::Union{UInt32,UInt64,Bool}) = write_varint(io, UInt64(value))
write_value(io::IOBuffer, value::Int64) = write_varint(io, ((value << 1) ⊻ (value >> 63)) % UInt64)
write_value(io::IOBuffer, value::Enum) = write_varint(io, UInt64(Integer(value)))
write_value(io::IOBuffer, value::Float64) = write(io, htol(reinterpret(UInt64, value)))

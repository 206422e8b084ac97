"""
Bytes that are written from their end: what a message holds is there before its length has to be written. `first` is the
place of the first byte so far.
"""
mutable struct Writer
    bytes::Vector{UInt8}
    first::Int
end

"""
    encode(message) -> Vector{UInt8}

The canonical bytes of `message`: equal messages have equal bytes.
"""
function encode(message::Message)
    w = Writer(Vector{UInt8}(undef, 64), 65)
    write_message!(w, message, layout(typeof(message)))
    return w.bytes[w.first:end]
end

written(w::Writer) = length(w.bytes) - w.first + 1

"Room for so many bytes before the first one; returns where they begin."
function extend!(w::Writer, count::Int)
    if w.first <= count
        used = written(w)
        larger = Vector{UInt8}(undef, 2 * length(w.bytes) + count)
        copyto!(larger, length(larger) - used + 1, w.bytes, w.first, used)
        w.bytes, w.first = larger, length(larger) - used + 1
    end
    return w.first -= count
end

function write_message!(w::Writer, @nospecialize(message::Message), l::Layout)
    for k in length(l.fields):-1:1
        f = l.fields[k]
        value = getfield(message, f.index)
        if value === nothing
            continue
        elseif f.repeated
            write_list!(w, f, value)
        elseif f.wire == DELIMITED
            f.kind == MESSAGE || !isempty(value::Union{String,Vector{UInt8}}) || continue
            write_delimited!(w, f, value)
        else
            bits = word(f, value)
            bits == 0 && continue # of a float: all but −0.0 is written
            write_word!(w, f, bits)
            write_varint!(w, UInt64(f.number) << 3 | UInt64(f.wire))
        end
    end
    return nothing
end

function write_list!(w::Writer, f::Field, @nospecialize(list))
    isempty(list) && return nothing
    if f.wire == DELIMITED
        for k in length(list):-1:1
            write_delimited!(w, f, list[k])
        end
        return nothing
    end
    before = written(w)
    for k in length(list):-1:1
        write_word!(w, f, word(f, list[k]))
    end
    return write_head!(w, f, written(w) - before)
end

function write_delimited!(w::Writer, f::Field, @nospecialize(value))
    before = written(w)
    if value isa String
        count = sizeof(value)
        at = extend!(w, count)
        GC.@preserve value unsafe_copyto!(pointer(w.bytes, at), pointer(value), count)
    elseif value isa Vector{UInt8}
        at = extend!(w, length(value))
        copyto!(w.bytes, at, value, 1, length(value))
    else
        write_message!(w, value::Message, f.layout::Layout)
    end
    return write_head!(w, f, written(w) - before)
end

function write_head!(w::Writer, f::Field, length::Int)
    write_varint!(w, UInt64(length))
    return write_varint!(w, UInt64(f.number) << 3 | UInt64(DELIMITED))
end

# A scalar as the integer that is written.
function word(f::Field, @nospecialize(value))
    value isa UInt32 && return UInt64(value)
    value isa UInt64 && return value
    value isa Bool && return UInt64(value)
    value isa Int64 && return ((value << 1) ⊻ (value >> 63)) % UInt64 # zigzag
    value isa Float64 && return reinterpret(UInt64, value)
    known = findfirst(other -> other === value, f.instances)
    return known === nothing ? UInt64(Integer(value::Enum)::Int32) : f.codes[known]
end

function write_word!(w::Writer, f::Field, bits::UInt64)
    f.wire == VARINT && return write_varint!(w, bits)
    at = extend!(w, 8)
    for i in 0:7
        w.bytes[at + i] = (bits >> 8i) % UInt8
    end
    return nothing
end

function write_varint!(w::Writer, value::UInt64)
    count = value == 0 ? 1 : cld(64 - leading_zeros(value), 7)
    at = extend!(w, count)
    for i in 0:(count - 2)
        w.bytes[at + i] = (value >> 7i) % UInt8 | 0x80
    end
    w.bytes[at + count - 1] = (value >> (7 * (count - 1))) % UInt8
    return nothing
end

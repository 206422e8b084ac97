# JSON (RFC 8259) as the headers of tensor files have it: strict, without duplicate keys, of limited depth.

"A text that is not JSON: what was expected, and at which byte, from 0."
struct JSONError <: Exception
    expected::String
    at::Int
end

mutable struct JSONReader
    bytes::Vector{UInt8}
    at::Int # the next byte, from 1
end

const JSON_DEPTH = 16
const JSON_SPACE = (0x20, 0x09, 0x0a, 0x0d)

"""
    parse_json(text::Vector{UInt8})

What a JSON text says: `Dict{String,Any}`, `Vector{Any}`, `String`, `Int64` (or `UInt64` above its range), `Float64`,
`Bool` or `nothing`. Throws a `JSONError` for anything else: also for a key that an object has twice, a number that
Float64 and the integers do not hold, and a depth above $JSON_DEPTH.
"""
function parse_json(text::Vector{UInt8})
    isvalid(String, text) || throw(JSONError("UTF-8", 0))
    r = JSONReader(text, 1)
    value = json_value(r, 0)
    skip_space!(r)
    r.at > length(text) || fail(r, "the end of the text")
    return value
end

fail(r::JSONReader, expected::String) = throw(JSONError(expected, r.at - 1))

peek_byte(r::JSONReader) = r.at <= length(r.bytes) ? r.bytes[r.at] : 0x00

function skip_space!(r::JSONReader)
    while r.at <= length(r.bytes) && r.bytes[r.at] in JSON_SPACE
        r.at += 1
    end
end

function accept!(r::JSONReader, character::Char)
    skip_space!(r)
    r.at <= length(r.bytes) && r.bytes[r.at] == UInt8(character) || return false
    r.at += 1
    return true
end

expect!(r::JSONReader, character::Char) = accept!(r, character) || fail(r, "'$character'")

function json_value(r::JSONReader, depth::Int)
    depth <= JSON_DEPTH || fail(r, "at most $JSON_DEPTH values inside each other")
    accept!(r, '{') && return json_object(r, depth)
    accept!(r, '[') && return json_array(r, depth)
    accept!(r, '"') && return json_string(r)
    for (word, value) in (("true", true), ("false", false), ("null", nothing))
        last = r.at + length(word) - 1
        if last <= length(r.bytes) && view(r.bytes, r.at:last) == codeunits(word)
            r.at = last + 1
            return value
        end
    end
    return json_number(r)
end

function json_object(r::JSONReader, depth::Int)
    found = Dict{String,Any}()
    accept!(r, '}') && return found
    while true
        expect!(r, '"')
        key = json_string(r)
        haskey(found, key) && fail(r, "each key once, not '$key' again")
        expect!(r, ':')
        found[key] = json_value(r, depth + 1)
        accept!(r, '}') && return found
        expect!(r, ',')
    end
end

function json_array(r::JSONReader, depth::Int)
    found = Any[]
    accept!(r, ']') && return found
    while true
        push!(found, json_value(r, depth + 1))
        accept!(r, ']') && return found
        expect!(r, ',')
    end
end

const JSON_NUMBER = r"\G-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?"

function json_number(r::JSONReader)
    last = r.at - 1
    while last < length(r.bytes) && (r.bytes[last+1] in UInt8('0'):UInt8('9') || Char(r.bytes[last+1]) in "+-.eE")
        last += 1
    end
    text = String(r.bytes[r.at:last])
    found = match(JSON_NUMBER, text)
    found !== nothing && found.match == text || fail(r, "a value")
    if found[1] === nothing && found[2] === nothing
        # −0 is none of the integers.
        value = text == "-0" ? -0.0 : something(tryparse(Int64, text), tryparse(UInt64, text), Some(nothing))
    else
        value = tryparse(Float64, text)
    end
    value !== nothing && isfinite(value) || fail(r, "a number that 64 bits hold")
    r.at = last + 1
    return value
end

const JSON_ESCAPES = Dict(
    UInt8('"') => '"', UInt8('\\') => '\\', UInt8('/') => '/', UInt8('b') => '\b', UInt8('f') => '\f',
    UInt8('n') => '\n', UInt8('r') => '\r', UInt8('t') => '\t',
)

"The rest of a string after its opening quotation mark."
function json_string(r::JSONReader)
    out = IOBuffer()
    while r.at <= length(r.bytes)
        byte = r.bytes[r.at]
        byte < 0x20 && fail(r, "no control character in a string")
        r.at += 1
        byte == UInt8('"') && return String(take!(out))
        byte == UInt8('\\') ? print(out, json_escape(r)) : write(out, byte)
    end
    fail(r, "a string's end")
end

function json_escape(r::JSONReader)
    byte = peek_byte(r)
    r.at += 1
    haskey(JSON_ESCAPES, byte) && return JSON_ESCAPES[byte]
    byte == UInt8('u') || (r.at -= 1; fail(r, "a known escape"))
    unit = json_hex(r)
    if 0xd800 <= unit < 0xdc00 && view(r.bytes, r.at:min(r.at + 1, length(r.bytes))) == codeunits("\\u")
        r.at += 2
        second = json_hex(r)
        0xdc00 <= second < 0xe000 || fail(r, "the second half of a surrogate pair")
        return Char(0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00))
    end
    0xd800 <= unit < 0xe000 && fail(r, "a surrogate pair")
    return Char(unit)
end

function json_hex(r::JSONReader)
    last = r.at + 3
    digits = last <= length(r.bytes) ? view(r.bytes, r.at:last) : UInt8[]
    length(digits) == 4 && all(d -> isxdigit(Char(d)), digits) || fail(r, "four hexadecimal digits")
    r.at = last + 1
    return parse(UInt32, String(Vector(digits)), base = 16)
end

"""
    json(value) -> String

The JSON text of what `parse_json` gives, with sorted keys.

```jldoctest
julia> DiagramBridge.json(Any[1, 2.5, nothing])
"[1,2.5,null]"
```
"""
json(value) = sprint(write_json, value)

write_json(io::IO, ::Nothing) = print(io, "null")
write_json(io::IO, value::Union{Bool,Integer}) = print(io, value)
function write_json(io::IO, value::Real)
    isfinite(value) || throw(BridgeError("a file's metadata", "finite numbers", string(value)))
    print(io, Float64(value))
end
function write_json(io::IO, text::AbstractString)
    print(io, '"')
    for c in text
        if c == '"' || c == '\\'
            print(io, '\\', c)
        elseif c < ' '
            print(io, "\\u", string(UInt32(c), base = 16, pad = 4))
        else
            print(io, c)
        end
    end
    print(io, '"')
end
function write_json(io::IO, values::Union{AbstractVector,Tuple})
    print(io, '[')
    for (place, value) in enumerate(values)
        place == 1 || print(io, ',')
        write_json(io, value)
    end
    print(io, ']')
end
function write_json(io::IO, object::AbstractDict)
    print(io, '{')
    for (place, key) in enumerate(sort!(collect(keys(object))))
        place == 1 || print(io, ',')
        write_json(io, key)
        print(io, ':')
        write_json(io, object[key])
    end
    print(io, '}')
end

# The words of refusals that are used more than once. Elements are called what Python calls them, to the letter.

# How much of a list or of a name an error shows.
const SHOWN = 8
const LONGEST = 510

# Control characters, white space but the common one, and what is invisible or has no meaning of its own: by ranges, since
# releases of Unicode differ in what they know. bridge/diagram/messages.py has the same.
const HIDDEN = ((0x00, 0x1f), (0x7f, 0xa0), (0xad, 0xad), (0x61c, 0x61c), (0x1680, 0x1680), (0x180e, 0x180e),
                (0x2000, 0x200f), (0x2028, 0x202f), (0x205f, 0x206f), (0x3000, 0x3000), (0xd800, 0xf8ff), (0xfeff, 0xfeff),
                (0xfff0, 0xfffb),
                (0xe0000, 0x10ffff))

is_hidden(c::Char) = !isvalid(c) || any(range -> range[1] <= UInt32(c) <= range[2], HIDDEN)

function print_escaped(io::IO, c::Char, mark::Char)
    if c == mark || c == '\\'
        print(io, '\\', c)
    elseif c in "\n\r\t"
        print(io, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t")
    elseif !is_hidden(c)
        print(io, c)
    elseif !isvalid(c)
        print(io, "\\ufffd")
    else
        code = UInt32(c)
        width, letter = code <= 0xff ? (2, 'x') : code <= 0xffff ? (4, 'u') : (8, 'U')
        print(io, '\\', letter, string(code; base = 16, pad = width))
    end
end

"""
    quoted(value) -> String

A name or value as an error shows it, which is as Python shows it, cut off where it is long.

```jldoctest
julia> print(DiagramBridge.quoted("digits"))
'digits'
```
"""
function quoted(text::AbstractString)
    io = IOBuffer()
    mark = '\'' in text && !('"' in text) ? '"' : '\''
    print(io, mark)
    for (k, c) in enumerate(text)
        k > LONGEST && break
        print_escaped(io, c, mark)
    end
    print(io, mark)
    shown = String(take!(io))
    return length(shown) <= LONGEST ? shown : string(first(shown, LONGEST), '…')
end

quoted(value::Bool) = value ? "True" : "False"
quoted(value::Integer) = string(value)
quoted(value::AbstractFloat) = isnan(value) ? "nan" : isinf(value) ? (value > 0 ? "inf" : "-inf") : string(value)
quoted(values::AbstractVector) = shape_text(values)

"""
Where something may be wrong: `outer, kind 'name' suffix`. Every element is looked at and few are refused, so that it is
text only in a refusal.
"""
struct Where
    outer::Union{Where,String,Nothing}
    kind::String
    name::Union{String,Nothing}
    suffix::String
end

function Base.print(io::IO, where::Where)
    where.outer === nothing || print(io, where.outer, ", ")
    print(io, where.kind)
    where.name === nothing || print(io, ' ', quoted(where.name))
    print(io, where.suffix)
end

"How an error calls an element: `space 'image'`."
element(kind::String, name::AbstractString) = Where(nothing, kind, name, "")

"How an error calls a part of what it calls `where`."
inside(where, part::String) = Where(where, part, nothing, "")
inside(where, kind::String, name::AbstractString, suffix = "") = Where(where, kind, name, suffix)

"Names in a row, cut off after a few."
function listing(names)
    isempty(names) && return "none"
    shown = join((quoted(name) for name in Iterators.take(names, SHOWN)), ", ")
    return length(names) > SHOWN ? "$shown, … ($(length(names)) in all)" : shown
end

"A noun with its article."
article(noun::AbstractString) = string(first(noun) in "aeiouAEIOU" ? "an " : "a ", noun)

"The sizes of one sample: `(8, length)`, `(10,)`."
shape_text(shape) = length(shape) == 1 ? "($(first(shape)),)" : string('(', join(shape, ", "), ')')

"Throw a refusal."
@noinline refuse(element, expected, found, kind = "") = throw(BridgeError(string(element), expected, found, kind))

"Refuse a name that nothing has."
@noinline refuse_unknown(where, kind, name, known) =
    refuse(where, "the name of $(article(kind)) ($(listing(known)))", quoted(name), "unknown")

# Which names elements may have; bridge/diagram/names.py has the same rules, and why.

const NAME_BYTES = 200
const LABEL_BYTES = 500
const FORBIDDEN = ".,()[]{}~#/\\\"'`;"
const NAME_RULE =
    "a name of 1 to $NAME_BYTES bytes without white space and without . , ( ) [ ] { } ~ # / \\ \" ' ` ;"
const LABEL_RULE = "a name of 1 to $LABEL_BYTES bytes without control characters, and no white space at the ends"

"""
    is_name(text) -> Bool

Whether `text` may be the name of a space, axis, source, column, component, arrow or node.

```jldoctest
julia> DiagramBridge.is_name.(["student", "0", "my student", "a.b"]) == [true, true, false, false]
true
```
"""
is_name(text::AbstractString) = 1 <= sizeof(text) <= NAME_BYTES && isvalid(text) && !any(is_forbidden, text)

is_forbidden(c::Char) = c < '\x21' || c == '\x7f' || c in FORBIDDEN

"Whether `text` may be the name of a diagram, agreement, commute, output or reference."
is_label(text::AbstractString) = 1 <= sizeof(text) <= LABEL_BYTES && isvalid(text) &&
                                 !any(c -> c < '\x20' || c == '\x7f', text) && !startswith(text, ' ') && !endswith(text, ' ')

function check_name(kind, name::AbstractString, where = nothing)
    is_name(name) || refuse(where === nothing ? element(kind, name) : where, NAME_RULE, quoted(name), "name")
    return nothing
end

function check_label(kind, name::AbstractString, where = nothing)
    is_label(name) || refuse(where === nothing ? element(kind, name) : where, LABEL_RULE, quoted(name), "name")
    return nothing
end

# Attributes of layers and divergences: their definitions, defaults and checks.

"What an attribute's value is: its Julia type says its kind."
const AttributeValue = Union{Int,Float64,String,Bool,Vector{Int}}

"Attributes by name; in a canonical diagram they are sorted."
const Attributes = Vector{Pair{String,AttributeValue}}

kind_text(::Type{Int}) = "an integer"
kind_text(::Type{Float64}) = "a finite number"
kind_text(::Type{String}) = "a text"
kind_text(::Type{Bool}) = "true or false"
kind_text(::Type{Vector{Int}}) = "a list of integers"

"What a value has to be besides of its kind; `text` says it in an error."
struct Constraint
    text::String
    holds::Function
end

one_of(choices::String...) = Constraint("one of $(listing(choices))", value -> value in choices)

const POSITIVE = Constraint("a number above 0", value -> value > 0)
const UNCONSTRAINED = Constraint("", value -> true)

"A named attribute of a kind. Without a default it has to be given."
struct AttributeDefinition
    name::String
    kind::DataType
    default::Union{Nothing,AttributeValue}
    constraint::Constraint
end

AttributeDefinition(name, kind, default = nothing) = AttributeDefinition(name, kind, default, UNCONSTRAINED)

"""
    attribute(attributes, name, T) -> T

The value of an attribute that is there, and of that kind.
"""
function attribute(attributes::Attributes, name::String, ::Type{T}) where {T}
    for (other, value) in attributes
        other == name && return value::T
    end
    throw(KeyError(name))
end

"The attributes sorted by name, with −0.0 stored as 0.0."
sorted(attributes::Attributes) =
    sort!(Attributes([name => unsigned_zero(value) for (name, value) in attributes]); by = first)

unsigned_zero(value::Float64) = value + 0.0
unsigned_zero(value::AttributeValue) = value

"""
    resolve(where, definitions, given, kind = "layer") -> Attributes

The given attributes with defaults filled in, each value made exactly its definition's kind where it means one.
"""
function resolve(where, definitions::Vector{AttributeDefinition}, given, kind = "layer")
    values = Dict{String,Any}(d.name => d.default for d in definitions if d.default !== nothing)
    kinds = Dict{String,DataType}(d.name => d.kind for d in definitions)
    for (name, value) in given
        values[String(name)] = convert_value(get(kinds, String(name), Any), value)
    end
    check_names(where, definitions, sort!(collect(keys(values))), kind)
    foreach(d -> check_value(where, d, values[d.name], kind), definitions)
    return sorted(Attributes([name => value for (name, value) in values]))
end

convert_value(::Type{Float64}, value::Real) = value isa Bool ? value : Float64(value)
convert_value(::Type{Int}, value::Integer) = is_integer(value) ? Int(value) : value
convert_value(::Type{Vector{Int}}, value::Union{Tuple,AbstractVector}) = all(is_integer, value) ? Int[value...] : value
convert_value(::Type{String}, value::AbstractString) = String(value)
convert_value(::Type, value) = value

is_integer(value) = value isa Integer && !(value isa Bool) && typemin(Int) <= value <= typemax(Int)

"Refuse attributes that are unknown, double, missing, of another kind or out of range."
function check_attributes(where, definitions::Vector{AttributeDefinition}, attributes::Attributes, kind = "layer")
    check_names(where, definitions, first.(attributes), kind)
    for definition in definitions
        place = findfirst(pair -> first(pair) == definition.name, attributes)
        check_value(where, definition, attributes[place].second, kind)
    end
    return nothing
end

function check_names(where, definitions::Vector{AttributeDefinition}, names::Vector{String}, kind)
    fits = length(names) == length(definitions) && all(d -> count(==(d.name), names) == 1, definitions)
    return fits ? nothing : refuse_names(where, definitions, names, kind)
end

function check_value(where, definition::AttributeDefinition, value, kind)
    fits = value isa AttributeValue && fits_value(definition, value)
    return fits ? nothing : refuse_value("$where, attribute '$(definition.name)'", definition, value, kind)
end

function refuse_names(where, definitions, names, kind)
    wanted = [d.name for d in definitions]
    counts = Dict{String,Int}()
    foreach(name -> counts[name] = get(counts, name, 0) + 1, names)
    odd = filter(name -> !(name in wanted) || counts[name] > 1, names)
    missing_ones = filter(name -> !haskey(counts, name), wanted)
    found = isempty(odd) ? "none named $(listing(missing_ones))" : "$(listing(odd)) besides"
    refuse(where, "the attributes $(listing(wanted))", found, kind)
end

function fits_value(definition::AttributeDefinition, value::AttributeValue)
    value isa definition.kind || return false
    value isa Float64 && !isfinite(value) && return false
    value isa Vector && length(value) > MAX_SPACE_AXES && return false
    return definition.constraint.holds(value)::Bool
end

function refuse_value(where, definition::AttributeDefinition, value, kind)
    if !(value isa AttributeValue)
        refuse(where, kind_text(definition.kind), article(string(typeof(value))), kind)
    elseif !(value isa definition.kind) || value isa Float64 && !isfinite(value)
        refuse(where, kind_text(definition.kind), quoted(value), kind)
    elseif value isa Vector && length(value) > MAX_SPACE_AXES
        refuse(where, "at most $MAX_SPACE_AXES numbers", string(length(value)), "limit")
    end
    refuse(where, definition.constraint.text, quoted(value), kind)
end

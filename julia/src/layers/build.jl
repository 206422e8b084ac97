"The attributes of one layer that no constructor has asked for yet."
struct Remaining
    element::String
    attributes::Dict{String,Any}
end

"Take out the attribute `name`, which has to be there and to be a `T`."
function attribute!(remaining::Remaining, name::String, ::Type{T})::T where {T}
    haskey(remaining.attributes, name) || throw(BridgeError(remaining.element, "an attribute '$name'", "none"))
    value = pop!(remaining.attributes, name)
    value isa T || throw(BridgeError("$(remaining.element), attribute '$name'", string(T), repr(value)))
    return value
end

"""
    build(operation::String, version::Integer, attributes::Dict{String,Any}) -> Layer

The native implementation of a portable layer. Attributes are Int, Float64, String, Bool or Vector{Int} by name, and
all of them are needed. Throws a `BridgeError` that names what is unknown or does not fit.
"""
function build(operation::String, version::Integer, attributes::Dict{String,Any})
    element = "layer '$operation'"
    haskey(CONSTRUCTORS, operation) || throw(BridgeError(element, "a known operation", "none of that name"))
    version == 1 || throw(BridgeError(element, "version 1", "version $version"))
    remaining = Remaining(element, copy(attributes))
    layer = CONSTRUCTORS[operation](remaining)
    if !isempty(remaining.attributes)
        throw(BridgeError(element, "its own attributes only", "'$(minimum(keys(remaining.attributes)))'"))
    end
    return layer
end

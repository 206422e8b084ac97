"""
    build(operation, version, attributes) -> Layer

The native implementation of a portable layer. `attributes` are pairs of a name and an Int, Float64, String, Bool or
Vector{Int}, and all that the layer's row lists are needed. Throws a `BridgeError` that names what is unknown or does not
fit.
"""
function build(operation::AbstractString, version::Integer, attributes)
    where = "layer $(quoted(operation))"
    row = definition(operation, version, where)
    values = Attributes([String(name) => value for (name, value) in attributes])
    check_attributes(where, row.attributes, values)
    layer = row.make(values)::Layer
    check_layer(layer, where)
    return layer
end

# Initial values of parameters. They are drawn from the portable generator, from a seed and the parameter's name, so that they
# do not depend on the order of components. PyTorch draws others.

"Fill a parameter of a layer with its initial values. `key` names the parameter."
function initialise!(array::Array, layer::PortableLayer, parameter::String, seed::UInt64, key::String)
    layer.operation == "layer_norm" && return fill!(array, parameter == "weight" ? 1 : 0)
    layer.operation == "linear" ||
        throw(BridgeError(string(element("layer", layer.operation)), "a layer with parameters", "none"))
    inputs, outputs = attribute(layer.attributes, "in", Int), attribute(layer.attributes, "out", Int)
    kind = attribute(layer.attributes, "init", String)
    kind == "kaiming_uniform" && return uniform!(array, 1 / sqrt(inputs), seed, key) # torch.nn.Linear's, also for the bias
    kind == "glorot_uniform" && parameter == "weight" && return uniform!(array, sqrt(6 / (inputs + outputs)), seed, key)
    return fill!(array, 0)
end

"Uniform numbers from −bound to bound, in memory order."
function uniform!(array::Array{T}, bound::Float64, seed::UInt64, key::String) where {T}
    words = order_words(seed, 0, key, length(array))
    for (k, word) in enumerate(words)
        array[k] = T(bound * (2 * ((word >> 11) * 2.0^-53) - 1))
    end
    return array
end

# Initial values of parameters. They are drawn from the portable generator, from a seed and the parameter's name, so that
# they do not depend on the order of components. PyTorch draws others.

"Fill a parameter or buffer of a layer with its initial values, in memory order. `key` names it."
function initialise!(array::Array, layer::PortableLayer, name::String, seed::UInt64, key::String)
    row = definition(layer.operation, layer.version, "layer")
    return initialise!(array, row.initial(layer.attributes, name), seed, key)
end

initialise!(array::Array, initial::ConstantValues, ::UInt64, ::String) = fill!(array, initial.value)

function initialise!(array::Array{T}, initial::UniformValues, seed::UInt64, key::String) where {T}
    for (k, word) in enumerate(order_words(seed, 0, key, length(array)))
        array[k] = T(initial.bound * (2 * unit(word) - 1))
    end
    return array
end

# Two words a number, by Box and Muller.
function initialise!(array::Array{T}, initial::NormalValues, seed::UInt64, key::String) where {T}
    words = order_words(seed, 0, key, 2 * length(array))
    for k in eachindex(array)
        radius = sqrt(-2 * log1p(-unit(words[2k - 1])))
        array[k] = T(initial.deviation * radius * cospi(2 * unit(words[2k])))
    end
    initial.zero_row < 0 || fill!(selectdim(array, ndims(array), initial.zero_row + 1), 0)
    return array
end

"A word of the generator as a number from 0 to, and not including, 1."
unit(word::UInt64) = (word >> 11) * 2.0^-53

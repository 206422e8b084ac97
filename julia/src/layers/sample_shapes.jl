# The shapes of samples, without running anything: row-major, without the batch. A size may be the name of a variable.

const Size = Union{Int,String}
const SampleShape = Vector{Size}

"""
    sample_shape(layer, where, inputs::Vector{SampleShape}) -> SampleShape

The shape of the output of a layer that has one, for samples of these shapes; those that do not fit are refused, about
`where`.
"""
function sample_shape end

"""
    sample_shapes(layer, where, inputs::Vector{SampleShape}) -> Vector{SampleShape}

The shapes of a layer's outputs, likewise.
"""
sample_shapes(layer::Layer, where, inputs::Vector{SampleShape}) =
    SampleShape[sample_shape(layer, where, inputs)::SampleShape]

@noinline refuse_shape(where, expected, shape) = refuse(where, expected, "one of shape $(shape_text(shape))", "layer")

same_shape(where, inputs) = all(==(inputs[1]), inputs) ? inputs[1] :
    refuse_shape(where, "inputs of equal shape $(shape_text(inputs[1]))", inputs[findfirst(!=(inputs[1]), inputs)])

function number_of_values(where, shape::SampleShape)
    any(size -> size isa String, shape) && refuse_shape(where, "an input without variable sizes", shape)
    return bounded_product(shape)
end

# The shapes of samples, without running anything: row-major, without the batch. A size may be the name of a variable.

const Size = Union{Int,String}
const SampleShape = Vector{Size}

"""
    sample_shape(layer, where, inputs::Vector{SampleShape}) -> SampleShape

The shape of a layer's output for samples of these shapes; those that do not fit are refused, about `where`.
"""
function sample_shape end

@noinline refuse_shape(where, expected, shape) = refuse(where, expected, "one of shape $(shape_text(shape))", "layer")

same_shape(where, inputs) = all(==(inputs[1]), inputs) ? inputs[1] :
    refuse_shape(where, "inputs of equal shape $(shape_text(inputs[1]))", inputs[findfirst(!=(inputs[1]), inputs)])

sample_shape(::Union{Activation,Identity,Add,Multiply}, where, inputs::Vector{SampleShape}) = same_shape(where, inputs)

function sample_shape(layer::Linear, where, inputs::Vector{SampleShape})
    shape = inputs[1]
    isempty(shape) || last(shape) != layer.inputs ||
        return SampleShape([i < length(shape) ? shape[i] : layer.outputs for i in 1:length(shape)])
    refuse_shape(where, "an input whose last axis has size $(layer.inputs)", shape)
end

sample_shape(layer::Union{Softmax,LogSoftmax}, where, inputs::Vector{SampleShape}) =
    1 <= layer.place <= length(inputs[1]) ? inputs[1] :
    refuse_shape(where, "an input with an axis $(-layer.place)", inputs[1])

function sample_shape(layer::LayerNorm, where, inputs::Vector{SampleShape})
    shape, n = inputs[1], length(layer.shape)
    n <= length(shape) && shape[(end - n + 1):end] == layer.shape && return shape
    refuse_shape(where, "an input whose last axes are $(shape_text(layer.shape))", shape)
end

function number_of_values(where, shape::SampleShape)
    any(size -> size isa String, shape) && refuse_shape(where, "an input without variable sizes", shape)
    return bounded_product(shape)
end

sample_shape(::Flatten, where, inputs::Vector{SampleShape}) =
    length(inputs[1]) == 1 ? inputs[1] : SampleShape([number_of_values(where, inputs[1])])

function sample_shape(layer::Reshape, where, inputs::Vector{SampleShape})
    number_of_values(where, inputs[1]) == bounded_product(layer.shape) ||
        refuse_shape(where, "an input of $(prod(BigInt.(layer.shape))) numbers", inputs[1])
    return SampleShape(layer.shape)
end

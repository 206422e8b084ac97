"""
    Linear(inputs, outputs, bias)

y = W x + b over the last axis of the sample (torch.nn.Linear): x is (inputs, …, batch), y is (outputs, …, batch). The
weight is (inputs, outputs) here, which is torch's (outputs, inputs) in memory.
"""
struct Linear <: Layer
    inputs::Int
    outputs::Int
    bias::Bool
end

Linear(a::Attributes) = Linear(attribute(a, "in", Int), attribute(a, "out", Int), attribute(a, "bias", Bool))

parameter_names(layer::Linear) = layer.bias ? ("weight", "bias") : ("weight",)
parameter_shapes(layer::Linear) =
    layer.bias ? ((layer.outputs, layer.inputs), (layer.outputs,)) : ((layer.outputs, layer.inputs),)

"What torch.nn.Linear starts with (`kaiming_uniform`, also for the bias), or Flux's Dense (`glorot_uniform`)."
function initial_linear(a::Attributes, name::String)
    kind = attribute(a, "init", String)
    inputs, outputs = attribute(a, "in", Int), attribute(a, "out", Int)
    kind == "kaiming_uniform" && return UniformValues(1 / sqrt(inputs))
    return kind == "glorot_uniform" && name == "weight" ? UniformValues(sqrt(6 / (inputs + outputs))) : ConstantValues(0)
end

function sample_shape(layer::Linear, where, inputs::Vector{SampleShape})
    shape = inputs[1]
    isempty(shape) || last(shape) != layer.inputs ||
        return SampleShape([i < length(shape) ? shape[i] : layer.outputs for i in 1:length(shape)])
    refuse_shape(where, "an input whose last axis has size $(layer.inputs)", shape)
end

function check_sizes(layer::Linear, parameters::Tuple, x::Array)
    fits = ndims(x) >= 2 && size(x, 1) == layer.inputs && map(reverse ∘ size, parameters) == parameter_shapes(layer)
    fits && return
    found = "an input of $(size(x)) and parameters of $(map(size, parameters)) in Julia's order"
    throw(BridgeError("layer 'linear'", "$(layer.inputs) to $(layer.outputs) features", found))
end

function forward(layer::Linear, parameters::Tuple, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x = inputs[1]
    check_sizes(layer, parameters, x)
    y = output!(memory, 1, T, (layer.outputs, Base.tail(size(x))...))
    columns = length(y) ÷ layer.outputs
    if layer.bias
        fill_columns!(y, parameters[2], columns)
    end
    gemm!('T', 'N', layer.outputs, columns, layer.inputs, parameters[1], x, T(layer.bias), y)
    return (y,), nothing
end

function pullback(
    layer::Linear, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    x, dy = inputs[1], dvalues[1]
    columns = length(dy) ÷ layer.outputs
    dx = dweight = dbias = nothing
    if needs_inputs[1]
        dx = input_gradient!(memory, 1, T, size(x))
        gemm!('N', 'N', layer.inputs, columns, layer.outputs, parameters[1], dy, zero(T), dx)
    end
    if needs_parameters[1]
        dweight = parameter_gradient!(memory, 1, T, (layer.inputs, layer.outputs))
        gemm!('N', 'T', layer.inputs, layer.outputs, columns, x, dy, zero(T), dweight)
    end
    layer.bias || return (dx,), (dweight,)
    if needs_parameters[2]
        dbias = parameter_gradient!(memory, 2, T, (layer.outputs,))
        sum_columns!(dbias, dy, columns)
    end
    return (dx,), (dweight, dbias)
end

"Set each of the columns of `y`, as a matrix, to `column`."
function fill_columns!(y::Array{T}, column::Vector{T}, columns::Int) where {T}
    rows = length(column)
    for j in 0:columns-1
        unsafe_copyto!(y, j * rows + 1, column, 1, rows)
    end
    return y
end

"Set `total` to the sum of the columns of `a`, as a matrix."
function sum_columns!(total::Vector{T}, a::Array{T}, columns::Int) where {T}
    fill!(total, zero(T))
    rows = length(total)
    # Four columns at a time: fewer passes over the total, and smaller rounding errors.
    grouped = columns - columns % 4
    for j in 0:4:grouped-1
        @inbounds @simd ivdep for i in j*rows+1:j*rows+rows
            total[i-j*rows] += (a[i] + a[i+rows]) + (a[i+2rows] + a[i+3rows])
        end
    end
    for j in grouped:columns-1
        @inbounds @simd ivdep for i in 1:rows
            total[i] += a[j*rows+i]
        end
    end
    return total
end

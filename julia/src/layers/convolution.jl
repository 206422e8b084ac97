"""
    Convolution(name, axes, inputs, outputs, windows, groups, bias)

Correlation of the planes of `inputs` channels with a kernel for each of `outputs` channels, plus the bias: torch.nn.Conv1d
and Conv2d, whose formula for the sizes holds. Of g groups, each g-th part of the outputs sees the same part of the inputs.
`axes` is the number of spatial axes. The weight (kernel…, inputs / groups, outputs) is torch's in memory.
"""
struct Convolution <: Layer
    name::String
    axes::Int
    inputs::Int
    outputs::Int
    windows::Windows
    groups::Int
    bias::Bool
end

"""
    TransposedConvolution(name, axes, inputs, outputs, windows, groups, bias, more)

What a convolution's pullback is to its input, as a layer of its own, plus the bias: torch.nn.ConvTranspose1d and
ConvTranspose2d. `more` is torch's `output_padding`, a pair like those of `Windows`. The weight is
(kernel…, outputs / groups, inputs).
"""
struct TransposedConvolution <: Layer
    name::String
    axes::Int
    inputs::Int
    outputs::Int
    windows::Windows
    groups::Int
    bias::Bool
    more::Tuple{Int,Int}
end

function Convolution(name::String, axes::Int, a::Attributes)
    windows = Windows(a; dilation = attribute(a, "dilation", Vector{Int}))
    sizes = (attribute(a, "in", Int), attribute(a, "out", Int))
    return Convolution(name, axes, sizes..., windows, attribute(a, "groups", Int), attribute(a, "bias", Bool))
end

function TransposedConvolution(name::String, axes::Int, a::Attributes)
    c = Convolution(name, axes, a)
    more = pair(attribute(a, "output_padding", Vector{Int}), 0)
    return TransposedConvolution(name, axes, c.inputs, c.outputs, c.windows, c.groups, c.bias, more)
end

const AnyConvolution = Union{Convolution,TransposedConvolution}

parameter_names(layer::AnyConvolution) = layer.bias ? ("weight", "bias") : ("weight",)

function parameter_shapes(layer::AnyConvolution)
    kernel = layer.axes == 1 ? (layer.windows.kernel[1],) : reverse(layer.windows.kernel)
    weight = layer isa Convolution ? (layer.outputs, layer.inputs ÷ layer.groups, kernel...) :
             (layer.inputs, layer.outputs ÷ layer.groups, kernel...)
    return layer.bias ? (weight, (layer.outputs,)) : (weight,)
end

"What torch's convolutions start with (`kaiming_uniform`, also for the bias), or Flux's (`glorot_uniform`)."
function initial_convolution(make::Base.Callable, name::String, axes::Int)
    return function (a::Attributes, parameter::String)
        kind = attribute(a, "init", String)
        weight = parameter_shapes(make(name, axes, a))[1]
        kernel = prod(weight[3:end])
        kind == "kaiming_uniform" && return UniformValues(1 / sqrt(weight[2] * kernel))
        kind == "glorot_uniform" && parameter == "weight" &&
            return UniformValues(sqrt(6 / ((weight[1] + weight[2]) * kernel)))
        return ConstantValues(0)
    end
end

function check_layer(layer::AnyConvolution, where)
    layer.inputs % layer.groups == 0 == layer.outputs % layer.groups ||
        refuse(where, "channels that $(layer.groups) groups divide", "$(layer.inputs) to $(layer.outputs) channels", "layer")
    layer isa Convolution && return nothing
    w = layer.windows
    if any(map((more, s, d) -> more >= max(s, d), layer.more, w.stride, w.dilation))
        more, stride, dilation = (shape_text(row_major(pair, layer.axes)) for pair in (layer.more, w.stride, w.dilation))
        found = "$more with stride $stride and dilation $dilation"
        refuse(where, "an output_padding below the stride or the dilation", found, "layer")
    end
end

function sample_shape(layer::Convolution, where, inputs::Vector{SampleShape})
    check_spatial(where, inputs[1], layer.axes, layer.inputs)
    return SampleShape([layer.outputs; window_counts(where, layer.windows, inputs[1], layer.axes)])
end

function sample_shape(layer::TransposedConvolution, where, inputs::Vector{SampleShape})
    shape, w = inputs[1], layer.windows
    sizes = check_spatial(where, shape, layer.axes, layer.inputs)
    stride = row_major(w.stride, layer.axes)
    # What is added to (size − 1) · stride.
    more = row_major(map((r, more, p) -> r + more + 1 - 2p, reach(w), layer.more, w.padding), layer.axes)
    check_variables(where, shape, [stride[i] == more[i] == 1 for i in 1:layer.axes])
    made = Size[n isa String ? n : (n - 1) * stride[i] + more[i] for (i, n) in enumerate(sizes)]
    any(n -> n isa Int && n < 1, made) &&
        refuse_shape(where, "spatial sizes that the padding leaves something of", shape)
    return SampleShape([layer.outputs; made])
end

"The size of the planes that come out."
result_plane(layer::Convolution, plane::Tuple{Int,Int}) = windows_on(layer.windows, plane)

function result_plane(layer::TransposedConvolution, plane::Tuple{Int,Int})
    w = layer.windows
    return map((n, s, p, r, more) -> (n - 1) * s - 2p + r + more + 1, plane, w.stride, w.padding, reach(w), layer.more)
end

function Correlation(layer::Convolution, parameters::Tuple, x::Array)
    result = check_sizes(layer, parameters, x)
    return Correlation(layer.windows, layer.groups, layer.inputs ÷ layer.groups, layer.outputs ÷ layer.groups, plane(x),
                       result, size(x, ndims(x)))
end

# The correlation whose transpose it is.
function Correlation(layer::TransposedConvolution, parameters::Tuple, x::Array)
    result = check_sizes(layer, parameters, x)
    return Correlation(layer.windows, layer.groups, layer.outputs ÷ layer.groups, layer.inputs ÷ layer.groups, result,
                       plane(x), size(x, ndims(x)))
end

function check_sizes(layer::AnyConvolution, parameters::Tuple, x::Array)
    if ndims(x) == layer.axes + 2 && channels(x) == layer.inputs &&
       map(reverse ∘ size, parameters) == parameter_shapes(layer)
        result = result_plane(layer, plane(x))
        all(>(0), result) && return result
    end
    found = "an input of $(size(x)) and parameters of $(map(size, parameters)) in Julia's order"
    throw(BridgeError("layer '$(layer.name)'", "$(layer.inputs) planes on which the kernel fits", found))
end

function forward(layer::Convolution, parameters::Tuple, inputs::Tuple{Array{T}}, memory::Memory, _) where {T}
    x = inputs[1]
    c = Correlation(layer, parameters, x)
    y = output!(memory, 1, T, resized(x, c.to, layer.outputs))
    correlate!(y, x, parameters[1], layer.bias ? parameters[2] : nothing, c, memory)
    return (y,), nothing
end

function forward(layer::TransposedConvolution, parameters::Tuple, inputs::Tuple{Array{T}}, memory::Memory, _) where {T}
    x = inputs[1]
    c = Correlation(layer, parameters, x)
    y = output!(memory, 1, T, resized(x, c.from, layer.outputs))
    spread!(y, x, parameters[1], layer.bias ? parameters[2] : nothing, c, memory)
    return (y,), nothing
end

function pullback(
    layer::AnyConvolution, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    x, dy = inputs[1], dvalues[1]
    c = Correlation(layer, parameters, x)
    dx = dweight = dbias = nothing
    if needs_inputs[1]
        dx = input_gradient!(memory, 1, T, size(x))
        layer isa Convolution ? spread!(dx, dy, parameters[1], nothing, c, memory) :
        correlate!(dx, dy, parameters[1], nothing, c, memory)
    end
    if needs_parameters[1]
        dweight = parameter_gradient!(memory, 1, T, size(parameters[1]))
        planes, results = layer isa Convolution ? (x, dy) : (dy, x)
        correlate_weight!(dweight, planes, results, c, memory)
    end
    layer.bias || return (dx,), (dweight,)
    if needs_parameters[2]
        dbias = sum_planes!(parameter_gradient!(memory, 2, T, size(parameters[2])), dy)
    end
    return (dx,), (dweight, dbias)
end

"Set `total` to the sum of the planes of each channel of `dy`."
function sum_planes!(total::Vector{T}, dy::Array{T}) where {T}
    n, size = length(total), isempty(dy) ? 0 : prod(plane(dy))
    images = isempty(dy) ? 0 : length(dy) ÷ (n * size)
    GC.@preserve total dy parts(n, cld(LEAST_PART, max(1, images * size))) do first, last, _
        for channel in (first - 1):(last - 1)
            sum = zero(T)
            for image in 0:(images - 1)
                sum += sum_of_run(pointer(dy) + (image * n + channel) * size * sizeof(T), size)
            end
            unsafe_store!(pointer(total), sum, channel + 1)
        end
    end
    return total
end

"""
NNlib's convolution for a portable one, on arrays that the caller gives. NNlib's `flipkernel` stands for torch's correlation,
and a transposed convolution is the pullback of the convolution that leads back.
"""
struct FluxConvolution{L<:AnyConvolution} <: Layer
    layer::L
end

in_flux(layer::Convolution) = FluxConvolution(layer)

# NNlib takes the sizes of the convolution that leads back from the larger side alone, and finds other ones here.
in_flux(layer::TransposedConvolution) =
    all(map(<, layer.more, layer.windows.stride)) ? FluxConvolution(layer) : layer

DiagramBridge.parameter_names(f::FluxConvolution) = DiagramBridge.parameter_names(f.layer)
DiagramBridge.parameter_shapes(f::FluxConvolution) = DiagramBridge.parameter_shapes(f.layer)
DiagramBridge.reads(f::FluxConvolution) = DiagramBridge.reads(f.layer)

# Of a convolution with inputs like `x`: sizes of the larger side with the planes `plane` and `channels` channels.
function convolution_sizes(f::FluxConvolution, x::Array{T,N}, weight::Array{T,N}, plane, channels::Int) where {T,N}
    w, axes = f.layer.windows, N - 2
    size = (plane[1:axes]..., channels, Base.size(x, N))
    return NNlib.DenseConvDims(size, Base.size(weight); stride = w.stride[1:axes], padding = w.padding[1:axes],
                               dilation = w.dilation[1:axes], groups = f.layer.groups, flipkernel = true)
end

function sizes_and_result(f::FluxConvolution, parameters::Tuple, x::Array)
    plane = DiagramBridge.check_sizes(f.layer, parameters, x)
    result = DiagramBridge.resized(x, plane, f.layer.outputs)
    f.layer isa Convolution &&
        return convolution_sizes(f, x, parameters[1], DiagramBridge.plane(x), f.layer.inputs), result
    return convolution_sizes(f, x, parameters[1], plane, f.layer.outputs), result
end

function DiagramBridge.forward(
    f::FluxConvolution, parameters::Tuple, inputs::Tuple{Array{T}}, memory::Memory, ::Any,
) where {T}
    x = inputs[1]
    sizes, result = sizes_and_result(f, parameters, x)
    y = DiagramBridge.output!(memory, 1, T, result)
    f.layer isa Convolution ? NNlib.conv!(y, x, parameters[1], sizes) : NNlib.∇conv_data!(y, x, parameters[1], sizes)
    f.layer.bias && (y .+= reshape(parameters[2], ntuple(_ -> 1, ndims(y) - 2)..., :))
    return (y,), sizes
end

function DiagramBridge.pullback(
    f::FluxConvolution, parameters::Tuple, inputs::Tuple{Array{T}}, ::Tuple, sizes, dvalues::Tuple{Array{T}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T}
    x, dy, weight = inputs[1], dvalues[1], parameters[1]
    dx = dweight = dbias = nothing
    if needs_inputs[1]
        dx = DiagramBridge.input_gradient!(memory, 1, T, size(x))
        f.layer isa Convolution ? NNlib.∇conv_data!(dx, dy, weight, sizes) : NNlib.conv!(dx, dy, weight, sizes)
    end
    if needs_parameters[1]
        dweight = DiagramBridge.parameter_gradient!(memory, 1, T, size(weight))
        f.layer isa Convolution ? NNlib.∇conv_filter!(dweight, x, dy, sizes) : NNlib.∇conv_filter!(dweight, dy, x, sizes)
    end
    f.layer.bias || return (dx,), (dweight,)
    if needs_parameters[2]
        dbias = DiagramBridge.parameter_gradient!(memory, 2, T, size(parameters[2]))
        sum!(reshape(dbias, ntuple(_ -> 1, ndims(dy) - 2)..., :, 1), dy)
    end
    return (dx,), (dweight, dbias)
end

# Pooling, interpolation and padding by NNlib. What it has not, or has otherwise, stays with the portable layer's own loops:
# the gradient of its maximum goes to whatever is close to the maximum, its mean counts the padding, and its adaptive windows
# are all of one size.

check_inputs(layer::Union{DiagramBridge.MeanPool,DiagramBridge.Upsample}, ::Tuple, inputs::Tuple) =
    DiagramBridge.check_sizes(layer, inputs[1])
check_inputs(layer::DiagramBridge.Pad, ::Tuple, inputs::Tuple) = DiagramBridge.padded_size(layer, inputs[1])

function in_flux(layer::DiagramBridge.MeanPool)
    layer.count_padding || layer.windows.padding == (0, 0) || return layer
    w, axes = layer.windows, layer.axes
    return FluxLayer(layer, x -> NNlib.meanpool(x, w.kernel[1:axes]; stride = w.stride[1:axes], pad = w.padding[1:axes]))
end

in_flux(layer::DiagramBridge.NearestUpsample) = FluxLayer(layer, x -> NNlib.upsample_nearest(x, layer.factor))
# NNlib divides 0 by 0 where corners are aligned along an axis of size 1: there the portable layer's own code runs.
in_flux(layer::DiagramBridge.BilinearUpsample) = layer.align_corners ? layer :
    FluxLayer(layer, x -> NNlib.upsample_bilinear(x, layer.factor; align_corners = false))

function in_flux(layer::DiagramBridge.Pad)
    axes = length(layer.before)
    widths = Tuple(width for i in axes:-1:1 for width in (layer.before[i], layer.after[i]))
    return FluxLayer(layer, x -> NNlib.pad_constant(x, widths, eltype(x)(layer.value); dims = ntuple(identity, axes)))
end

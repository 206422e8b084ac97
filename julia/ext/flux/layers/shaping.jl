# Parts, permutations and sums by Base's own functions, for which Zygote has rules.

in_flux(layer::DiagramBridge.Concat) = (dims = layer.place; FluxLayer(layer, (xs...) -> cat(xs...; dims)))
in_flux(layer::DiagramBridge.Permute) =
    (order = DiagramBridge.axis_order(layer.axes); FluxLayer(layer, x -> permutedims(x, order)))

"The elements at some places along an axis."
along(x::Array{T,N}, axis::Int, places) where {T,N} = x[ntuple(i -> i == axis ? places : Colon(), N)...]

in_flux(layer::DiagramBridge.Slice) =
    FluxLayer(layer, x -> along(x, layer.place, (layer.start + 1):layer.step:layer.stop))

function in_flux(layer::DiagramBridge.Split)
    ends = cumsum(layer.sizes)
    pieces = Tuple((last - n + 1):last for (last, n) in zip(ends, layer.sizes))
    length(pieces) == 1 && return FluxLayer(layer, x -> along(x, layer.place, pieces[1]))
    return FluxLayer(layer, x -> map(piece -> along(x, layer.place, piece), pieces))
end

function in_flux(layer::DiagramBridge.Reduction)
    dims = Tuple(layer.places)
    total = layer isa DiagramBridge.Mean ? x -> Flux.mean(x; dims) : x -> sum(x; dims)
    return FluxLayer(layer, layer.keep ? total : x -> dropdims(total(x); dims))
end

check_inputs(layer::DiagramBridge.Reduction, ::Tuple, inputs::Tuple) = DiagramBridge.kept_size(layer, inputs[1])

# Values looked up by index, by NNlib. A row that gets no gradient is left to the portable layer.

in_flux(layer::Embedding) = layer.padding >= 0 ? layer :
    FluxLayer(layer, (index, weight) -> NNlib.gather(weight, index .+ one(eltype(index))))

check_inputs(layer::Embedding, ::Tuple, inputs::Tuple) = DiagramBridge.check_indices(layer, inputs[1])

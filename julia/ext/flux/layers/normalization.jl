# Normalisation by Flux.

check_inputs(layer::LayerNorm, parameters::Tuple, inputs::Tuple) = DiagramBridge.column_sizes(layer, parameters, inputs[1])

function in_flux(layer::LayerNorm)
    dims, eps = ntuple(identity, length(layer.shape)), SQUARED_EPS ? sqrt(layer.eps) : layer.eps
    layer.affine || return FluxLayer(layer, x -> Flux.normalise(x; dims, eps))
    return FluxLayer(layer, (x, weight, bias) -> weight .* Flux.normalise(x; dims, eps) .+ bias)
end

# Up to 0.16.10 Flux adds eps² to the variance, later eps itself.
const SQUARED_EPS = only(Flux.normalise([-1.0, 1.0]; dims = 1, eps = 2.0)[2:2]) ≈ 1 / sqrt(1 + 4)

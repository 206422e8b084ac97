# Normalisation by Flux.

check_inputs(layer::LayerNorm, parameters::Tuple, inputs::Tuple) = DiagramBridge.column_sizes(layer, parameters, inputs[1])

function in_flux(layer::LayerNorm)
    dims, eps = ntuple(identity, length(layer.shape)), eps_of_flux(layer.eps)
    layer.affine || return FluxLayer(layer, x -> Flux.normalise(x; dims, eps))
    return FluxLayer(layer, (x, weight, bias) -> weight .* Flux.normalise(x; dims, eps) .+ bias)
end

# Up to 0.16.10 Flux adds eps² to the variance, later eps itself.
const SQUARED_EPS = only(Flux.normalise([-1.0, 1.0]; dims = 1, eps = 2.0)[2:2]) ≈ 1 / sqrt(1 + 4)

eps_of_flux(eps::Float64) = SQUARED_EPS ? sqrt(eps) : eps

"A normalisation of features; its running statistics are kept by the portable layer's own formulas."
struct FluxNorm{L<:FeatureNorm} <: ByZygote
    layer::L
end

in_flux(layer::FeatureNorm) = FluxNorm(layer)

DiagramBridge.reads(f::FluxNorm) = DiagramBridge.reads(f.layer)

function DiagramBridge.forward(
    f::FluxNorm, variables::Tuple, inputs::Tuple{Array{T,N}}, ::Memory, mode::LayerMode,
) where {T,N}
    x, layer = inputs[1], f.layer
    s = DiagramBridge.FeatureSizes(layer, variables, x)
    weight, bias, running_mean, running_var = DiagramBridge.variables_of(layer, variables)
    shape = ntuple(i -> i == N - 1 ? layer.features : 1, N)
    if running_mean !== nothing && (!mode.train || DiagramBridge.is_empty(s))
        mean, scale = reshape(copy(running_mean), shape), reshape(inv.(sqrt.(running_var .+ T(layer.eps))), shape)
        normalised = x -> (x .- mean) .* scale
    elseif DiagramBridge.is_empty(s)
        normalised = identity
    else
        normalised = normalise_by_flux(layer, s, N)
    end
    if running_mean !== nothing && mode.train && !DiagramBridge.is_empty(s)
        dims = layer isa DiagramBridge.BatchNorm ? (ntuple(identity, N - 2)..., N) : ntuple(identity, N - 2)
        count = prod(i -> size(x, i), dims)
        means = sum(x; dims = dims) ./ count
        variances = sum(abs2, x .- means; dims = dims) ./ count
        DiagramBridge.track!(layer, running_mean, running_var, vec(means), vec(variances), count)
    end
    call = layer.affine ? (x, w, b) -> reshape(w, shape) .* normalised(x) .+ reshape(b, shape) : normalised
    value, back = Zygote.pullback(call, x, (layer.affine ? (weight, bias) : ())...)
    return (value,), back
end

function normalise_by_flux(layer::FeatureNorm, s::DiagramBridge.FeatureSizes, axes::Int)
    eps = eps_of_flux(layer.eps)
    if layer isa DiagramBridge.GroupNorm
        size_of_groups = (s.inner * s.features ÷ layer.groups, layer.groups, s.samples)
        return x -> reshape(Flux.normalise(reshape(x, size_of_groups); dims = 1, eps), size(x))
    end
    inner = ntuple(identity, axes - 2)
    DiagramBridge.refuse_single(layer, layer isa DiagramBridge.BatchNorm ? s.inner * s.samples : s.inner)
    dims = layer isa DiagramBridge.BatchNorm ? (inner..., axes) : inner
    return x -> Flux.normalise(x; dims, eps)
end

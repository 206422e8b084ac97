# What normalisations of features have in common: the first axis of the sample has the features, so that an array is taken
# as (inner, features, samples).

"""
    BatchNorm(features, eps, momentum, affine, track)

(x − mean) / √(variance + eps) · weight + bias of each feature (axis 0 of the sample), over the batch and all other axes
(torch.nn.BatchNorm). With `track`, running statistics are used in test mode; in train mode they become
(1 − momentum) · running + momentum · the batch's, whose variance is the unbiased one there.
"""
struct BatchNorm <: Layer
    features::Int
    eps::Float64
    momentum::Float64
    affine::Bool
    track::Bool
end

"""
The same of each feature of each sample, over its other axes (torch.nn.InstanceNorm). Running statistics are means over
samples.
"""
struct InstanceNorm <: Layer
    features::Int
    eps::Float64
    momentum::Float64
    affine::Bool
    track::Bool
end

"The same of each group of features of each sample, over the group and the other axes (torch.nn.GroupNorm)."
struct GroupNorm <: Layer
    groups::Int
    features::Int
    eps::Float64
    affine::Bool
end

const TrackingNorm = Union{BatchNorm,InstanceNorm}
const FeatureNorm = Union{BatchNorm,InstanceNorm,GroupNorm}

tracking_options(a::Attributes) = (attribute(a, "features", Int), attribute(a, "eps", Float64),
                                   attribute(a, "momentum", Float64), attribute(a, "affine", Bool),
                                   attribute(a, "track", Bool))

BatchNorm(a::Attributes) = BatchNorm(tracking_options(a)...)
InstanceNorm(a::Attributes) = InstanceNorm(tracking_options(a)...)
GroupNorm(a::Attributes) = GroupNorm(attribute(a, "groups", Int), attribute(a, "features", Int),
                                     attribute(a, "eps", Float64), attribute(a, "affine", Bool))

parameter_names(layer::FeatureNorm) = layer.affine ? ("weight", "bias") : ()
parameter_shapes(layer::FeatureNorm) = layer.affine ? ((layer.features,), (layer.features,)) : ()
buffer_names(layer::TrackingNorm) = layer.track ? ("running_mean", "running_var") : ()
buffer_shapes(layer::TrackingNorm) = layer.track ? ((layer.features,), (layer.features,)) : ()

function sample_shape(layer::FeatureNorm, where, inputs::Vector{SampleShape})
    shape = inputs[1]
    isempty(shape) || shape[1] != layer.features ||
        return layer isa InstanceNorm && length(shape) < 2 ?
               refuse_shape(where, "an input of two or more axes", shape) : shape
    refuse_shape(where, "an input whose first axis has size $(layer.features)", shape)
end

check_layer(layer::GroupNorm, where) = layer.features % layer.groups == 0 ||
    refuse("$where, attribute 'groups'", "a divisor of the $(layer.features) features", string(layer.groups), "layer")

operation_of(::BatchNorm) = "batch_norm"
operation_of(::InstanceNorm) = "instance_norm"
operation_of(::GroupNorm) = "group_norm"

"An array as (inner, features, samples)."
struct FeatureSizes
    inner::Int
    features::Int
    samples::Int
end

function FeatureSizes(layer::FeatureNorm, variables::Tuple, x::Array{T,N}) where {T,N}
    least = layer isa InstanceNorm ? 3 : 2
    if N < least || size(x, N - 1) != layer.features || any(v -> length(v) != layer.features, variables)
        found = "an array of $(size(x)) in Julia's order"
        throw(BridgeError("layer '$(operation_of(layer))'", "$(layer.features) features", found))
    end
    return FeatureSizes(prod(ntuple(i -> size(x, i), N - 2)), layer.features, size(x, N))
end

is_empty(s::FeatureSizes) = s.inner * s.samples == 0

"The weight and bias, or `nothing`; then the running statistics, or `nothing`."
function variables_of(layer::FeatureNorm, variables::Tuple)
    weight, bias = layer.affine ? variables[1:2] : (nothing, nothing)
    mean, variance = length(variables) > 2layer.affine ? variables[(end - 1):end] : (nothing, nothing)
    return weight, bias, mean, variance
end

function refuse_single(layer::Layer, count::Int)
    count == 1 || return nothing
    throw(BridgeError("layer '$(operation_of(layer))'", "two or more values of a feature, to take their variance", "1"))
end

"""
    track!(layer, running_mean, running_var, means, variances, count)

Let running statistics follow means and biased variances, each of `count` values: of each feature, or of each feature of each
sample, over which a mean is taken.
"""
function track!(
    layer::TrackingNorm, running_mean::Vector{T}, running_var::Vector{T}, means, variances, count::Int,
) where {T}
    samples, momentum = length(means) ÷ layer.features, layer.momentum
    for c in 1:layer.features
        mean = sum(n -> Float64(means[n * layer.features + c]), 0:samples-1) / samples
        variance = sum(n -> Float64(variances[n * layer.features + c]), 0:samples-1) / samples * count / (count - 1)
        running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
        running_var[c] = (1 - momentum) * running_var[c] + momentum * variance
    end
    return nothing
end

# A missing weight is 1 and a missing bias 0.
weight_at(::Nothing, ::Type{T}, c) where {T} = one(T)
weight_at(weight::Vector{T}, ::Type{T}, c) where {T} = @inbounds weight[c]
bias_at(::Nothing, ::Type{T}, c) where {T} = zero(T)
bias_at(bias::Vector{T}, ::Type{T}, c) where {T} = @inbounds bias[c]

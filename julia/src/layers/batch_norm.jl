# Batch norm, and the norms whose statistics are running ones: of each feature the mean, and the scale 1/√(variance + eps).

function forward(
    layer::BatchNorm, variables::Tuple, inputs::Tuple{Array{T,N}}, memory::Memory, mode::LayerMode,
) where {T,N}
    x = inputs[1]
    s = FeatureSizes(layer, variables, x)
    weight, bias, running_mean, running_var = variables_of(layer, variables)
    y = output!(memory, 1, T, size(x))
    means, scales = scratch!(memory, T, (s.features,)), scratch!(memory, T, (s.features,))
    of_batch = (mode.train || !layer.track) && !is_empty(s)
    if of_batch
        count = s.inner * s.samples
        refuse_single(layer, count)
        variances = batch_statistics!(means, vec(x), s)
        scales .= inv.(sqrt.(variances .+ layer.eps))
        mode.train && layer.track && track!(layer, running_mean, running_var, means, variances, count)
    elseif layer.track
        running_statistics!(means, scales, running_mean, running_var, layer.eps)
    end
    scale_features!(vec(y), vec(x), means, scales, weight, bias, s)
    return (y,), (means, scales, of_batch)
end

"The mean of each feature, and what is returned: its biased variance."
function batch_statistics!(means::Vector{T}, x::Vector{T}, s::FeatureSizes) where {T}
    sums, count = Vector{Float64}(undef, s.features), s.inner * s.samples
    feature_sums!(c -> (i -> @inbounds x[i]), sums, T, s)
    means .= sums ./ count
    feature_sums!(sums, T, s) do c
        @inbounds mean = means[c]
        return i -> (@inbounds d = x[i] - mean; d * d)
    end
    sums ./= count
    return sums
end

function running_statistics!(means::Vector{T}, scales::Vector{T}, running_mean, running_var, eps::Float64) where {T}
    copyto!(means, running_mean)
    scales .= inv.(sqrt.(Float64.(running_var) .+ eps))
    return nothing
end

function scale_features!(y::Vector{T}, x::Vector{T}, means, scales, weight, bias, s::FeatureSizes) where {T}
    feature_map!(y, s) do c
        @inbounds mean, factor, offset = means[c], scales[c] * weight_at(weight, T, c), bias_at(bias, T, c)
        return i -> @inbounds muladd(x[i] - mean, factor, offset)
    end
end

# With the normalised v = (x − mean) scale: dweight = Σ dy v, dbias = Σ dy, and where mean and scale are those of the n
# values, dx = weight · scale · (dy − dbias / n − v dweight / n).
function pullback(
    layer::BatchNorm, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, residual::Tuple{Vector{T},Vector{T},Bool},
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    s = FeatureSizes(layer, parameters, inputs[1])
    return pull_features(layer, parameters, inputs[1], dvalues[1], residual, s, needs_inputs[1], needs_parameters, memory)
end

function pull_features(
    layer::TrackingNorm, parameters::Tuple, input::Array{T}, dvalue::Array{T}, (means, scales, of_batch)::Tuple,
    s::FeatureSizes, needs_input::Bool, needs_parameters::Tuple, memory::Memory,
) where {T}
    x, dy, count = vec(input), vec(dvalue), s.inner * s.samples
    weight = layer.affine ? parameters[1] : nothing
    dweights, dbiases = Vector{Float64}(undef, s.features), Vector{Float64}(undef, s.features)
    if any(needs_parameters) || of_batch && needs_input
        feature_sums!(c -> (i -> @inbounds dy[i]), dbiases, T, s)
        feature_sums!(dweights, T, s) do c
            @inbounds mean, scale = means[c], scales[c]
            return i -> @inbounds dy[i] * ((x[i] - mean) * scale)
        end
    end
    dx = nothing
    if needs_input
        dx = input_gradient!(memory, 1, T, size(input))
        if of_batch
            shifts, slopes = scratch!(memory, T, (s.features,)), scratch!(memory, T, (s.features,))
            shifts .= dbiases ./ count
            slopes .= scales .* dweights ./ count
            feature_map!(vec(dx), s) do c
                @inbounds mean, shift, slope = means[c], shifts[c], slopes[c]
                @inbounds factor = weight_at(weight, T, c) * scales[c]
                return i -> @inbounds factor * (dy[i] - shift - (x[i] - mean) * slope)
            end
        else
            feature_map!(vec(dx), s) do c
                @inbounds factor = weight_at(weight, T, c) * scales[c]
                return i -> @inbounds dy[i] * factor
            end
        end
    end
    layer.affine || return (dx,), ()
    dparameters = ntuple(2) do k
        needs_parameters[k] || return nothing
        return copyto!(parameter_gradient!(memory, k, T, (s.features,)), (dweights, dbiases)[k])
    end
    return (dx,), dparameters
end

# Group norm, and instance norm by its own statistics: those of columns of `n` values that lie together, one for each group
# of each sample, in which each feature has a segment of `inner` values.

struct GroupSizes
    inner::Int
    features::Int # of a group
    groups::Int
    columns::Int
end

GroupSizes(groups::Int, s::FeatureSizes) = GroupSizes(s.inner, s.features ÷ groups, groups, groups * s.samples)

values_of(g::GroupSizes) = g.inner * g.features
least_columns(g::GroupSizes) = cld(LEAST_PART, max(1, values_of(g)))

function forward(
    layer::GroupNorm, variables::Tuple, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any,
) where {T,N}
    g = GroupSizes(layer.groups, FeatureSizes(layer, variables, inputs[1]))
    weight, bias, _, _ = variables_of(layer, variables)
    y, means, scales, _ = normalise_groups(inputs[1], g, layer.eps, weight, bias, memory)
    return (y,), (means, scales)
end

function forward(
    layer::InstanceNorm, variables::Tuple, inputs::Tuple{Array{T,N}}, memory::Memory, mode::LayerMode,
) where {T,N}
    x = inputs[1]
    s = FeatureSizes(layer, variables, x)
    weight, bias, running_mean, running_var = variables_of(layer, variables)
    if layer.track && !mode.train
        y = output!(memory, 1, T, size(x))
        means, scales = scratch!(memory, T, (s.features,)), scratch!(memory, T, (s.features,))
        running_statistics!(means, scales, running_mean, running_var, layer.eps)
        scale_features!(vec(y), vec(x), means, scales, weight, bias, s)
        return (y,), (means, scales, false)
    end
    is_empty(s) || refuse_single(layer, s.inner)
    y, means, scales, variances = normalise_groups(x, GroupSizes(s.features, s), layer.eps, weight, bias, memory)
    layer.track && !is_empty(s) && track!(layer, running_mean, running_var, means, variances, s.inner)
    return (y,), (means, scales, true)
end

function normalise_groups(input::Array{T}, g::GroupSizes, eps::Float64, weight, bias, memory::Memory) where {T}
    output = output!(memory, 1, T, size(input))
    x, y = vec(input), vec(output)
    means, scales, variances = ntuple(_ -> scratch!(memory, T, (g.columns,)), 3)
    parts(g.columns, least_columns(g)) do first, last, _
        for j in first:last
            mean, variance = column_statistics(x, (j - 1) * values_of(g), values_of(g))
            @inbounds means[j], variances[j], scales[j] = mean, variance, inv(sqrt(variance + T(eps)))
            scale_column!(y, x, j, g, mean, scales[j], weight, bias)
        end
    end
    return output, means, scales, variances
end

"The mean and the biased variance of `n` values."
function column_statistics(x::Vector{T}, offset::Int, n::Int) where {T}
    total = zero(T)
    @inbounds @simd for i in offset+1:offset+n
        total += x[i]
    end
    mean, squares = total / n, zero(T)
    @inbounds @simd for i in offset+1:offset+n
        d = x[i] - mean
        squares = muladd(d, d, squares)
    end
    return mean, squares / n
end

"The first feature, from 0, of a column."
first_feature(g::GroupSizes, j::Int) = (j - 1) % g.groups * g.features

function scale_column!(y::Vector{T}, x::Vector{T}, j::Int, g::GroupSizes, mean::T, scale::T, weight, bias) where {T}
    c, offset = first_feature(g, j), (j - 1) * values_of(g)
    if g.inner == 1
        @inbounds @simd ivdep for k in 1:g.features
            y[offset + k] = muladd((x[offset + k] - mean) * scale, weight_at(weight, T, c + k), bias_at(bias, T, c + k))
        end
        return nothing
    end
    for k in 1:g.features
        factor, shift = scale * weight_at(weight, T, c + k), bias_at(bias, T, c + k)
        @inbounds @simd ivdep for i in offset+(k-1)*g.inner+1:offset+k*g.inner
            y[i] = muladd(x[i] - mean, factor, shift)
        end
    end
    return nothing
end

function pullback(
    layer::GroupNorm, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, residual::Tuple, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    g = GroupSizes(layer.groups, FeatureSizes(layer, parameters, inputs[1]))
    return pull_groups(layer, parameters, inputs[1], dvalues[1], residual[1], residual[2], g, needs_inputs[1],
                       needs_parameters, memory)
end

function pullback(
    layer::InstanceNorm, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple,
    residual::Tuple{Vector{T},Vector{T},Bool}, dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool},
    needs_parameters::Tuple, memory::Memory,
) where {T,N}
    s = FeatureSizes(layer, parameters, inputs[1])
    means, scales, of_sample = residual
    of_sample && return pull_groups(layer, parameters, inputs[1], dvalues[1], means, scales, GroupSizes(s.features, s),
                                    needs_inputs[1], needs_parameters, memory)
    return pull_features(layer, parameters, inputs[1], dvalues[1], residual, s, needs_inputs[1], needs_parameters, memory)
end

# With the normalised v = (x − mean) scale and g = dy · weight: dx = scale (g − mean(g) − v mean(g v)), over the column.
function pull_groups(
    layer::Union{GroupNorm,InstanceNorm}, parameters::Tuple, input::Array{T}, dvalue::Array{T}, means::Vector{T},
    scales::Vector{T}, g::GroupSizes, needs_input::Bool, needs_parameters::Tuple, memory::Memory,
) where {T}
    x, dy = vec(input), vec(dvalue)
    weight = layer.affine ? parameters[1] : nothing
    dx = needs_input ? input_gradient!(memory, 1, T, size(input)) : nothing
    dx_values = dx === nothing ? nothing : vec(dx)
    # Each thread has sums of its own for the parameters.
    threads = part_count(g.columns, least_columns(g))
    dweights, dbiases = ntuple(_ -> fill!(scratch!(memory, T, (layer.features, threads)), zero(T)), 2)
    parts(g.columns, least_columns(g)) do first, last, part
        for j in first:last
            @inbounds mean, scale = means[j], scales[j]
            total, product = column_sums!(dweights, dbiases, part, x, dy, j, g, mean, scale, weight)
            dx_values === nothing || pull_column!(dx_values, x, dy, j, g, mean, scale, weight, total, product)
        end
    end
    layer.affine || return (dx,), ()
    dparameters = ntuple(2) do k
        needs_parameters[k] || return nothing
        gradient = parameter_gradient!(memory, k, T, (layer.features,))
        return sum_columns!(gradient, (dweights, dbiases)[k], threads)
    end
    return (dx,), dparameters
end

"The means of g and of g v over a column; each feature's sums of dy v and of dy are added up by the way."
function column_sums!(dweights, dbiases, part, x::Vector{T}, dy::Vector{T}, j, g::GroupSizes, mean, scale, weight) where {T}
    c, offset, total, product = first_feature(g, j), (j - 1) * values_of(g), zero(T), zero(T)
    for k in 1:g.features
        dbias, dweight = zero(T), zero(T)
        @inbounds @simd for i in offset+(k-1)*g.inner+1:offset+k*g.inner
            dbias += dy[i]
            dweight = muladd(dy[i], (x[i] - mean) * scale, dweight)
        end
        @inbounds dweights[c + k, part] += dweight
        @inbounds dbiases[c + k, part] += dbias
        total = muladd(weight_at(weight, T, c + k), dbias, total)
        product = muladd(weight_at(weight, T, c + k), dweight, product)
    end
    return total / values_of(g), product / values_of(g)
end

function pull_column!(
    dx::Vector{T}, x::Vector{T}, dy::Vector{T}, j::Int, g::GroupSizes, mean::T, scale::T, weight, total::T, product::T,
) where {T}
    c, offset = first_feature(g, j), (j - 1) * values_of(g)
    for k in 1:g.features
        w = weight_at(weight, T, c + k)
        @inbounds @simd ivdep for i in offset+(k-1)*g.inner+1:offset+k*g.inner
            dx[i] = scale * (w * dy[i] - total - (x[i] - mean) * scale * product)
        end
    end
end

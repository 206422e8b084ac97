"""
    LayerNorm(shape, eps, affine)

(x − mean) / √(variance + eps) · weight + bias over the last axes of the sample, whose row-major shape is `shape`; the
variance is the biased one (torch.nn.LayerNorm). Without `affine` there is neither weight nor bias.
"""
struct LayerNorm <: Layer
    shape::Vector{Int}
    eps::Float64
    affine::Bool
end

LayerNorm(a::Attributes) =
    LayerNorm(attribute(a, "shape", Vector{Int}), attribute(a, "eps", Float64), attribute(a, "affine", Bool))

parameter_names(layer::LayerNorm) = layer.affine ? ("weight", "bias") : ()
parameter_shapes(layer::LayerNorm) = layer.affine ? (Tuple(layer.shape), Tuple(layer.shape)) : ()

"What a normalisation starts with: ones and zeros."
initial_norm(::Attributes, name::String) = ConstantValues(name in ("weight", "running_var"))

function sample_shape(layer::LayerNorm, where, inputs::Vector{SampleShape})
    shape, n = inputs[1], length(layer.shape)
    n <= length(shape) && shape[(end - n + 1):end] == layer.shape && return shape
    refuse_shape(where, "an input whose last axes are $(shape_text(layer.shape))", shape)
end

"The number of elements that are normalised together, and how many such columns there are."
function column_sizes(layer::LayerNorm, parameters::Tuple, x::Array{T,N}) where {T,N}
    axes = length(layer.shape)
    fits = axes < N && all(i -> size(x, i) == layer.shape[axes-i+1], 1:axes)
    n = prod(layer.shape)
    if !fits || length(parameters) != 2layer.affine || any(p -> length(p) != n, parameters)
        found = "an array of $(size(x)) in Julia's order"
        throw(BridgeError("layer 'layer_norm'", "last axes of $(layer.shape)", found))
    end
    return n, length(x) ÷ n
end

function forward(layer::LayerNorm, parameters::Tuple, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x = inputs[1]
    n, columns = column_sizes(layer, parameters, x)
    y = output!(memory, 1, T, size(x))
    means, scales = scratch!(memory, T, (columns,)), scratch!(memory, T, (columns,))
    weight, bias = layer.affine ? map(vec, parameters) : (nothing, nothing)
    parts(columns, cld(LEAST_PART, n)) do first, last, _
        for j in first:last
            normalise_column!(y, x, (j - 1) * n, n, T(layer.eps), weight, bias, means, scales, j)
        end
    end
    return (y,), (means, scales)
end

# A missing weight is 1 and a missing bias 0: the compiler leaves the operation out.
@inline times(x, ::Nothing, i) = x
@inline times(x, weight::Vector, i) = @inbounds x * weight[i]
@inline plus(x, ::Nothing, i) = x
@inline plus(x, bias::Vector, i) = @inbounds x + bias[i]

function normalise_column!(y::Array{T}, x::Array{T}, offset, n, eps, weight, bias, means, scales, j) where {T}
    total = zero(T)
    @inbounds @simd for i in 1:n
        total += x[offset+i]
    end
    mean = total / n
    squares = zero(T)
    @inbounds @simd for i in 1:n
        d = x[offset+i] - mean
        squares = muladd(d, d, squares)
    end
    scale = inv(sqrt(squares / n + eps))
    @inbounds @simd ivdep for i in 1:n
        y[offset+i] = plus(times((x[offset+i] - mean) * scale, weight, i), bias, i)
    end
    @inbounds means[j], scales[j] = mean, scale
end

function pullback(
    layer::LayerNorm, parameters::Tuple, inputs::Tuple{Array{T,N}}, ::Tuple, residual::Tuple,
    dvalues::Tuple{Array{T,N}}, needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T,N}
    x, dy = inputs[1], dvalues[1]
    n, columns = column_sizes(layer, parameters, x)
    least = cld(LEAST_PART, n)
    weight = layer.affine ? vec(parameters[1]) : nothing
    dx = needs_inputs[1] ? input_gradient!(memory, 1, T, size(x)) : nothing
    # Each thread has sums of its own for the parameters, all taken while the column is in the cache.
    weight_sums, bias_sums = ntuple(2) do k
        layer.affine && needs_parameters[k] || return nothing
        return fill!(scratch!(memory, T, (n, part_count(columns, least))), zero(T))
    end
    parts(columns, least) do first, last, part
        for j in first:last
            @inbounds offset, mean, scale = (j - 1) * n, residual[1][j], residual[2][j]
            normalise_column_gradient!(dx, x, dy, offset, n, weight, mean, scale)
            add_weight_gradient!(weight_sums, x, dy, offset, n, (part - 1) * n, mean, scale)
            add_bias_gradient!(bias_sums, dy, offset, n, (part - 1) * n)
        end
    end
    layer.affine || return (dx,), ()
    dparameters = ntuple(2) do k
        sums = (weight_sums, bias_sums)[k]
        sums === nothing && return nothing
        gradient = parameter_gradient!(memory, k, T, size(parameters[k]))
        sum_columns!(vec(gradient), sums, size(sums, 2))
        return gradient
    end
    return (dx,), dparameters
end

# With the normalised v = (x − mean) scale and g = dy · weight: dx = scale (g − mean(g) − v mean(g v)).
function normalise_column_gradient!(dx::Array{T}, x::Array{T}, dy::Array{T}, offset, n, weight, mean, scale) where {T}
    total, product = zero(T), zero(T)
    @inbounds @simd for i in 1:n
        g = times(dy[offset+i], weight, i)
        total += g
        product = muladd(g, (x[offset+i] - mean) * scale, product)
    end
    total, product = total / n, product / n
    @inbounds @simd ivdep for i in 1:n
        v = (x[offset+i] - mean) * scale
        dx[offset+i] = scale * (times(dy[offset+i], weight, i) - total - v * product)
    end
end

function add_weight_gradient!(sums::Array{T}, x::Array{T}, dy::Array{T}, offset, n, place, mean, scale) where {T}
    @inbounds @simd ivdep for i in 1:n
        sums[place+i] = muladd(dy[offset+i], (x[offset+i] - mean) * scale, sums[place+i])
    end
end

function add_bias_gradient!(sums::Array{T}, dy::Array{T}, offset, n, place) where {T}
    @inbounds @simd ivdep for i in 1:n
        sums[place+i] += dy[offset+i]
    end
end

# Gradients that are not needed have no memory.
normalise_column_gradient!(::Nothing, _...) = nothing
add_weight_gradient!(::Nothing, _...) = nothing
add_bias_gradient!(::Nothing, _...) = nothing

# Convolutions, pooling and norms of Flux's as portable layers.

"The padding before and after each axis, in Julia's order."
sides(pad::NTuple{M,Int}, axes::Int) where {M} =
    M == axes ? (pad, pad) : (ntuple(k -> pad[2k - 1], axes), ntuple(k -> pad[2k], axes))

by_row(sizes) = collect(Int, reverse(sizes))

function one_or_two(w::Writer, at::Place, layer, axes::Int)
    axes <= 2 || refuse_layer(at, layer, "one or two spatial axes", "$axes")
    return axes
end

function read_layer!(w::Writer, at::Place, c::Union{Flux.Conv,Flux.CrossCor}, value)
    value, axes = single(w, at, c, value), one_or_two(w, at, c, ndims(c.weight) - 2)
    groups = c isa Flux.Conv ? c.groups : 1
    before, after = sides(c.pad, axes)
    padding = before == after ? by_row(before) : fill(0, axes)
    if before != after
        value = part!(w, at, c, Layers.pad(by_row(before), by_row(after)), (value,))
    end
    make = axes == 1 ? Layers.conv1d : Layers.conv2d
    window = by_row(size(c.weight)[1:axes])
    layer = make(size(c.weight, axes + 1) * groups, size(c.weight, axes + 2), window; stride = by_row(c.stride),
                 padding = padding, dilation = by_row(c.dilation), groups = groups, bias = c.bias !== false)
    weight = c isa Flux.Conv ? kernel(c.weight) : c.weight
    return with_activation!(w, at, c, c.σ, layer, (value,), "weight" => weight, "bias" => c.bias)
end

function read_layer!(w::Writer, at::Place, c::Flux.ConvTranspose, value)
    axes = one_or_two(w, at, c, ndims(c.weight) - 2)
    before, after = sides(c.pad, axes)
    before == after || refuse_layer(at, c, "the same padding on both sides", "$(c.pad)")
    make = axes == 1 ? Layers.conv_transpose1d : Layers.conv_transpose2d
    layer = make(size(c.weight, axes + 2), size(c.weight, axes + 1) * c.groups, by_row(size(c.weight)[1:axes]);
                 stride = by_row(c.stride), padding = by_row(before), dilation = by_row(c.dilation),
                 output_padding = by_row(c.outpad), groups = c.groups, bias = c.bias !== false)
    return with_activation!(w, at, c, c.σ, layer, (single(w, at, c, value),), "weight" => kernel(c.weight), "bias" => c.bias)
end

function read_layer!(w::Writer, at::Place, p::Union{Flux.MaxPool,Flux.MeanPool}, value)
    axes = one_or_two(w, at, p, length(p.k))
    before, after = sides(p.pad, axes)
    before == after || refuse_layer(at, p, "the same padding on both sides", "$(p.pad)")
    make = p isa Flux.MaxPool ? (axes == 1 ? Layers.max_pool1d : Layers.max_pool2d) :
           (axes == 1 ? Layers.mean_pool1d : Layers.mean_pool2d)
    return add!(w, at, p, make(by_row(p.k); stride = by_row(p.stride), padding = by_row(before)), (single(w, at, p, value),))
end

function read_layer!(w::Writer, at::Place, p::Union{Flux.AdaptiveMaxPool,Flux.AdaptiveMeanPool}, value)
    value, axes = single(w, at, p, value), one_or_two(w, at, p, length(p.out))
    is_max = p isa Flux.AdaptiveMaxPool
    plane = reverse(Tuple(w.shapes[value]))[1:axes]
    if all(plane .% p.out .== 0)
        make = is_max ? (Layers.adaptive_max_pool1d, Layers.adaptive_max_pool2d)[axes] :
               (Layers.adaptive_mean_pool1d, Layers.adaptive_mean_pool2d)[axes]
        return add!(w, at, p, make(by_row(p.out)), (value,))
    end
    # Flux's windows are all of one size, torch's are not.
    stride = plane .÷ p.out
    make = is_max ? (Layers.max_pool1d, Layers.max_pool2d)[axes] : (Layers.mean_pool1d, Layers.mean_pool2d)[axes]
    return add!(w, at, p, make(by_row(plane .- (p.out .- 1) .* stride); stride = by_row(stride)), (value,))
end

function read_layer!(w::Writer, at::Place, p::Union{Flux.GlobalMaxPool,Flux.GlobalMeanPool}, value)
    value = single(w, at, p, value)
    axes = one_or_two(w, at, p, length(w.shapes[value]) - 1)
    make = p isa Flux.GlobalMaxPool ? (Layers.adaptive_max_pool1d, Layers.adaptive_max_pool2d)[axes] :
           (Layers.adaptive_mean_pool1d, Layers.adaptive_mean_pool2d)[axes]
    return add!(w, at, p, make(1), (value,))
end

number_type(norm) = norm.γ === nothing ? (norm.μ === nothing ? Float32 : eltype(norm.μ)) : eltype(norm.γ)

function read_layer!(w::Writer, at::Place, n::Union{Flux.BatchNorm,Flux.InstanceNorm}, value)
    T = number_type(n)
    make = n isa Flux.BatchNorm ? Layers.batch_norm : Layers.instance_norm
    layer = make(n.chs; eps = exact(n.ϵ, T), momentum = exact(n.momentum, T), affine = n.affine, track = n.track_stats)
    return with_activation!(w, at, n, n.λ, layer, (single(w, at, n, value),), "weight" => n.γ, "bias" => n.β,
                            "running_mean" => n.μ, "running_var" => n.σ²)
end

function read_layer!(w::Writer, at::Place, n::Flux.GroupNorm, value)
    n.track_stats && refuse_layer(at, n, "a norm without running statistics", "track_stats = true")
    layer = Layers.group_norm(n.G, n.chs; eps = exact(n.ϵ, number_type(n)), affine = n.affine)
    return with_activation!(w, at, n, n.λ, layer, (single(w, at, n, value),), "weight" => n.γ, "bias" => n.β)
end

function read_layer!(w::Writer, at::Place, n::Flux.LayerNorm, value)
    scale = n.diag isa Flux.Scale ? n.diag : nothing
    T = scale === nothing ? typeof(n.ϵ) : eltype(scale.scale)
    eps = SQUARED_EPS ? exact(T(n.ϵ)^2, T) : exact(n.ϵ, T)
    layer = Layers.layer_norm(by_row(n.size); eps = eps, affine = n.affine)
    weights = scale === nothing ? () : ("weight" => scale.scale, "bias" => scale.bias)
    scale === nothing || scale.bias isa AbstractArray || refuse_layer(at, n, "a scale with a bias", "none")
    return with_activation!(w, at, n, n.λ, layer, (single(w, at, n, value),), weights...)
end

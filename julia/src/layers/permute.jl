"The axes of the sample in another order: axis k of the value is axis `axes[k + 1]` of the input, both from 0."
struct Permute <: Layer
    axes::Vector{Int}
end

Permute(a::Attributes) = Permute(attribute(a, "axes", Vector{Int}))

function sample_shape(layer::Permute, where, inputs::Vector{SampleShape})
    shape, n = inputs[1], length(layer.axes)
    length(shape) == n || refuse_shape(where, "an input with $n axes", shape)
    return shape[layer.axes.+1]
end

"For each axis of the value, in Julia's order with the batch last, that of the input."
axis_order(axes::Vector{Int}) = (n = length(axes); ntuple(i -> i > n ? i : n - axes[n-i+1], n + 1))

function forward(layer::Permute, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x = inputs[1]
    length(layer.axes) == N - 1 ||
        throw(BridgeError("layer 'permute'", "a sample of $(length(layer.axes)) axes", "one of $(N - 1) axes"))
    order = axis_order(layer.axes)::NTuple{N,Int}
    return (permute!(output!(memory, 1, T, map(i -> size(x, i), order)), x, order),), nothing
end

function pullback(
    layer::Permute, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    back = invperm(axis_order(layer.axes)::NTuple{N,Int})
    return (permute!(input_gradient!(memory, 1, T, size(inputs[1])), dvalues[1], back),), ()
end

"Copy `x` with its axes in another order: axis i of `y` is axis `order[i]` of `x`."
function permute!(y::Array{T,N}, x::Array{T,N}, order::NTuple{N,Int}) where {T,N}
    GC.@preserve y x copy_permuted!(pointer(y), sizes_of(y), pointer(x), strides_of(sizes_of(x))[collect(order)])
    return y
end

function copy_permuted!(y::Ptr{T}, sizes::Vector{Int}, x::Ptr{T}, strides::Vector{Int}) where {T}
    walk = Walk(sizes, strides_of(sizes), strides)
    near = findfirst(==(1), walk.strides[2])
    if near === nothing || near == 1
        n = walk.sizes[1]
        return each_run(offsets -> copy_run!(y + offsets[1] * sizeof(T), x + offsets[2] * sizeof(T), n), walk)
    end
    # Neighbours in `y` along the first axis are neighbours in `x` along the axis `near`.
    n, step, m, to_step = walk.sizes[1], walk.strides[2][1], walk.sizes[near], walk.strides[1][near]
    others = [i for i in eachindex(walk.sizes) if i != near]
    rest = Walk{2}(walk.sizes[others], map(s -> s[others], walk.strides))
    each_run(rest, n * m) do offsets
        transpose_tiles!(y + offsets[1] * sizeof(T), to_step, x + offsets[2] * sizeof(T), step, n, m)
    end
    return nothing
end

# A line of the caches has 16 numbers of Float32.
const TILE = 16

"Set element (i, j) of n × m, at i + j · to_step in `y`, to the one at i · step + j in `x`; tiles stay in the caches."
function transpose_tiles!(y::Ptr{T}, to_step::Int, x::Ptr{T}, step::Int, n::Int, m::Int) where {T}
    for top in 0:TILE:(n - 1), left in 0:TILE:(m - 1)
        to, from = y + (top + left * to_step) * sizeof(T), x + (top * step + left) * sizeof(T)
        high, wide = min(TILE, n - top), min(TILE, m - left)
        high == TILE ? transpose_tile!(to, to_step, from, step, wide) : transpose_rest!(to, to_step, from, step, high, wide)
    end
end

# Unrolled, as a loop would be made one of gathers, which are slower.
function transpose_tile!(y::Ptr{T}, to_step::Int, x::Ptr{T}, step::Int, m::Int) where {T}
    for j in 0:(m - 1)
        to, from = y + j * to_step * sizeof(T), x + j * sizeof(T)
        Base.Cartesian.@nexprs 16 i -> unsafe_store!(to, unsafe_load(from, (i - 1) * step + 1), i)
    end
end

function transpose_rest!(y::Ptr{T}, to_step::Int, x::Ptr{T}, step::Int, n::Int, m::Int) where {T}
    for j in 0:(m - 1), i in 0:(n - 1)
        unsafe_store!(y, unsafe_load(x, i * step + j + 1), i + j * to_step + 1)
    end
end

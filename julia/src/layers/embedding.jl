"""
    Embedding(entries, width, padding)

The rows of a table (torch.nn.Embedding): indices, from 0, of any size give (width, size…). The weight is (width, entries)
here, which is torch's (entries, width) in memory. The row of the index `padding`, unless that is −1, gets no gradient.
"""
struct Embedding <: Layer
    entries::Int
    width::Int
    padding::Int
end

Embedding(a::Attributes) =
    Embedding(attribute(a, "entries", Int), attribute(a, "width", Int), attribute(a, "padding", Int))

initial_embedding(a::Attributes, ::String) = NormalValues(1, attribute(a, "padding", Int))

parameter_names(::Embedding) = ("weight",)
parameter_shapes(layer::Embedding) = ((layer.entries, layer.width),)
input_kinds(layer::Embedding) = (indices_below(layer.entries),)
sample_shape(layer::Embedding, where, inputs::Vector{SampleShape}) = SampleShape([inputs[1]; layer.width])

check_layer(layer::Embedding, where) = layer.padding < layer.entries ||
    refuse("$where, attribute 'padding'", "one of the $(layer.entries) entries, or -1 for none", string(layer.padding),
           "layer")

function check_indices(layer::Embedding, index::Array)
    isempty(index) && return nothing
    low, high = extrema(index)
    0 <= low && high < layer.entries && return nothing
    throw(BridgeError("layer 'embedding'", "indices from 0 to $(layer.entries - 1)", string(low < 0 ? low : high)))
end

function forward(
    layer::Embedding, parameters::Tuple{Matrix{T}}, inputs::Tuple{Array{<:Integer}}, memory::Memory, ::Any,
) where {T}
    weight, index = parameters[1], inputs[1]
    check_indices(layer, index)
    y = output!(memory, 1, T, (layer.width, size(index)...))
    copy_rows!(vec(y), weight, vec(index), layer.width)
    return (y,), nothing
end

function copy_rows!(y::Vector{T}, weight::Matrix{T}, index::Vector, width::Int) where {T}
    parts(length(index), cld(LEAST_PART, width)) do first, last, _
        for k in first:last
            @inbounds unsafe_copyto!(y, (k - 1) * width + 1, weight, index[k] * width + 1, width)
        end
    end
end

function pullback(
    layer::Embedding, parameters::Tuple{Matrix{T}}, inputs::Tuple{Array{<:Integer}}, ::Tuple, ::Nothing,
    dvalues::Tuple{Array{T}}, ::Tuple{Bool}, needs_parameters::Tuple{Bool}, memory::Memory,
) where {T}
    needs_parameters[1] || return (nothing,), (nothing,)
    dweight = fill!(parameter_gradient!(memory, 1, T, size(parameters[1])), zero(T))
    add_rows!(dweight, vec(dvalues[1]), vec(inputs[1]), layer.width, layer.padding)
    return (nothing,), (dweight,)
end

function add_rows!(dweight::Matrix{T}, dy::Vector{T}, index::Vector, width::Int, padding::Int) where {T}
    for k in 1:length(index)
        @inbounds index[k] == padding && continue
        @inbounds row = index[k] * width
        @inbounds @simd ivdep for i in 1:width
            dweight[row + i] += dy[(k - 1) * width + i]
        end
    end
end

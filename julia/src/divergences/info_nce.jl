"""
    InfoNce(temperature, symmetric, place)

The cross entropy of row s of l̂ r̂ᵀ / temperature against s, over the batch; l̂ and r̂ are normalised as in
`CosineDistance`. `symmetric`: the mean of both directions. (van den Oord et al., arXiv 1807.03748)
"""
struct InfoNce <: Measure
    temperature::Float64
    symmetric::Bool
    place::Int
end

"""
What one place of the other axes has of all samples: the normalised columns of each side, classes × samples, their norms,
and log softmax of the similarities over the right sides (`by_left`) and, if symmetric, over the left ones (`by_right`).
"""
struct Similarities{T}
    left::Matrix{T}
    right::Matrix{T}
    left_norms::Vector{T}
    right_norms::Vector{T}
    by_left::Matrix{T}
    by_right::Matrix{T}
end

function Similarities{T}(d::InfoNce, classes::Int, samples::Int) where {T}
    columns() = Matrix{T}(undef, classes, samples)
    square(n) = Matrix{T}(undef, n, n)
    norms() = Vector{T}(undef, samples)
    return Similarities{T}(
        columns(), columns(), norms(), norms(), square(samples), square(d.symmetric ? samples : 0),
    )
end

"The columns of all samples at place `q` of `places`, normalised."
function normalise_place!(
    y::Matrix{T}, norms::Vector{T}, x::Array{T}, layout::ColumnLayout, q::Int, places::Int, column::Vector{T},
) where {T}
    for sample in axes(y, 2)
        gather!(column, x, layout, q + places * (sample - 1))
        norms[sample] = normalise!(view(y, :, sample), column)
    end
    return y
end

"Fill `s` for place `q`. `raw` and `row` are for the similarities themselves and for numbers of each row."
function compare!(
    s::Similarities{T}, d::InfoNce, left::Array{T}, right::Array{T}, layout::ColumnLayout, q::Int, places::Int,
    column::Vector{T}, raw::Matrix{T}, row::NTuple{2,Vector{T}},
) where {T}
    normalise_place!(s.left, s.left_norms, left, layout, q, places, column)
    normalise_place!(s.right, s.right_norms, right, layout, q, places, column)
    samples = size(raw, 1)
    gemm!('T', 'N', samples, samples, layout.classes, s.left, s.right, zero(T), raw)
    raw ./= T(d.temperature)
    across, down = s.by_left, s.by_right
    GC.@preserve raw across down begin
        softmax_slab!(LogSoftmax(1), pointer(across), pointer(raw), samples, samples, row...)
        if d.symmetric
            for k in 0:samples-1
                offset = k * samples * sizeof(T)
                softmax_column!(LogSoftmax(1), pointer(down) + offset, pointer(raw) + offset, samples)
            end
        end
    end
    return s
end

"Call `f` with each place of the other axes, the number of places, and the similarities there."
function each_place(f::F, d::InfoNce, left::Array{T,N}, right::Array{T,N}) where {F,T,N}
    layout, samples = ColumnLayout(d, left), size(left, N)
    places = layout.count ÷ samples
    s = Similarities{T}(d, layout.classes, samples)
    column, raw = Vector{T}(undef, layout.classes), Matrix{T}(undef, samples, samples)
    row = (Vector{T}(undef, samples), Vector{T}(undef, samples))
    for q in 1:places
        f(q, places, compare!(s, d, left, right, layout, q, places, column, raw, row))
    end
end

function element_values(d::InfoNce, left::Array{T,N}, right::Array{T,N}) where {T,N}
    elements = Vector{T}(undef, ColumnLayout(d, left).count)
    each_place(d, left, right) do q, places, s
        for sample in axes(s.by_left, 1)
            value = -s.by_left[sample, sample]
            elements[q+places*(sample-1)] = d.symmetric ? (value - s.by_right[sample, sample]) / 2 : value
        end
    end
    return elements
end

function gradients!(
    d::InfoNce, dleft::Union{Array{T},Nothing}, dright::Union{Array{T},Nothing}, left::Array{T,N}, right::Array{T,N},
    w::ElementWeights, scale::Float64,
) where {T,N}
    layout, samples = ColumnLayout(d, left), size(left, N)
    dsimilarities, dnormalised = Matrix{T}(undef, samples, samples), Matrix{T}(undef, layout.classes, samples)
    column = Vector{T}(undef, layout.classes)
    each_place(d, left, right) do q, places, s
        weights = T[weight(w, q + places * (sample - 1)) * scale / d.temperature for sample in 1:samples]
        similarity_gradients!(dsimilarities, d, s, weights)
        if dleft !== nothing
            gemm!('N', 'T', layout.classes, samples, samples, s.right, dsimilarities, zero(T), dnormalised)
            scatter_place!(dleft, dnormalised, s.left, s.left_norms, layout, q, places, column)
        end
        if dright !== nothing
            gemm!('N', 'N', layout.classes, samples, samples, s.left, dsimilarities, zero(T), dnormalised)
            scatter_place!(dright, dnormalised, s.right, s.right_norms, layout, q, places, column)
        end
    end
    return nothing
end

"The gradient for the products of normalised columns; each sample's loss weighs what `weights` has for it."
function similarity_gradients!(dproducts::Matrix{T}, d::InfoNce, s::Similarities{T}, weights::Vector{T}) where {T}
    samples = length(weights)
    share = d.symmetric ? T(0.5) : one(T)
    @inbounds for k in 1:samples
        @simd ivdep for i in 1:samples
            dproducts[i, k] = share * weights[i] * vector_exp(s.by_left[i, k])
        end
        if d.symmetric
            @simd ivdep for i in 1:samples
                dproducts[i, k] += share * weights[k] * vector_exp(s.by_right[i, k])
            end
        end
        dproducts[k, k] -= weights[k]
    end
    return dproducts
end

function scatter_place!(
    dx::Array{T}, dy::Matrix{T}, y::Matrix{T}, norms::Vector{T}, layout::ColumnLayout, q::Int, places::Int,
    column::Vector{T},
) where {T}
    for sample in axes(y, 2)
        normalise_gradient!(column, view(dy, :, sample), view(y, :, sample), norms[sample])
        scatter!(dx, column, layout, q + places * (sample - 1))
    end
end

"The matrix product over the last two axes, (…, n, k) by (…, k, m); the axes before them are equal."
struct MatMul <: Layer end

input_kinds(::MatMul) = (FLOATS, FLOATS)

function sample_shape(::MatMul, where, inputs::Vector{SampleShape})
    first, second = inputs
    length(first) >= 2 || refuse_shape(where, "inputs with two or more axes", first)
    begins = SampleShape([first[1:end-2]; first[end]])
    length(second) == length(first) && second[1:end-1] == begins ||
        refuse_shape(where, "a second input of shape $(shape_text(begins)) and one axis more", second)
    return SampleShape([first[1:end-1]; second[end]])
end

"n, k and m, and the number of products."
function product_sizes(a::Array{T,N}, b::Array{T,N}) where {T,N}
    fits = N >= 3 && size(a, 1) == size(b, 2) && ntuple(i -> size(a, i + 2), N - 2) == ntuple(i -> size(b, i + 2), N - 2)
    fits || throw(BridgeError("layer 'matmul'", "matrices (k, n) and (m, k), in Julia's order", "$(size(a)) and $(size(b))"))
    return size(a, 2), size(a, 1), size(b, 1), prod(ntuple(i -> size(a, i + 2), N - 2))
end

# Row-major matrices are transposed in Julia: y = a b is yᵀ = bᵀ aᵀ of what is in memory.
function forward(::MatMul, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N}}, memory::Memory, ::Any) where {T,N}
    a, b = inputs
    n, k, m, count = product_sizes(a, b)
    y = output!(memory, 1, T, ntuple(i -> i == 1 ? m : size(a, i), N))
    multiply_each!('N', 'N', m, n, k, b, a, y, count)
    return (y,), nothing
end

function pullback(
    ::MatMul, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool,Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    (a, b), dy = inputs, dvalues[1]
    n, k, m, count = product_sizes(a, b)
    da = db = nothing
    if needs_inputs[1]
        da = input_gradient!(memory, 1, T, size(a))
        multiply_each!('T', 'N', k, n, m, b, dy, da, count)
    end
    if needs_inputs[2]
        db = input_gradient!(memory, 2, T, size(b))
        multiply_each!('N', 'T', m, k, n, dy, a, db, count)
    end
    return (da, db), ()
end

"`count` products of matrices that lie one after the other in each array; see `gemm!`."
function multiply_each!(
    ta::Char, tb::Char, m::Int, n::Int, k::Int, a::Array{T}, b::Array{T}, c::Array{T}, count::Int,
) where {T}
    lda, ldb = ta == 'N' ? m : k, tb == 'N' ? k : n
    GC.@preserve a b c for j in 0:count-1
        gemm!(ta, tb, m, n, k, pointer(a) + j * m * k * sizeof(T), lda, pointer(b) + j * k * n * sizeof(T), ldb, zero(T),
              pointer(c) + j * m * n * sizeof(T), m)
    end
    return c
end

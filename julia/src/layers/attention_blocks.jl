# Attention within one block, that is one head of one sample: with the matrices q (D, T), k (D, S) and v (E, S) of Julia's
# order, the weights p = softmax(scale kᵀ q) over the keys, of which a mask takes some out, and the values v p.

"Matrices, one for each head and sample, within an array: how many elements lie between columns, heads and samples."
struct Blocks{T}
    data::Ptr{T}
    column::Int
    head::Int
    sample::Int
end

at(b::Blocks{T}, head::Int, sample::Int) where {T} = b.data + (head * b.head + sample * b.sample) * sizeof(T)

"How many blocks there are, and their sizes."
struct BlockSizes
    heads::Int
    samples::Int
    queries::Int
    keys::Int
    width::Int
    value_width::Int
end

"""
Set `values` and `weights`, which has (S, T, heads, samples). A query sees the keys that are true in every mask, and with
`causal` none that comes after it; where it sees none, weights and values are 0.
"""
function attend!(
    values::Blocks{T}, weights::Ptr{T}, q::Blocks{T}, k::Blocks{T}, v::Blocks{T}, masks::Tuple{Vararg{Blocks{UInt8}}},
    causal::Bool, scale::T, n::BlockSizes,
) where {T}
    block = n.keys * n.queries
    for sample in 0:n.samples-1
        first_block = weights + sample * n.heads * block * sizeof(T)
        for head in 0:n.heads-1
            gemm!('T', 'N', n.keys, n.queries, n.width, at(k, head, sample), k.column, at(q, head, sample), q.column,
                  zero(T), first_block + head * block * sizeof(T), n.keys, scale)
        end
        parts(n.heads * n.queries, cld(LEAST_PART, max(n.keys, 1))) do first, last, _
            for column in first-1:last-1
                head, query = divrem(column, n.queries)
                of_query = map(m -> at(m, head, sample) + query * m.column, masks)
                seen = causal ? min(query + 1, n.keys) : n.keys
                weigh_column!(first_block + column * n.keys * sizeof(T), of_query, seen, n.keys)
            end
        end
        for head in 0:n.heads-1
            gemm!('N', 'N', n.value_width, n.queries, n.keys, at(v, head, sample), v.column,
                  first_block + head * block * sizeof(T), n.keys, zero(T), at(values, head, sample), values.column)
        end
    end
    return nothing
end

function weigh_column!(p::Ptr{T}, masks::Tuple{Vararg{Ptr{UInt8}}}, seen::Int, n::Int) where {T}
    for mask in masks
        @simd ivdep for i in 1:seen
            unsafe_store!(p, ifelse(unsafe_load(mask, i) != 0, unsafe_load(p, i), T(-Inf)), i)
        end
    end
    top = seen == 0 ? T(-Inf) : column_maximum(p, seen)
    top == -Inf && return fill_run!(p, zero(T), n)
    softmax_below!(p, p, seen, top)
    return fill_run!(p + seen * sizeof(T), zero(T), n - seen)
end

"""
Set the gradients of q, k and v from that of the values; those that are `nothing` are left out. `room` has a sample's worth
of `weights`.
"""
function attend_back!(
    dq::Union{Blocks{T},Nothing}, dk::Union{Blocks{T},Nothing}, dv::Union{Blocks{T},Nothing}, room::Ptr{T},
    dvalues::Blocks{T}, weights::Ptr{T}, q::Blocks{T}, k::Blocks{T}, v::Blocks{T}, scale::T, n::BlockSizes,
) where {T}
    block = n.keys * n.queries
    for sample in 0:n.samples-1
        first_block = weights + sample * n.heads * block * sizeof(T)
        for head in 0:n.heads-1
            p, dvalue = first_block + head * block * sizeof(T), at(dvalues, head, sample)
            dv === nothing || gemm!('N', 'T', n.value_width, n.keys, n.queries, dvalue, dvalues.column, p, n.keys, zero(T),
                                    at(dv, head, sample), dv.column)
            dq === dk === nothing && continue
            gemm!('T', 'N', n.keys, n.queries, n.value_width, at(v, head, sample), v.column, dvalue, dvalues.column, zero(T),
                  room + head * block * sizeof(T), n.keys)
        end
        dq === dk === nothing && continue
        parts(n.heads * n.queries, cld(LEAST_PART, max(n.keys, 1))) do first, last, _
            for column in first-1:last-1
                o = column * n.keys * sizeof(T)
                softmax_column_gradient!(Softmax(1), room + o, first_block + o, room + o, n.keys)
            end
        end
        for head in 0:n.heads-1
            dscores = room + head * block * sizeof(T)
            dq === nothing || gemm!('N', 'N', n.width, n.queries, n.keys, at(k, head, sample), k.column, dscores, n.keys,
                                    zero(T), at(dq, head, sample), dq.column, scale)
            dk === nothing || gemm!('N', 'T', n.width, n.keys, n.queries, at(q, head, sample), q.column, dscores, n.keys,
                                    zero(T), at(dk, head, sample), dk.column, scale)
        end
    end
    return nothing
end

# The order of samples: a pure function of (seed, epoch, source name), the same in every language.

"""
    order_words(seed, epoch, source, count) -> Vector{UInt64}

The words of an epoch's Philox4x64-10 stream, one for each of a source's `count` samples. The key is (seed, name), where
name is the first 8 bytes of the SHA-256 of the source's name in UTF-8, read as a little-endian number; word i (from 0) is
element i mod 4 of the block whose counter is (1 + i div 4, epoch, 0, 0).
"""
function order_words(seed::Integer, epoch::Integer, source::AbstractString, count::Integer)
    name = ltoh(reinterpret(UInt64, SHA.sha256(String(source))[1:8])[1])
    key = (seed % UInt64, name)
    words = Vector{UInt64}(undef, count)
    for start in 0:4:count-1
        block = philox((UInt64(1 + start ÷ 4), UInt64(epoch), zero(UInt64), zero(UInt64)), key)
        for i in 1:min(4, count - start)
            @inbounds words[start+i] = block[i]
        end
    end
    return words
end

"""
    sample_order(seed, epoch, source, count) -> Vector{Int}

The places, from 1, of a source's `count` samples in the order in which an epoch visits them: the stable ascending order
of their words.

```jldoctest
julia> sort(DiagramBridge.sample_order(0, 1, "digits", 5)) == 1:5
true
```
"""
sample_order(seed::Integer, epoch::Integer, source::AbstractString, count::Integer) =
    sortperm(order_words(seed, epoch, source, count), alg = MergeSort)

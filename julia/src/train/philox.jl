# Philox4x64-10 (Salmon, Moraes, Dror and Shaw, SC 2011), the counter-based generator that NumPy has under that name.

const PHILOX_MULTIPLIERS = (0xd2e7470ee14c6c93, 0xca5a826395121157)
const PHILOX_WEYL = (0x9e3779b97f4a7c15, 0xbb67ae8584caa73b)
const PHILOX_ROUNDS = 10

"""
    philox(counter::NTuple{4,UInt64}, key::NTuple{2,UInt64}) -> NTuple{4,UInt64}

The block of four words that belongs to a counter.

```jldoctest
julia> DiagramBridge.philox((0x0, 0x0, 0x0, 0x0) .% UInt64, (0x0, 0x0) .% UInt64)
(0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b)
```
"""
function philox(counter::NTuple{4,UInt64}, key::NTuple{2,UInt64})
    x, k = counter, key
    for _ in 1:PHILOX_ROUNDS
        one, two = widemul(PHILOX_MULTIPLIERS[1], x[1]), widemul(PHILOX_MULTIPLIERS[2], x[3])
        x = (upper(two) ⊻ x[2] ⊻ k[1], two % UInt64, upper(one) ⊻ x[4] ⊻ k[2], one % UInt64)
        k = k .+ PHILOX_WEYL
    end
    return x
end

upper(x::UInt128) = (x >> 64) % UInt64

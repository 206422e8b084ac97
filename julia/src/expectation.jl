# What arrays at the border of an island have to be.

"""
What an input or output has to be: its element type, and its sizes without the batch (Julia's order). A negative size −k
is the island's k-th axis variable.
"""
struct Expectation
    element::String
    type::DataType
    sizes::Vector{Int}
end

"""
What a parameter has to be: its element type and sizes (Julia's order). Where a model of the user's owns it, `array` is
its storage, else `nothing`.
"""
struct ParameterSlot
    element::String
    type::DataType
    sizes::Vector{Int}
    array::Union{Array,Nothing}
end

"""
    check(expectation, tensor or array, bound)

Throw a `BridgeError` unless it is what is expected, with the batch around it. `bound` has the size of each axis variable
so far, or −1, and is added to.
"""
function check(e::Expectation, t::DLTensor, bound::Vector{Int})
    n = length(e.sizes)
    fits = (t.code, t.bits) == code_bits_of(e.type) && t.ndim == n + 1
    for i in 1:(fits ? n : 0)
        fits &= fits_size(e, i, unsafe_load(t.shape, n - i + 2), bound)
    end
    fits || throw(BridgeError(e.element, describe(e, bound), describe(t)))
    return nothing
end

function check(e::Expectation, a::Array{T,N}, bound::Vector{Int}) where {T,N}
    fits = T === e.type && N == length(e.sizes) + 1
    for i in 1:(fits ? N - 1 : 0)
        fits &= fits_size(e, i, size(a, i), bound)
    end
    fits || throw(BridgeError(e.element, describe(e, bound), summary(a)))
    return nothing
end

function fits_size(e::Expectation, i::Int, found::Int, bound::Vector{Int})
    expected = e.sizes[i]
    expected >= 0 && return found == expected
    bound[-expected] < 0 && (bound[-expected] = found)
    return found == bound[-expected]
end

function describe(e::Expectation, bound::Vector{Int})
    sizes = [n >= 0 ? string(n) : bound[-n] >= 0 ? string(bound[-n]) : "any" for n in e.sizes]
    return "$(e.type) of size ($(join([sizes; "batch"], ", "))) in Julia's order"
end

"""
    current(slot::ParameterSlot, array, tensor) -> Array

The array to compute with: over the caller's tensor, or the user's model's own (`array`, that of the slot), brought up to
date where the tensor was moved to other memory.
"""
function current(p::ParameterSlot, own::Union{Array,Nothing}, t::DLTensor)
    fits = (t.code, t.bits) == code_bits_of(p.type) && t.ndim == length(p.sizes)
    for i in 1:(fits ? length(p.sizes) : 0)
        fits &= unsafe_load(t.shape, t.ndim - i + 1) == p.sizes[i]
    end
    fits || throw(BridgeError(p.element, "$(p.type) of shape $(Tuple(reverse(p.sizes)))", describe(t)))
    own === nothing && return wrap(t)
    if !isempty(own) && !(is_plain(t) && address(t) == address(own))
        count_copy(sizeof(own))
        copyto!(own, wrap(t))
    end
    return own
end

code_bits_of(T::DataType) = T === Float32 ? code_bits(Float32) : T === Float64 ? code_bits(Float64) : code_bits(T)

const TYPE_NAMES =
    Dict(SIGNED => "Int", UNSIGNED => "UInt", FLOAT => "Float", 0x04 => "BFloat", 0x05 => "Complex", BOOL => "Bool")

function describe(t::DLTensor)
    shape = Tuple(unsafe_load(t.shape, i) for i in 1:t.ndim)
    kind = get(TYPE_NAMES, t.code, "DLPack type $(t.code), ")
    return "$kind$(t.bits) of shape $shape"
end

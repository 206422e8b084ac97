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
    sizes::Dims
    array::Union{Array,Nothing}
end

"""
    check(expectation, array, bound)

Throw a `BridgeError` unless `array`, with the batch last, is what is expected. `bound` has the size of each axis variable
so far, or −1, and is added to.
"""
function check(e::Expectation, array::Array{T,N}, bound::Vector{Int}) where {T,N}
    fits = T === e.type && N == length(e.sizes) + 1
    if fits
        for i in 1:(N - 1)
            expected = e.sizes[i]
            if expected < 0
                bound[-expected] < 0 && (bound[-expected] = size(array, i))
                expected = bound[-expected]
            end
            fits &= size(array, i) == expected
        end
    end
    fits || throw(BridgeError(e.element, describe(e, bound), summary(array)))
    return nothing
end

# Room for every variable that the expectation names.
unbound(e::Expectation) = fill(-1, foldl((n, size) -> max(n, -size), e.sizes; init = 0))

function describe(e::Expectation, bound::Vector{Int} = unbound(e))
    sizes = [n >= 0 ? string(n) : bound[-n] >= 0 ? string(bound[-n]) : "any" for n in e.sizes]
    return "$(e.type) of size ($(join([sizes; "batch"], ", "))) in Julia's order"
end

"""
    current(slot::ParameterSlot, array) -> Array

The array to compute with: the caller's, or the user's model's own, brought up to date where the caller's tensor was moved
to other memory.
"""
function current(p::ParameterSlot, array::Array)
    eltype(array) === p.type && size(array) == p.sizes ||
        throw(BridgeError(p.element, "$(p.type) of shape $(reverse(p.sizes))",
                          "$(eltype(array)) of shape $(reverse(size(array)))"))
    own = p.array
    own === nothing && return array
    if !isempty(own) && address(own) != address(array)
        count_copy(sizeof(own))
        copyto!(own, array)
    end
    return own
end

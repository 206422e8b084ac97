"""
Where a layer's results go.

A layer asks its `Memory` for every array that it writes, so that the caller decides whether a value lies in a pool,
in the caller's own tensor or in a fresh array. Sizes are Julia's: axes reversed, batch last. An array that was asked
for is to be overwritten as a whole: what it holds is not defined.
"""
abstract type Memory end

"""
    output!(memory, k, T, dims) -> Array{T,N}

The destination of the `k`-th value of a layer, of size `dims`.
"""
function output! end

"""
    scratch!(memory, T, dims) -> Array{T,N}

An array of size `dims` that lives as long as the tape: residuals and temporaries.
"""
function scratch! end

"""
    release!(memory, a::Vector)

Say that scratch, a vector as it was given, is not needed any more: it may be used again before the tape ends.
"""
release!(::Memory, ::Vector) = nothing

"""
    input_gradient!(memory, i, T, dims) -> Array{T,N}

The destination of the gradient of a layer's `i`-th input.
"""
function input_gradient! end

"""
    parameter_gradient!(memory, j, T, dims) -> Array{T,N}

The destination of the gradient of a layer's `j`-th parameter.
"""
function parameter_gradient! end

"""
    Heap()

A memory that makes a new array for each request.
"""
struct Heap <: Memory end

output!(::Heap, k::Int, ::Type{T}, dims::Dims{N}) where {T,N} = Array{T,N}(undef, dims)
scratch!(::Heap, ::Type{T}, dims::Dims{N}) where {T,N} = Array{T,N}(undef, dims)
input_gradient!(::Heap, i::Int, ::Type{T}, dims::Dims{N}) where {T,N} = Array{T,N}(undef, dims)
parameter_gradient!(::Heap, j::Int, ::Type{T}, dims::Dims{N}) where {T,N} = Array{T,N}(undef, dims)

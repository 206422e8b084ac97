# Memory for what a step computes and forgets. It is pooled: a training loop asks for the same sizes again and again, and
# fresh pages cost more than many a layer.

"""
Vectors waiting to be used again, by element type and length, with the call at which each was given back. What no call
has asked for in `PATIENCE` calls is left to the garbage collector.
"""
struct Pool{T}
    free::Dict{Int,Vector{Tuple{Vector{T},Int}}}
end

Pool{T}() where {T} = Pool{T}(Dict{Int,Vector{Tuple{Vector{T},Int}}}())

const PATIENCE = 256

struct Workspace
    single::Pool{Float32}
    double::Pool{Float64}
    clock::Base.RefValue{Int}
end

Workspace() = Workspace(Pool{Float32}(), Pool{Float64}(), Ref(0))

pool(w::Workspace, ::Type{Float32}) = w.single
pool(w::Workspace, ::Type{Float64}) = w.double

function draw!(p::Pool{T}, length::Int) where {T}
    waiting = get(p.free, length, nothing)
    (waiting === nothing || isempty(waiting)) && return Vector{T}(undef, length)
    return first(pop!(waiting))
end

function give_back!(w::Workspace, v::Vector{T}) where {T}
    isempty(v) && return nothing
    p = pool(w, T)
    waiting = get!(() -> Tuple{Vector{T},Int}[], p.free, length(v))
    push!(waiting, (v, w.clock[]))
    return nothing
end

"Count a call, and now and then drop what nobody asks for."
function tick!(w::Workspace)
    w.clock[] += 1
    w.clock[] % PATIENCE == 0 && foreach(p -> trim!(p, w.clock[] - PATIENCE), (w.single, w.double))
    return nothing
end

function trim!(p::Pool, before::Int)
    for waiting in values(p.free)
        filter!(entry -> entry[2] >= before, waiting)
    end
    filter!(entry -> !isempty(entry[2]), p.free)
    return nothing
end

Base.empty!(w::Workspace) = (empty!(w.single.free); empty!(w.double.free); w)

"""
Vectors taken from a workspace that go back to it together: those of a tape when the tape is released, those of a
backward pass at its end.
"""
struct Lease
    workspace::Workspace
    single::Vector{Vector{Float32}}
    double::Vector{Vector{Float64}}
end

Lease(w::Workspace) = Lease(w, Vector{Float32}[], Vector{Float64}[])

taken(l::Lease, ::Type{Float32}) = l.single
taken(l::Lease, ::Type{Float64}) = l.double

"An array of the lease's, its contents undefined."
function lease!(l::Lease, ::Type{T}, dims::Dims{N}) where {T<:Union{Float32,Float64},N}
    v = draw!(pool(l.workspace, T), prod(dims))
    push!(taken(l, T), v)
    return reshape(v, dims)::Array{T,N}
end

lease!(::Lease, ::Type{T}, dims::Dims) where {T} = Array{T}(undef, dims)

"Take an array out of the lease: whoever holds it now keeps it."
function keep!(l::Lease, a::Array{T}) where {T<:Union{Float32,Float64}}
    filter!(v -> pointer(v) != pointer(a), taken(l, T))
    return a
end

keep!(::Lease, a::Array) = a

"Give one vector of the lease back early."
function release!(l::Lease, v::Vector{T}) where {T<:Union{Float32,Float64}}
    place = findlast(other -> pointer(other) == pointer(v), taken(l, T))
    place === nothing || give_back!(l.workspace, splice!(taken(l, T), place))
    return nothing
end

function Base.close(l::Lease)
    foreach(v -> give_back!(l.workspace, v), l.single)
    foreach(v -> give_back!(l.workspace, v), l.double)
    empty!(l.single)
    empty!(l.double)
    return nothing
end

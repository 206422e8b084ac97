# Loops over arrays of different shapes together, whatever their rank: a loop compiled for each rank would make Julia
# compile for seconds where it now computes.

"""
    Walk(sizes, strides...)

Arrays walked together: the size of each axis, and for each array how many elements lie from one step along it to the next,
0 where the array is the same all along. Axes of size 1 are left out, and neighbouring axes are one where they are so in
every array.
"""
struct Walk{A}
    sizes::Vector{Int}
    strides::NTuple{A,Vector{Int}}
end

function Walk(sizes::Vector{Int}, strides::Vararg{Vector{Int},A}) where {A}
    walk = Walk{A}(Int[], ntuple(_ -> Int[], A))
    for i in eachindex(sizes)
        sizes[i] == 1 && continue
        if !isempty(walk.sizes) && all(k -> strides[k][i] == walk.strides[k][end] * walk.sizes[end], 1:A)
            walk.sizes[end] *= sizes[i]
        else
            push!(walk.sizes, sizes[i])
            foreach((own, given) -> push!(own, given[i]), walk.strides, strides)
        end
    end
    isempty(walk.sizes) && (push!(walk.sizes, 1); foreach(own -> push!(own, 0), walk.strides))
    return walk
end

sizes_of(a::Array) = Int[size(a, i) for i in 1:ndims(a)]

"The strides of an array of this size, 0 along axes of size 1."
function strides_of(sizes::Vector{Int})
    strides, total = similar(sizes), 1
    for (i, n) in enumerate(sizes)
        strides[i] = n == 1 ? 0 : total
        total *= n
    end
    return strides
end

# What the loops of a walk read, as bits, so that no thread has to know of an array: for each axis its size, and then the
# stride of each array.
struct Steps{A}
    table::Ptr{Int}
end

table_of(walk::Walk) = reduce(vcat, [Int[walk.sizes[i]; [s[i] for s in walk.strides]] for i in eachindex(walk.sizes)])

@inline size_along(s::Steps{A}, axis::Int) where {A} = unsafe_load(s.table, (A + 1) * (axis - 1) + 1)
@inline stride_along(s::Steps{A}, axis::Int, k::Int) where {A} = unsafe_load(s.table, (A + 1) * (axis - 1) + 1 + k)

"Call `f(offsets)` for each place of the walk along all axes but the first, with the offset of each array there."
function each_run(f::F, walk::Walk{A}) where {F,A}
    n = length(walk.sizes)
    n == 1 && return f(ntuple(_ -> 0, A))
    elements, table = prod(walk.sizes) ÷ max(walk.sizes[n], 1), table_of(walk)
    steps = Steps{A}(pointer(table))
    GC.@preserve table parts(walk.sizes[n], cld(LEAST_PART, max(elements, 1))) do first, last, _
        runs_along(f, steps, n, first - 1, last - 1, ntuple(_ -> 0, A))
    end
end

function runs_along(f::F, steps::Steps{A}, axis::Int, first::Int, last::Int, offsets::NTuple{A,Int}) where {F,A}
    for i in first:last
        here = ntuple(k -> offsets[k] + i * stride_along(steps, axis, k), A)
        axis == 2 ? f(here) : runs_along(f, steps, axis - 1, 0, size_along(steps, axis - 1) - 1, here)
    end
end

# The first lines are compiled for each rank, what they call is not.
"Set each element of `y` to `f` of those of `a` and `b`, whose axes of size 1 are repeated."
function each!(f::F, y::Array{T}, a::Array{T}, b::Array{T}) where {F,T}
    GC.@preserve y a b if size(y) == size(a) == size(b)
        each_element!(f, pointer(y), pointer(a), pointer(b), length(y))
    else
        each_repeated!(f, pointer(y), sizes_of(y), pointer(a), sizes_of(a), pointer(b), sizes_of(b))
    end
    return y
end

function each_element!(f::F, y::Ptr{T}, a::Ptr{T}, b::Ptr{T}, n::Int) where {F,T}
    parts(n, LEAST_PART) do first, last, _
        @simd ivdep for i in first:last
            unsafe_store!(y, f(unsafe_load(a, i), unsafe_load(b, i)), i)
        end
    end
end

function each_repeated!(
    f::F, y::Ptr{T}, sizes::Vector{Int}, a::Ptr{T}, sizes_a::Vector{Int}, b::Ptr{T}, sizes_b::Vector{Int},
) where {F,T}
    walk = Walk(sizes, strides_of(sizes), strides_of(sizes_a), strides_of(sizes_b))
    n, steps = walk.sizes[1], map(s -> s[1], walk.strides)
    each_run(walk) do offsets
        to, p, q = y + offsets[1] * sizeof(T), a + offsets[2] * sizeof(T), b + offsets[3] * sizeof(T)
        steps[2] == 0 ? with_left!(f, to, unsafe_load(p), q, steps[3], n) :
        steps[3] == 0 ? with_right!(f, to, p, unsafe_load(q), n) : with_both!(f, to, p, q, n)
    end
end

function with_left!(f::F, y::Ptr{T}, a::T, b::Ptr{T}, step::Int, n::Int) where {F,T}
    step == 0 && return fill_elements!(y, n, f(a, unsafe_load(b)))
    @simd ivdep for i in 1:n
        unsafe_store!(y, f(a, unsafe_load(b, i)), i)
    end
end

function with_right!(f::F, y::Ptr{T}, a::Ptr{T}, b::T, n::Int) where {F,T}
    @simd ivdep for i in 1:n
        unsafe_store!(y, f(unsafe_load(a, i), b), i)
    end
end

function with_both!(f::F, y::Ptr{T}, a::Ptr{T}, b::Ptr{T}, n::Int) where {F,T}
    @simd ivdep for i in 1:n
        unsafe_store!(y, f(unsafe_load(a, i), unsafe_load(b, i)), i)
    end
end

"Set each element of `y` to `f` of that of `a`, whose axes of size 1 are repeated."
function each!(f::F, y::Array{T}, a::Array{T}) where {F,T}
    GC.@preserve y a each_repeated!(f, pointer(y), sizes_of(y), pointer(a), sizes_of(a))
    return y
end

function each_repeated!(f::F, y::Ptr{T}, sizes::Vector{Int}, a::Ptr{T}, sizes_a::Vector{Int}) where {F,T}
    walk = Walk(sizes, strides_of(sizes), strides_of(sizes_a))
    n, step = walk.sizes[1], walk.strides[2][1]
    each_run(walk) do offsets
        to, from = y + offsets[1] * sizeof(T), a + offsets[2] * sizeof(T)
        if step == 0
            fill_elements!(to, n, f(unsafe_load(from)))
        else
            @simd ivdep for i in 1:n
                unsafe_store!(to, f(unsafe_load(from, i)), i)
            end
        end
    end
end

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

@inline moved(offsets::NTuple{A,Int}, steps::Steps{A}, axis::Int, i::Int) where {A} =
    ntuple(k -> offsets[k] + i * stride_along(steps, axis, k), Val(A))

"""
Call `f(offsets)` for each place of the walk along all axes but the first, with the offset of each array there. Each call
does something with so many elements.
"""
function each_run(f::F, walk::Walk{A}, elements::Int = walk.sizes[1]) where {F,A}
    axes, table = length(walk.sizes), table_of(walk)
    axes == 1 && return f(ntuple(_ -> 0, Val(A)))
    steps = Steps{A}(pointer(table))
    GC.@preserve table parts(prod(walk.sizes[2:end]), cld(LEAST_PART, max(elements, 1))) do first, last, _
        runs_between(f, steps, axes, first - 1, last - 1)
    end
    return nothing
end

function runs_between(f::F, steps::Steps{A}, axes::Int, first::Int, last::Int) where {F,A}
    size, run = size_along(steps, 2), first
    strides = ntuple(k -> stride_along(steps, 2, k), Val(A))
    while run <= last
        rest, start = divrem(run, size)
        outer, behind = offsets_at(steps, axes, rest), min(size, start + last - run + 1)
        for i in start:(behind - 1)
            f(outer .+ i .* strides)
        end
        run += behind - start
    end
end

"Where place number `i` along the axes from the third on lies."
function offsets_at(steps::Steps{A}, axes::Int, i::Int) where {A}
    offsets = ntuple(_ -> 0, Val(A))
    for axis in 3:axes
        i, along = divrem(i, size_along(steps, axis))
        offsets = moved(offsets, steps, axis, along)
    end
    return offsets
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
    if steps[2] == 0
        each_run(o -> with_left!(f, at(y, o[1]), unsafe_load(at(a, o[2])), at(b, o[3]), steps[3], n), walk)
    elseif steps[3] == 0
        each_run(o -> with_right!(f, at(y, o[1]), at(a, o[2]), unsafe_load(at(b, o[3])), n), walk)
    else
        each_run(o -> with_both!(f, at(y, o[1]), at(a, o[2]), at(b, o[3]), n), walk)
    end
    return nothing
end

@inline at(place::Ptr{T}, offset::Int) where {T} = place + offset * sizeof(T)

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
    GC.@preserve y a if size(y) == size(a)
        each_element!(f, pointer(y), pointer(a), length(y))
    else
        each_repeated!(f, pointer(y), sizes_of(y), pointer(a), sizes_of(a))
    end
    return y
end

function each_element!(f::F, y::Ptr{T}, a::Ptr{T}, n::Int) where {F,T}
    parts((first, last, _) -> with_one!(f, at(y, first - 1), at(a, first - 1), last - first + 1), n, LEAST_PART)
    return nothing
end

function each_repeated!(f::F, y::Ptr{T}, sizes::Vector{Int}, a::Ptr{T}, sizes_a::Vector{Int}) where {F,T}
    walk = Walk(sizes, strides_of(sizes), strides_of(sizes_a))
    n, step = walk.sizes[1], walk.strides[2][1]
    if step == 0
        each_run(o -> fill_elements!(at(y, o[1]), n, f(unsafe_load(at(a, o[2])))), walk)
    else
        each_run(o -> with_one!(f, at(y, o[1]), at(a, o[2]), n), walk)
    end
    return nothing
end

function with_one!(f::F, y::Ptr{T}, a::Ptr{T}, n::Int) where {F,T}
    @simd ivdep for i in 1:n
        unsafe_store!(y, f(unsafe_load(a, i)), i)
    end
end

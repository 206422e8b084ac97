# Layers that put arrays together along one axis, or take them apart. `place` counts that axis from the last one of the
# sample, from 1: it is the axis of Julia's array. An array is taken as (inner, size, outer) around it.

inner_size(x::Array, place::Int) = prod(ntuple(i -> i < place ? size(x, i) : 1, ndims(x)))
outer_size(x::Array, place::Int) = prod(ntuple(i -> i > place ? size(x, i) : 1, ndims(x)))
with_size(x::Array{T,N}, place::Int, n::Int) where {T,N} = ntuple(i -> i == place ? n : size(x, i), N)

# Of a row-major shape, whose axes are counted from its end.
has_axis(where, place::Int, shape::SampleShape) =
    1 <= place <= length(shape) || refuse_shape(where, "an input with an axis -$place", shape)
function resized(shape::SampleShape, place::Int, n::Int)
    shape = copy(shape)
    shape[end-place+1] = n
    return shape
end

"The place of the attribute `axis`, −1 for the last one."
axis_place(attributes::Attributes) = -attribute(attributes, "axis", Int)

check_place(operation::String, place::Int, x::Array) = place < ndims(x) ||
    throw(BridgeError("layer '$operation'", "a sample with an axis -$place", "one of $(ndims(x) - 1) axes"))

"Copy `count` runs of `n` elements, which begin every `to_step` and `from_step` elements after the given offsets."
function copy_runs!(
    to::Array{T}, at::Int, to_step::Int, from::Array{T}, after::Int, from_step::Int, n::Int, count::Int,
) where {T}
    GC.@preserve to from begin
        a, b = pointer(to) + at * sizeof(T), pointer(from) + after * sizeof(T)
        parts(count, cld(LEAST_PART, max(n, 1))) do first, last, _
            for j in (first - 1):(last - 1)
                copy_run!(a + j * to_step * sizeof(T), b + j * from_step * sizeof(T), n)
            end
        end
    end
    return to
end

# A call of memcpy costs more than a few elements do.
@inline function copy_run!(a::Ptr{T}, b::Ptr{T}, n::Int) where {T}
    n > 16 && return (unsafe_copyto!(a, b, n); nothing)
    for i in 1:n
        unsafe_store!(a, unsafe_load(b, i), i)
    end
end

"Two or more inputs one after the other along the axis at `place`; the other axes are equal."
struct Concat <: Layer
    place::Int
end

Concat(a::Attributes) = Concat(axis_place(a))

input_kinds(::Concat) = (FLOATS, FLOATS)
takes_more(::Concat) = true

function sample_shape(layer::Concat, where, inputs::Vector{SampleShape})
    place, total = layer.place, 0
    has_axis(where, place, inputs[1])
    for shape in inputs
        length(shape) == length(inputs[1]) && resized(shape, place, 1) == resized(inputs[1], place, 1) ||
            refuse_shape(where, "inputs of equal shape $(shape_text(inputs[1])), but for axis -$place", shape)
        shape[end-place+1] isa Int || refuse_shape(where, "a fixed size of axis -$place", shape)
        total += shape[end-place+1]
    end
    return resized(inputs[1], place, total)
end

function forward(layer::Concat, ::Tuple{}, inputs::Tuple{Vararg{Array{T,N}}}, memory::Memory, ::Any) where {T,N}
    first_input, place = inputs[1], layer.place
    check_place("concat", place, first_input)
    for x in inputs
        with_size(x, place, 1) == with_size(first_input, place, 1) && continue
        throw(BridgeError("layer 'concat'", "inputs that are equal but for axis -$place", join(map(size, inputs), " and ")))
    end
    y = output!(memory, 1, T, with_size(first_input, place, sum(x -> size(x, place), inputs)))
    inner, outer, at = inner_size(y, place), outer_size(y, place), 0
    for x in inputs
        n = inner * size(x, place)
        copy_runs!(y, at, inner * size(y, place), x, 0, n, n, outer)
        at += n
    end
    return (y,), nothing
end

function pullback(
    layer::Concat, ::Tuple{}, inputs::Tuple{Vararg{Array{T,N}}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Vararg{Bool}}, ::Tuple{}, memory::Memory,
) where {T,N}
    dy, place = dvalues[1], layer.place
    inner, outer, after = inner_size(dy, place), outer_size(dy, place), 0
    dinputs = ntuple(length(inputs)) do i
        n = inner * size(inputs[i], place)
        after += n
        needs_inputs[i] || return nothing
        dx = input_gradient!(memory, i, T, size(inputs[i]))
        return copy_runs!(dx, 0, n, dy, after - n, inner * size(dy, place), n, outer)
    end
    return dinputs, ()
end

"The pieces of an input that have these sizes along the axis at `place`."
struct Split <: Layer
    place::Int
    sizes::Vector{Int}
end

Split(a::Attributes) = Split(axis_place(a), attribute(a, "sizes", Vector{Int}))

number_of_outputs(layer::Split) = length(layer.sizes)

function sample_shapes(layer::Split, where, inputs::Vector{SampleShape})
    shape, place, total = inputs[1], layer.place, sum(layer.sizes)
    has_axis(where, place, shape)
    shape[end-place+1] == total || refuse_shape(where, "an input whose axis -$place has size $total", shape)
    return SampleShape[resized(shape, place, n) for n in layer.sizes]
end

function forward(layer::Split, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x, place = inputs[1], layer.place
    check_place("split", place, x)
    size(x, place) == sum(layer.sizes) ||
        throw(BridgeError("layer 'split'", "an axis -$place of size $(sum(layer.sizes))", "a sample of $(size(x)[1:N-1])"))
    inner, outer, after = inner_size(x, place), outer_size(x, place), 0
    values = map(enumerate(layer.sizes)) do (k, size_of_piece)
        n = inner * size_of_piece
        after += n
        y = output!(memory, k, T, with_size(x, place, size_of_piece))
        return copy_runs!(y, 0, n, x, after - n, inner * size(x, place), n, outer)
    end
    return Tuple(values), nothing
end

function pullback(
    layer::Split, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Vararg{Array{T,N}}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    x, place = inputs[1], layer.place
    dx = input_gradient!(memory, 1, T, size(x))
    inner, outer, at = inner_size(x, place), outer_size(x, place), 0
    for (dy, size_of_piece) in zip(dvalues, layer.sizes)
        n = inner * size_of_piece
        copy_runs!(dx, at, inner * size(x, place), dy, 0, n, n, outer)
        at += n
    end
    return (dx,), ()
end

"The elements from `start` to before `stop`, both from 0, in steps of `step` along the axis at `place`."
struct Slice <: Layer
    place::Int
    start::Int
    stop::Int
    step::Int
end

Slice(a::Attributes) = Slice(axis_place(a), attribute(a, "start", Int), attribute(a, "stop", Int), attribute(a, "step", Int))

check_layer(layer::Slice, where) =
    layer.start < layer.stop || refuse(where, "a start before the stop", "$(layer.start) and $(layer.stop)", "layer")

function sample_shape(layer::Slice, where, inputs::Vector{SampleShape})
    shape, place = inputs[1], layer.place
    has_axis(where, place, shape)
    n = shape[end-place+1]
    n isa Int && n >= layer.stop ||
        refuse_shape(where, "an input whose axis -$place has a fixed size of $(layer.stop) or more", shape)
    return resized(shape, place, length(layer.start:layer.step:layer.stop-1))
end

function forward(layer::Slice, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, ::Any) where {T,N}
    x, place = inputs[1], layer.place
    check_place("slice", place, x)
    layer.stop <= size(x, place) ||
        throw(BridgeError("layer 'slice'", "an axis -$place of size $(layer.stop) or more", "a sample of $(size(x)[1:N-1])"))
    y = output!(memory, 1, T, with_size(x, place, length(layer.start:layer.step:layer.stop-1)))
    runs = SliceRuns(layer, x)
    each_slab((whole, part) -> take_runs!(part, whole, runs), x, y, runs)
    return (y,), nothing
end

function pullback(
    layer::Slice, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    dx, runs = input_gradient!(memory, 1, T, size(inputs[1])), SliceRuns(layer, inputs[1])
    each_slab((whole, part) -> put_runs!(whole, part, runs), dx, dvalues[1], runs)
    return (dx,), ()
end

"What a slice takes of `width` neighbours: `count` runs of `n`, which begin every `step` elements from `start` on."
struct SliceRuns
    width::Int
    start::Int
    n::Int
    count::Int
    step::Int
end

function SliceRuns(layer::Slice, x::Array)
    inner, count = inner_size(x, layer.place), length(layer.start:layer.step:layer.stop-1)
    width, start = inner * size(x, layer.place), inner * layer.start
    layer.step == 1 && return SliceRuns(width, start, inner * count, 1, inner * count)
    return SliceRuns(width, start, inner, count, inner * layer.step)
end

"Call `body` with the place of each `width` neighbours of `x`, and with that of what is taken of them in `y`."
function each_slab(body::F, x::Array{T}, y::Array{T}, r::SliceRuns) where {F,T}
    GC.@preserve x y begin
        whole, part = pointer(x), pointer(y)
        parts(length(x) ÷ max(r.width, 1), cld(LEAST_PART, max(r.width, 1))) do first, last, _
            for k in (first - 1):(last - 1)
                body(whole + k * r.width * sizeof(T), part + k * r.n * r.count * sizeof(T))
            end
        end
    end
    return nothing
end

function take_runs!(part::Ptr{T}, whole::Ptr{T}, r::SliceRuns) where {T}
    from = whole + r.start * sizeof(T)
    r.n == 1 && return copy_spaced!(part, from, r.count, r.step)
    for k in 0:(r.count - 1)
        copy_run!(part + k * r.n * sizeof(T), from + k * r.step * sizeof(T), r.n)
    end
end

"What is not taken becomes 0."
function put_runs!(whole::Ptr{T}, part::Ptr{T}, r::SliceRuns) where {T}
    fill_elements!(whole, r.start, zero(T))
    behind = r.start # what is written
    for k in 0:(r.count - 1)
        copy_run!(whole + behind * sizeof(T), part + k * r.n * sizeof(T), r.n)
        next = k + 1 < r.count ? behind + r.step : r.width
        fill_elements!(whole + (behind + r.n) * sizeof(T), next - behind - r.n, zero(T))
        behind = next
    end
end

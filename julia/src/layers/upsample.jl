"""
    NearestUpsample(factor, align_corners)

Each element of a plane as a block of `factor` equal ones (torch.nn.Upsample, mode "nearest"); it has no corners to align,
and is refused with `align_corners`.
"""
struct NearestUpsample <: Layer
    factor::Tuple{Int,Int}
    align_corners::Bool
end

"""
    BilinearUpsample(factor, align_corners)

Planes that are `factor` times as large, their elements interpolated linearly along both axes (torch.nn.Upsample, mode
"bilinear"). Element i of an axis of n is read at i · (n − 1) / (factor · n − 1) with `align_corners`, else at
max(0, (i + ½) / factor − ½).
"""
struct BilinearUpsample <: Layer
    factor::Tuple{Int,Int}
    align_corners::Bool
end

const Upsample = Union{NearestUpsample,BilinearUpsample}

function upsample(a::Attributes)
    make = attribute(a, "mode", String) == "nearest" ? NearestUpsample : BilinearUpsample
    return make(pair(attribute(a, "factor", Vector{Int}), 1), attribute(a, "align_corners", Bool))
end

check_layer(layer::NearestUpsample, where) = layer.align_corners &&
    refuse(where, "the mode 'bilinear' with align_corners", "the mode 'nearest'", "layer")

function sample_shape(layer::Upsample, where, inputs::Vector{SampleShape})
    shape, factor = inputs[1], row_major(layer.factor, 2)
    sizes = check_spatial(where, shape, 2)
    check_variables(where, shape, factor .== 1)
    return SampleShape([shape[1]; Size[n isa String ? n : n * f for (n, f) in zip(sizes, factor)]])
end

result_plane(layer::Upsample, plane::Tuple{Int,Int}) = map(*, plane, layer.factor)

function check_sizes(::Upsample, x::Array)
    ndims(x) == 4 && all(>(0), plane(x)) && return nothing
    throw(BridgeError("layer 'upsample2d'", "planes of channels", "an input of $(size(x)) in Julia's order"))
end

function forward(layer::NearestUpsample, ::Tuple{}, inputs::Tuple{Array{T,4}}, memory::Memory, _) where {T}
    x = inputs[1]
    check_sizes(layer, x)
    y = output!(memory, 1, T, resized(x, result_plane(layer, plane(x)), channels(x)))
    width, (across, down) = size(x, 1), layer.factor
    lines = length(x) ÷ width
    GC.@preserve x y parts(lines, cld(LEAST_PART, width * across * down)) do first, last, _
        for line in (first - 1):(last - 1)
            place = pointer(y) + line * down * across * width * sizeof(T)
            repeat_elements!(place, pointer(x) + line * width * sizeof(T), width, across)
            for copy in 1:(down - 1)
                copy_elements!(place + copy * across * width * sizeof(T), place, across * width)
            end
        end
    end
    return (y,), nothing
end

function repeat_elements!(y::Ptr{T}, x::Ptr{T}, n::Int, times::Int) where {T}
    for i in 1:n
        value = unsafe_load(x, i)
        for k in ((i - 1) * times + 1):(i * times)
            unsafe_store!(y, value, k)
        end
    end
end

function pullback(
    layer::NearestUpsample, ::Tuple{}, inputs::Tuple{Array{T,4}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,4}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T}
    needs_inputs[1] || return (nothing,), ()
    dy = dvalues[1]
    dx = input_gradient!(memory, 1, T, size(inputs[1]))
    width, (across, down) = size(dx, 1), layer.factor
    GC.@preserve dx dy parts(length(dx) ÷ width, cld(LEAST_PART, width * across * down)) do first, last, _
        for line in (first - 1):(last - 1), copy in 0:(down - 1)
            add_sums!(pointer(dx) + line * width * sizeof(T),
                      pointer(dy) + (line * down + copy) * across * width * sizeof(T), width, across, copy == 0)
        end
    end
    return (dx,), ()
end

"Add to each of `n` elements, or to 0, the sum of `times` of the others."
function add_sums!(x::Ptr{T}, y::Ptr{T}, n::Int, times::Int, from_zero::Bool) where {T}
    for i in 1:n
        sum = from_zero ? zero(T) : unsafe_load(x, i)
        for k in ((i - 1) * times + 1):(i * times)
            sum += unsafe_load(y, k)
        end
        unsafe_store!(x, sum, i)
    end
end

"""
Where element `i` of an axis that becomes `factor` times as long is read: the element before, the one behind, and the
latter's part.
"""
@inline function reading_place(::Type{T}, i::Int, n::Int, factor::Int, align_corners::Bool) where {T}
    at = align_corners ? (n * factor > 1 ? T(n - 1) / T(n * factor - 1) : zero(T)) * T(i) :
         max(zero(T), (T(i) + T(0.5)) * (one(T) / T(factor)) - T(0.5))
    before = min(unsafe_trunc(Int, at), n - 1)
    return before, min(before + 1, n - 1), at - T(before)
end

"For the columns of a result: the element before in the bits of a float, and the part of the one behind."
function reading_places(layer::BilinearUpsample, memory::Memory, ::Type{T}, n::Int) where {T}
    befores, portions = scratch!(memory, Float32, (n * layer.factor[1],)), scratch!(memory, T, (n * layer.factor[1],))
    GC.@preserve befores for i in 0:(length(portions) - 1)
        before, _, part = reading_place(T, i, n, layer.factor[1], layer.align_corners)
        unsafe_store!(Ptr{Int32}(pointer(befores)), before % Int32, i + 1)
        @inbounds portions[i + 1] = part
    end
    return befores, portions
end

function forward(layer::BilinearUpsample, ::Tuple{}, inputs::Tuple{Array{T,4}}, memory::Memory, _) where {T}
    x = inputs[1]
    check_sizes(layer, x)
    (width, height), (wide, high) = plane(x), result_plane(layer, plane(x))
    y = output!(memory, 1, T, resized(x, (wide, high), channels(x)))
    befores, portions = reading_places(layer, memory, T, width)
    rows, least = size(x, 3) * size(x, 4) * high, cld(LEAST_PART, wide)
    mixed = scratch!(memory, T, ((width + 1) * part_count(rows, least),))
    GC.@preserve x y befores portions mixed parts(rows, least) do first, last, part
        line = pointer(mixed) + (part - 1) * (width + 1) * sizeof(T)
        for k in (first - 1):(last - 1)
            image, row = divrem(k, high)
            above, below, share = reading_place(T, row, height, layer.factor[2], layer.align_corners)
            mix_rows!(line, pointer(x) + (image * height + above) * width * sizeof(T),
                      pointer(x) + (image * height + below) * width * sizeof(T), share, width)
            interpolate!(pointer(y) + k * wide * sizeof(T), line, Ptr{Int32}(pointer(befores)), pointer(portions), wide)
        end
    end
    return (y,), nothing
end

# The last element stands twice, so that there is one behind it.
function mix_rows!(line::Ptr{T}, above::Ptr{T}, below::Ptr{T}, share::T, n::Int) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(line, (one(T) - share) * unsafe_load(above, i) + share * unsafe_load(below, i), i)
    end
    unsafe_store!(line, unsafe_load(line, n), n + 1)
end

function interpolate!(y::Ptr{T}, line::Ptr{T}, befores::Ptr{Int32}, portions::Ptr{T}, n::Int) where {T}
    @simd ivdep for i in 1:n
        before, part = Int(unsafe_load(befores, i)), unsafe_load(portions, i)
        unsafe_store!(y, (one(T) - part) * unsafe_load(line, before + 1) + part * unsafe_load(line, before + 2), i)
    end
end

function pullback(
    layer::BilinearUpsample, ::Tuple{}, inputs::Tuple{Array{T,4}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,4}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T}
    needs_inputs[1] || return (nothing,), ()
    dy = dvalues[1]
    dx = fill!(input_gradient!(memory, 1, T, size(inputs[1])), zero(T))
    (width, height), (wide, high) = plane(dx), plane(dy)
    befores, portions = reading_places(layer, memory, T, width)
    images = size(dx, 3) * size(dx, 4)
    least = cld(LEAST_PART, wide * high)
    gathered = scratch!(memory, T, ((width + 1) * part_count(images, least),))
    GC.@preserve dx dy befores portions gathered parts(images, least) do first, last, part
        line = pointer(gathered) + (part - 1) * (width + 1) * sizeof(T)
        for image in (first - 1):(last - 1), row in 0:(high - 1)
            fill_elements!(line, width + 1, zero(T))
            spread_elements!(line, pointer(dy) + (image * high + row) * wide * sizeof(T), Ptr{Int32}(pointer(befores)),
                             pointer(portions), wide)
            unsafe_store!(line, unsafe_load(line, width) + unsafe_load(line, width + 1), width)
            above, below, share = reading_place(T, row, height, layer.factor[2], layer.align_corners)
            add_multiple!(pointer(dx) + (image * height + above) * width * sizeof(T), one(T) - share, line, width)
            add_multiple!(pointer(dx) + (image * height + below) * width * sizeof(T), share, line, width)
        end
    end
    return (dx,), ()
end

function spread_elements!(line::Ptr{T}, dy::Ptr{T}, befores::Ptr{Int32}, portions::Ptr{T}, n::Int) where {T}
    for i in 1:n
        before, part, value = Int(unsafe_load(befores, i)), unsafe_load(portions, i), unsafe_load(dy, i)
        unsafe_store!(line, unsafe_load(line, before + 1) + (one(T) - part) * value, before + 1)
        unsafe_store!(line, unsafe_load(line, before + 2) + part * value, before + 2)
    end
end

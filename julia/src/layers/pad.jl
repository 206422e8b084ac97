"""
    Pad(before, after, value)

`value` before and behind the elements of the last axes of the sample, as often as `before` and `after` say, row-major
(torch.nn.functional.pad).
"""
struct Pad <: Layer
    before::Vector{Int}
    after::Vector{Int}
    value::Float64
end

Pad(a::Attributes) =
    Pad(attribute(a, "before", Vector{Int}), attribute(a, "after", Vector{Int}), attribute(a, "value", Float64))

check_layer(layer::Pad, where) = length(layer.before) == length(layer.after) ? nothing :
    refuse(where, "$(length(layer.before)) sizes after, as before", string(length(layer.after)), "layer")

function sample_shape(layer::Pad, where, inputs::Vector{SampleShape})
    shape, more = inputs[1], layer.before .+ layer.after
    length(shape) < length(more) && refuse_shape(where, "an input of $(length(more)) or more axes", shape)
    check_variables(where, shape, more .== 0)
    kept = length(shape) - length(more)
    return SampleShape([shape[1:kept]; Size[n isa String ? n : n + m for (n, m) in zip(shape[(kept + 1):end], more)]])
end

function padded_size(layer::Pad, x::Array{T,N}) where {T,N}
    axes = length(layer.before)
    axes < N ||
        throw(BridgeError("layer 'pad'", "a sample of $axes axes or more", "an input of $(size(x)) in Julia's order"))
    return ntuple(i -> i > axes ? size(x, i) : size(x, i) + layer.before[axes - i + 1] + layer.after[axes - i + 1], Val(N))
end

function forward(layer::Pad, ::Tuple{}, inputs::Tuple{Array{T,N}}, memory::Memory, _) where {T,N}
    x = inputs[1]
    y = output!(memory, 1, T, padded_size(layer, x))
    value = T(layer.value)
    GC.@preserve x y begin
        behind = Ref(pointer(y)) # what has been written
        each_padded_run(layer, size(x), size(y)) do padded, plain, n
            place = pointer(y, padded)
            fill_elements!(behind[], Int(place - behind[]) ÷ sizeof(T), value)
            copy_elements!(place, pointer(x, plain), n)
            behind[] = place + n * sizeof(T)
        end
        fill_elements!(behind[], Int(pointer(y, length(y) + 1) - behind[]) ÷ sizeof(T), value)
    end
    return (y,), nothing
end

function pullback(
    layer::Pad, ::Tuple{}, inputs::Tuple{Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    needs_inputs[1] || return (nothing,), ()
    dy = dvalues[1]
    dx = input_gradient!(memory, 1, T, size(inputs[1]))
    GC.@preserve dx dy each_padded_run(layer, size(dx), size(dy)) do padded, plain, n
        copy_elements!(pointer(dx, plain), pointer(dy, padded), n)
    end
    return (dx,), ()
end

"""
Call `body(padded, plain, n)` for runs of `n` neighbours, in order: where they begin in the array with the padding and in
the one without.
"""
@inline function each_padded_run(body::F, layer::Pad, plain::Dims{N}, padded::Dims{N}) where {F,N}
    axes, strides = length(layer.before), Base.size_to_strides(1, padded...)
    prod(plain) == 0 && return nothing
    corner = 1 + sum(i -> i <= axes ? layer.before[axes - i + 1] * strides[i] : 0, 1:N)
    for (k, index) in enumerate(CartesianIndices(Base.tail(plain)))
        body(corner + sum((Tuple(index) .- 1) .* Base.tail(strides)), (k - 1) * plain[1] + 1, plain[1])
    end
end

"The sum of two or more inputs of one size."
struct Add <: Layer end

input_kinds(::Add) = (FLOATS, FLOATS)
takes_more(::Add) = true
sample_shape(::Add, where, inputs::Vector{SampleShape}) = same_shape(where, inputs)

function forward(
    ::Add, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N},Vararg{Array{T,N}}}, memory::Memory, ::Any,
) where {T,N}
    check_equal_sizes("add", inputs)
    y = output!(memory, 1, T, size(inputs[1]))
    add!(y, inputs[1], inputs[2])
    for x in inputs[3:end]
        add!(y, y, x)
    end
    return (y,), nothing
end

function pullback(
    ::Add, ::Tuple{}, ::Tuple{Vararg{Array}}, ::Tuple, ::Nothing, dvalues::Tuple{Array},
    needs_inputs::Tuple{Vararg{Bool}}, ::Tuple{}, ::Memory,
)
    return map(needed -> needed ? dvalues[1] : nothing, needs_inputs), ()
end

function check_equal_sizes(operation::String, inputs::Tuple)
    all(x -> size(x) == size(inputs[1]), inputs) && return
    throw(BridgeError("layer '$operation'", "inputs of one size", join(map(size, inputs), " and ")))
end

function add!(y::Array{T,N}, a::Array{T,N}, b::Array{T,N}) where {T,N}
    parts(length(y), LEAST_PART) do first, last, _
        @inbounds @simd ivdep for i in first:last
            y[i] = a[i] + b[i]
        end
    end
    return y
end

"The product of two inputs of one size."
struct Multiply <: Layer end

input_kinds(::Multiply) = (FLOATS, FLOATS)
sample_shape(::Multiply, where, inputs::Vector{SampleShape}) = same_shape(where, inputs)

function forward(::Multiply, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N}}, memory::Memory, ::Any) where {T,N}
    check_equal_sizes("multiply", inputs)
    y = output!(memory, 1, T, size(inputs[1]))
    multiply!(y, inputs[1], inputs[2])
    return (y,), nothing
end

function pullback(
    ::Multiply, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Bool,Bool}, ::Tuple{}, memory::Memory,
) where {T,N}
    dinputs = ntuple(2) do i
        needs_inputs[i] || return nothing
        multiply!(input_gradient!(memory, i, T, size(inputs[i])), dvalues[1], inputs[3-i])
    end
    return dinputs, ()
end

function multiply!(y::Array{T,N}, a::Array{T,N}, b::Array{T,N}) where {T,N}
    parts(length(y), LEAST_PART) do first, last, _
        @inbounds @simd ivdep for i in first:last
            y[i] = a[i] * b[i]
        end
    end
    return y
end

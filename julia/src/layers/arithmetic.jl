"""
Two or more inputs with equally many axes, taken together element by element. Axes of size 1 are repeated to fit the other
inputs, as in NumPy.
"""
abstract type Arithmetic <: Layer end

"The sum of two or more inputs."
struct Add <: Arithmetic end
operation(::Add) = "add"

"The first input minus the second."
struct Subtract <: Arithmetic end
operation(::Subtract) = "subtract"

"The product of two inputs."
struct Multiply <: Arithmetic end
operation(::Multiply) = "multiply"

"The first input divided by the second."
struct Divide <: Arithmetic end
operation(::Divide) = "divide"

input_kinds(::Arithmetic) = (FLOATS, FLOATS)
takes_more(::Add) = true

function sample_shape(::Arithmetic, where, inputs::Vector{SampleShape})
    common = copy(inputs[1])
    for shape in inputs
        fits = length(shape) == length(common) &&
            all(i -> 1 in (shape[i], common[i]) || shape[i] == common[i], eachindex(shape))
        fits || refuse_shape(where, "inputs of equal shape $(shape_text(inputs[1])), but for axes of size 1", shape)
        foreach(i -> common[i] == 1 && (common[i] = shape[i]), eachindex(shape))
    end
    return common
end

function forward(
    layer::Arithmetic, ::Tuple{}, inputs::Tuple{Array{T,N},Array{T,N},Vararg{Array{T,N}}}, memory::Memory, ::Any,
) where {T,N}
    y = output!(memory, 1, T, common_size(layer, inputs))
    combine!(layer, y, inputs...)
    return (y,), nothing
end

"The size of the inputs with their axes of size 1 repeated; the batch is never repeated."
function common_size(layer::Arithmetic, inputs::Tuple{Vararg{Array{T,N}}}) where {T,N}
    all(x -> size(x) == size(inputs[1]), inputs) && return size(inputs[1])
    common = common_sizes(operation(layer), Vector{Int}[sizes_of(x) for x in inputs])
    return ntuple(i -> common[i], N)
end

function common_sizes(operation::String, all_sizes::Vector{Vector{Int}})
    common = copy(all_sizes[1])
    for sizes in all_sizes, (i, n) in enumerate(sizes)
        common[i] == n && continue
        1 in (n, common[i]) && i < length(sizes) ||
            throw(BridgeError("layer '$operation'", "inputs of one size, but for axes of size 1", join(all_sizes, " and ")))
        common[i] = n == 1 ? common[i] : n
    end
    return common
end

combine!(::Add, y::Array, a::Array, b::Array) = each!(+, y, a, b)
combine!(::Subtract, y::Array, a::Array, b::Array) = each!(-, y, a, b)
combine!(::Multiply, y::Array, a::Array, b::Array) = each!(*, y, a, b)
combine!(::Divide, y::Array, a::Array, b::Array) = each!(/, y, a, b)

function combine!(layer::Add, y::Array, a::Array, b::Array, c::Array, more::Array...)
    each!(+, y, a, b)
    return combine!(layer, y, y, c, more...)
end

function pullback(
    layer::Arithmetic, ::Tuple{}, inputs::Tuple{Vararg{Array{T,N}}}, ::Tuple, ::Nothing, dvalues::Tuple{Array{T,N}},
    needs_inputs::Tuple{Vararg{Bool}}, ::Tuple{}, memory::Memory,
) where {T,N}
    return ntuple(i -> needs_inputs[i] ? input_gradient(layer, i, inputs, dvalues[1], memory) : nothing, length(inputs)), ()
end

input_gradient(::Add, i::Int, inputs::Tuple, dy::Array, memory::Memory) =
    size(inputs[i]) == size(dy) ? dy : sum_to!(input_gradient!(memory, i, eltype(dy), size(inputs[i])), dy)

function input_gradient(::Subtract, i::Int, inputs::Tuple, dy::Array, memory::Memory)
    i == 1 && return input_gradient(Add(), 1, inputs, dy, memory)
    return written!((to, with) -> each!(-, to, with), memory, i, inputs, dy)
end

input_gradient(::Multiply, i::Int, inputs::Tuple, dy::Array, memory::Memory) =
    written!((to, with) -> each!(*, to, with, inputs[3-i]), memory, i, inputs, dy)

function input_gradient(::Divide, i::Int, inputs::Tuple, dy::Array, memory::Memory)
    a, b = inputs
    i == 1 && return written!((to, with) -> each!(/, to, with, b), memory, 1, inputs, dy)
    return written!(memory, 2, inputs, dy) do to, with
        each!(/, each!(/, to, a, b), to, b)
        each!((quotient, d) -> -d * quotient, to, to, with)
    end
end

"The gradient of input `i` that `write!(to, dy)` gives at the size of `dy`, summed over the axes that were repeated."
function written!(write!::F, memory::Memory, i::Int, inputs::Tuple, dy::Array{T}) where {F,T}
    gradient = input_gradient!(memory, i, T, size(inputs[i]))
    size(gradient) == size(dy) && return write!(gradient, dy)
    return sum_to!(gradient, write!(scratch!(memory, T, size(dy)), dy))
end

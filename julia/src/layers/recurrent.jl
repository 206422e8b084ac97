# What the recurrent layers have in common. They run over the time axis of (inputs, time, batch) in the order of the steps:
# step k is at the time k, or, in reverse, at the k-th last one. What they keep is (…, batch, steps), so that each step is a
# matrix: one product takes the inputs of all steps, and each step adds that of the state before it.

"A layer of one recurrence in one direction: what kind it is says how a step makes the next state."
abstract type Recurrent <: Layer end

"""
What every recurrence has: its sizes, how many biases (2: torch's, 1: on the side of the input alone, 0), whether it begins
at the end, and whether it is given the length of each sequence and the initial states.
"""
struct Recurrence
    inputs::Int
    hidden::Int
    biases::Int
    reverse::Bool
    lengths::Bool
    initial::Bool
end

Recurrence(a::Attributes) =
    Recurrence(attribute(a, "in", Int), attribute(a, "hidden", Int), attribute(a, "biases", Int),
               attribute(a, "reverse", Bool), attribute(a, "lengths", Bool), attribute(a, "initial", Bool))

"How many times its hidden size a layer computes in a step."
function gates end

"How many arrays the state is."
states(::Recurrent) = 1

parameter_names(layer::Recurrent) = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[1:2+layer.of.biases]
function parameter_shapes(layer::Recurrent)
    rows, hidden = gates(layer) * layer.of.hidden, layer.of.hidden
    return ((rows, layer.of.inputs), (rows, hidden), (rows,), (rows,))[1:2+layer.of.biases]
end

"What torch's layers start with."
initial_recurrent(a::Attributes, ::String) = UniformValues(1 / sqrt(attribute(a, "hidden", Int)))

input_kinds(layer::Recurrent) =
    (FLOATS, (layer.of.lengths ? (LENGTHS,) : ())..., (layer.of.initial ? ntuple(_ -> FLOATS, states(layer)) : ())...)
number_of_outputs(layer::Recurrent) = 1 + states(layer)

function sample_shapes(layer::Recurrent, where, inputs::Vector{SampleShape})
    x, state = inputs[1], SampleShape([layer.of.hidden])
    length(x) == 2 && x[2] == layer.of.inputs ||
        refuse_shape(where, "an input of two axes, the last of size $(layer.of.inputs)", x)
    lengths, initial = other_inputs(layer, Tuple(inputs))
    lengths === nothing || isempty(lengths) || refuse_shape(where, "a length without axes", lengths)
    foreach(shape -> shape == state || refuse_shape(where, "an initial state of size $(layer.of.hidden)", shape), initial)
    return SampleShape[SampleShape([x[1], layer.of.hidden]), ntuple(_ -> state, states(layer))...]
end

"The lengths among the inputs, or `nothing`, and the initial states, or `()`."
function other_inputs(layer::Recurrent, inputs::Tuple)
    lengths = layer.of.lengths ? inputs[2] : nothing
    return lengths, layer.of.initial ? inputs[2+layer.of.lengths:end] : ()
end

function check_inputs(layer::Recurrent, parameters::Tuple, inputs::Tuple)
    x, of = inputs[1], layer.of
    fits = ndims(x) == 3 && size(x, 1) == of.inputs && map(reverse ∘ size, parameters) == parameter_shapes(layer) &&
        length(inputs) == length(input_kinds(layer))
    lengths, initial = fits ? other_inputs(layer, inputs) : (nothing, ())
    fits &= all(state -> size(state) == (of.hidden, size(x, 3)), initial)
    fits &= lengths === nothing || size(lengths) == (size(x, 3),)
    found = "inputs of $(map(size, inputs)) and parameters of $(map(size, parameters)) in Julia's order"
    fits || throw(BridgeError("layer '$(operation(layer))'", "$(of.inputs) features and $(of.hidden) hidden ones", found))
    return nothing
end

"The length of each sequence, which has to fit so many steps; empty where all are whole."
function sequence_lengths(layer::Recurrent, inputs::Tuple)
    layer.of.lengths || return Int[]
    lengths, steps = convert(Vector{Int}, inputs[2]), size(inputs[1], 2)
    k = findfirst(n -> !(0 <= n <= steps), lengths)
    k === nothing ||
        throw(BridgeError("layer '$(operation(layer))', lengths", "numbers from 0 to $steps", string(lengths[k])))
    return lengths
end

"The time, from 1, of a step."
time_of(layer::Recurrent, step::Int, steps::Int) = layer.of.reverse ? steps - step + 1 : step

"Whether a sequence has ended before, or in reverse has not yet begun at, a time."
is_over(lengths::Vector{Int}, sequence::Int, time::Int) = !isempty(lengths) && @inbounds time > lengths[sequence]

function forward(
    layer::Recurrent, parameters::Tuple{Matrix{T},Matrix{T},Vararg{Vector{T}}}, inputs::Tuple, memory::Memory, ::Any,
) where {T}
    check_inputs(layer, parameters, inputs)
    biases = ntuple(j -> j <= layer.of.biases ? parameters[2+j]::Vector{T} : T[], 2)
    initial = ntuple(states(layer)) do k
        layer.of.initial ? inputs[1+layer.of.lengths+k]::Matrix{T} : Matrix{T}(undef, 0, 0)
    end
    x::Array{T,3} = inputs[1]
    return run_steps(layer, x, parameters[1], parameters[2], biases, sequence_lengths(layer, inputs), initial, memory)
end

"""
    run_steps(layer, x, weight_ih, weight_hh, biases, lengths, initial, memory) -> (values, residual)

The values for inputs that fit. Biases, lengths and initial states that there are none of are empty, so that one method is
compiled for all. The residual begins with the inputs in the order of the steps and the sequence of states.
"""
function run_steps end

function pullback(
    layer::Recurrent, parameters::Tuple, inputs::Tuple, ::Tuple, residual::Tuple, dvalues::Tuple, needs_inputs::Tuple,
    needs_parameters::Tuple, memory::Memory,
)
    from_input, from_state, dstates =
        pull_steps(layer, parameters[2], sequence_lengths(layer, inputs), residual, dvalues, memory)
    dx, dparameters = gradients_of_steps(layer, parameters, inputs[1], residual[1], residual[2], from_input, from_state,
                                         needs_inputs, needs_parameters, memory)
    dinitial = layer.of.initial ? initial_gradients(layer, dstates, needs_inputs, memory) : ()
    return (dx, (layer.of.lengths ? (nothing,) : ())..., dinitial...), dparameters
end

"""
    pull_steps(layer, weight_hh, lengths, residual, dvalues, memory) -> (from_input, from_state, dstates)

The gradients of what each step got from its input and from the state before it, both (rows, batch, steps), and of the states
before the first step.
"""
function pull_steps end

"The inputs (features, batch, steps) in the order of the steps. Those after the end of a sequence are zeros."
function in_steps(layer::Recurrent, x::Array{T,3}, lengths::Vector{Int}, memory::Memory) where {T}
    n, steps, batch = size(x)
    isempty(lengths) && is_in_steps(layer, x) && return reshape(x, n, batch, steps)
    xs = scratch!(memory, T, (n, batch, steps))
    GC.@preserve x xs for step in 1:steps, b in 1:batch
        time = time_of(layer, step, steps)
        to = pointer(xs) + ((step - 1) * batch + b - 1) * n * sizeof(T)
        is_over(lengths, b, time) ? fill_run!(to, zero(T), n) :
            copy_run!(to, pointer(x) + ((b - 1) * steps + time - 1) * n * sizeof(T), n)
    end
    return xs
end

"Whether (features, time, batch) is (features, batch, steps) in memory."
is_in_steps(layer::Recurrent, x::Array) = size(x, 2) == 1 || (size(x, 3) == 1 && !layer.of.reverse)

"Write what is (features, batch, steps) in the order of the steps to `x`."
function from_steps!(layer::Recurrent, x::Array{T,3}, xs::Array{T,3}) where {T}
    n, steps, batch = size(x)
    GC.@preserve x xs for step in 1:steps, b in 1:batch
        time = time_of(layer, step, steps)
        copy_run!(pointer(x) + ((b - 1) * steps + time - 1) * n * sizeof(T),
                  pointer(xs) + ((step - 1) * batch + b - 1) * n * sizeof(T), n)
    end
    return x
end

function fill_run!(a::Ptr{T}, value::T, n::Int) where {T}
    @simd ivdep for i in 1:n
        unsafe_store!(a, value, i)
    end
end

"The product of the inputs of all steps with the weight, plus a bias unless it is empty: (rows, batch, steps)."
function from_inputs(xs::Array{T,3}, weight::Matrix{T}, bias::Vector{T}, memory::Memory) where {T}
    n, batch, steps = size(xs)
    rows = size(weight, 2)
    products = scratch!(memory, T, (rows, batch, steps))
    isempty(bias) || fill_columns!(products, bias, batch * steps)
    gemm!('T', 'N', rows, batch * steps, n, weight, xs, T(!isempty(bias)), products)
    return products
end

# A product with a transposed matrix and a small batch takes a BLAS of several threads up to three times as long; to
# transpose the matrix takes as long as a few steps.
const STEPS_TO_TRANSPOSE = 8

"The weight of the state for the products of the steps: a matrix, how `gemm!` is to take it, and its leading size."
function for_steps(weight::Matrix{T}, steps::Int, memory::Memory) where {T}
    hidden, rows = size(weight)
    steps < STEPS_TO_TRANSPOSE && return weight, 'T', hidden
    return permute!(scratch!(memory, T, (rows, hidden)), weight, (2, 1)), 'N', rows
end

"The biases, which are added in one, as their sum."
joint_bias(biases::Tuple{Vector{T},Vector{T}}, memory::Memory) where {T} =
    isempty(biases[2]) ? biases[1] : each!(+, scratch!(memory, T, size(biases[1])), biases...)

"The states before the first step and after each: (hidden, batch, steps + 1), with the first one set."
function state_sequence(initial::Matrix{T}, hidden::Int, batch::Int, steps::Int, memory::Memory) where {T}
    sequence = scratch!(memory, T, (hidden, batch, steps + 1))
    isempty(initial) ? fill!(view(sequence, :, :, 1), zero(T)) : copyto!(sequence, 1, initial, 1, length(initial))
    return sequence
end

"The state after the last step, as value `k`."
function last_state(sequence::Array{T,3}, k::Int, memory::Memory) where {T}
    hidden, batch, n = size(sequence)
    return copyto!(output!(memory, k, T, (hidden, batch)), 1, sequence, hidden * batch * (n - 1) + 1, hidden * batch)
end

"The gradients of the initial states, from those of the states before the first step."
function initial_gradients(layer::Recurrent, dstates::Tuple, needs_inputs::Tuple, memory::Memory)
    return ntuple(length(dstates)) do k
        place = 1 + layer.of.lengths + k
        needs_inputs[place] || return nothing
        return copyto!(input_gradient!(memory, place, eltype(dstates[k]), size(dstates[k])), dstates[k])
    end
end

"""
The gradients of the input and of the parameters, from those of what each step got from its input (`from_input`) and from the
state before it (`from_state`), which are (rows, batch, steps).
"""
function gradients_of_steps(
    layer::Recurrent, parameters::Tuple, x::Array{T,3}, xs::Array{T,3}, sequence::Array{T,3}, from_input::Array{T,3},
    from_state::Array{T,3}, needs_inputs::Tuple, needs_parameters::Tuple, memory::Memory,
) where {T}
    n, steps, batch = size(x)
    rows, hidden, columns = size(from_input, 1), layer.of.hidden, batch * steps
    dx = nothing
    if needs_inputs[1]
        dx = input_gradient!(memory, 1, T, size(x))
        straight = is_in_steps(layer, x)
        dxs = straight ? reshape(dx, n, batch, steps) : scratch!(memory, T, (n, batch, steps))
        gemm!('N', 'N', n, columns, rows, parameters[1], from_input, zero(T), dxs)
        straight || from_steps!(layer, dx, dxs)
    end
    dparameters = ntuple(length(parameters)) do j
        needs_parameters[j] || return nothing
        gradient = parameter_gradient!(memory, j, T, size(parameters[j]))
        j == 1 && gemm!('N', 'T', n, rows, columns, xs, from_input, zero(T), gradient)
        j == 2 && gemm!('N', 'T', hidden, rows, columns, sequence, from_state, zero(T), gradient)
        j > 2 && sum_columns!(gradient, j == 3 ? from_input : from_state, columns)
        return gradient
    end
    return dx, dparameters
end

"The least number of columns of a step, each of some `hidden` · ten operations, that are worth a thread."
least_columns(hidden::Int) = cld(LEAST_PART ÷ 16, hidden)

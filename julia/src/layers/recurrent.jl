# What the recurrent layers have in common. They run over the time axis of (inputs, time, batch) in the order of the steps:
# step k is at the time k, or, in reverse, at the k-th last one. What they keep is (…, batch, steps), so that each step is a
# matrix: one product takes the inputs of all steps, and each step adds that of the state before it.

"A layer of one recurrence in one direction: what kind it is says how a step makes the next state."
abstract type Recurrent <: Layer end

"""
What every recurrence has: its sizes, how many biases (2: torch's, 1: on the side of the input alone, 0), whether it begins at
the end, and whether it is given the length of each sequence and the initial states.
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

"The lengths among the inputs, or `nothing`, and the initial states, or `()`."
function other_inputs(layer::Recurrent, inputs::Tuple)
    lengths = layer.of.lengths ? inputs[2] : nothing
    return lengths, layer.of.initial ? inputs[2+layer.of.lengths:end] : ()
end

function check_inputs(layer::Recurrent, parameters::Tuple, inputs::Tuple)
    x, of = inputs[1], layer.of
    fits = ndims(x) == 3 && size(x, 1) == of.inputs && map(reverse ∘ size, parameters) == parameter_shapes(layer) &&
        length(inputs) == 1 + of.lengths + (of.initial ? states(layer) : 0)
    lengths, initial = fits ? other_inputs(layer, inputs) : (nothing, ())
    fits &= all(state -> size(state) == (of.hidden, size(x, 3)), initial) && (lengths === nothing || size(lengths) == (size(x, 3),))
    found = "inputs of $(map(size, inputs)) and parameters of $(map(size, parameters)) in Julia's order"
    fits || throw(BridgeError("layer '$(operation(layer))'", "$(of.inputs) features and $(of.hidden) hidden ones", found))
    lengths === nothing || check_lengths(operation(layer), lengths, size(x, 2))
    return nothing
end

function check_lengths(operation::String, lengths::Vector, steps::Int)
    k = findfirst(n -> !(0 <= n <= steps), lengths)
    k === nothing || throw(BridgeError("layer '$operation', lengths", "numbers from 0 to $steps", string(lengths[k])))
    return nothing
end

"The time, from 1, of a step."
time_of(layer::Recurrent, step::Int, steps::Int) = layer.of.reverse ? steps - step + 1 : step

"Whether a sequence has ended before, or in reverse has not yet begun at, a time."
is_over(::Nothing, sequence::Int, time::Int) = false
is_over(lengths::Vector, sequence::Int, time::Int) = @inbounds time > lengths[sequence]

function forward(layer::Recurrent, parameters::Tuple, inputs::Tuple, memory::Memory, ::Any)
    check_inputs(layer, parameters, inputs)
    return run_steps(layer, parameters, inputs[1], other_inputs(layer, inputs)..., memory)
end

"""
    run_steps(layer, parameters, x, lengths, initial, memory) -> (values, residual)

The values for inputs that fit. The residual begins with the inputs in the order of the steps and the sequence of states.
"""
function run_steps end

function pullback(
    layer::Recurrent, parameters::Tuple, inputs::Tuple, ::Tuple, residual::Tuple, dvalues::Tuple, needs_inputs::Tuple,
    needs_parameters::Tuple, memory::Memory,
)
    from_input, from_state, dstates = pull_steps(layer, parameters, other_inputs(layer, inputs)[1], residual, dvalues, memory)
    dx, dparameters = gradients_of_steps(layer, parameters, inputs[1], residual[1], residual[2], from_input, from_state,
                                         needs_inputs, needs_parameters, memory)
    dlengths = layer.of.lengths ? (nothing,) : ()
    layer.of.initial || return (dx, dlengths...), dparameters
    return (dx, dlengths..., map((k, d) -> initial_gradient(layer, k, d, needs_inputs, memory), (1, 2)[1:length(dstates)], dstates)...), dparameters
end

"""
    pull_steps(layer, parameters, lengths, residual, dvalues, memory) -> (from_input, from_state, dstates)

The gradients of what each step got from its input and from the state before it, both (rows, batch, steps), and of the states
before the first step.
"""
function pull_steps end

"The inputs (features, batch, steps) in the order of the steps. Those after the end of a sequence are zeros."
function in_steps(layer::Recurrent, x::Array{T,3}, lengths, memory::Memory) where {T}
    n, steps, batch = size(x)
    is_in_steps(layer, x, lengths) && return reshape(x, n, batch, steps)
    xs = scratch!(memory, T, (n, batch, steps))
    GC.@preserve x xs for step in 1:steps, b in 1:batch
        time = time_of(layer, step, steps)
        to = pointer(xs) + ((step - 1) * batch + b - 1) * n * sizeof(T)
        is_over(lengths, b, time) ? fill_run!(to, zero(T), n) :
            copy_run!(to, pointer(x) + ((b - 1) * steps + time - 1) * n * sizeof(T), n)
    end
    return xs
end

is_in_steps(layer::Recurrent, x::Array, lengths) =
    lengths === nothing && (size(x, 2) == 1 || (size(x, 3) == 1 && !layer.of.reverse))

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

"The product of the inputs of all steps with the weight, plus `biases`: (rows, batch, steps)."
function from_inputs(xs::Array{T,3}, weight::Matrix{T}, bias::Union{Vector{T},Nothing}, memory::Memory) where {T}
    n, batch, steps = size(xs)
    rows = size(weight, 2)
    products = scratch!(memory, T, (rows, batch, steps))
    bias === nothing || fill_columns!(products, bias, batch * steps)
    gemm!('T', 'N', rows, batch * steps, n, weight, xs, T(bias !== nothing), products)
    return products
end

"The biases, which are added in one, as their sum, or `nothing`."
function joint_bias(parameters::Tuple, memory::Memory)
    length(parameters) == 2 && return nothing
    length(parameters) == 3 && return parameters[3]
    return each!(+, scratch!(memory, eltype(parameters[3]), size(parameters[3])), parameters[3], parameters[4])
end

"The states before the first step and after each: (hidden, batch, steps + 1), with the first one set."
function state_sequence(initial, hidden::Int, batch::Int, steps::Int, ::Type{T}, memory::Memory) where {T}
    sequence = scratch!(memory, T, (hidden, batch, steps + 1))
    initial === nothing ? fill!(view(sequence, :, :, 1), zero(T)) : copyto!(sequence, 1, initial, 1, length(initial))
    return sequence
end

"The state after the last step, as value `k`."
function last_state(sequence::Array{T,3}, k::Int, memory::Memory) where {T}
    hidden, batch, n = size(sequence)
    return copyto!(output!(memory, k, T, (hidden, batch)), 1, sequence, hidden * batch * (n - 1) + 1, hidden * batch)
end

"The gradient of an initial state, from that of the state before the first step; `k` is its place among the states."
function initial_gradient(layer::Recurrent, k::Int, gradient::Matrix{T}, needs_inputs::Tuple, memory::Memory) where {T}
    place = 1 + layer.of.lengths + k
    needs_inputs[place] || return nothing
    return copyto!(input_gradient!(memory, place, T, size(gradient)), gradient)
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
        straight = is_in_steps(layer, x, nothing)
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

# Running a component of the user's: what it is given, and what it has to give back.

"""
    run_component(instance, component, step, inputs, mode, bound) -> (outputs, residual)

The outputs as arrays of the spaces that the step expects, for a batch that is not empty. `component` is the instance's, as
an argument so that its type is known to the compiler.
"""
function run_component(instance::Instance, component, step::Step, inputs::Tuple, mode::Mode, bound::Vector{Int})
    result = step.mode == FOLLOW ? evaluate(component, inputs, mode) :
             with_constant(() -> evaluate(component, inputs, mode), instance.buffers)
    unwind()
    outputs, residual = outputs_and_residual(step, result)
    length(outputs) == length(step.expected) ||
        throw(BridgeError(step.arrow, "$(length(step.expected)) outputs from forward", "$(length(outputs))"))
    isempty(inputs) && return checked(step.expected, 1, map(as_batch, outputs), 1, bound), residual
    return checked(step.expected, 1, outputs, last_size(inputs[1]), bound), residual
end

is_empty_batch(inputs::Tuple) = !isempty(inputs) && last_size(inputs[1]) == 0

"The mode of one application: its own train mode and number, and whether its own inputs are constants."
function mode_of(step::Step, mode::Mode, inputs_learn::Bool)
    flags = is_train(step, mode) ? mode.flags | TRAIN_FLAG : mode.flags & ~TRAIN_FLAG
    inputs_learn && (flags &= ~CONSTANT_FLAG)
    return Mode(flags, mode.pad, mode.seed, mode.application + UInt64(step.application))
end

is_train(step::Step, mode::Mode) = step.mode == FOLLOW ? is_train(mode) : step.mode == TRAIN

# By dispatch, which is cached: asking `isa Tuple{Tuple,Any}` walks through the types each time.
outputs_and_residual(::Step, result::Tuple{Tuple,Any}) = result
outputs_and_residual(step::Step, result) =
    throw(BridgeError(step.arrow, "forward to return (outputs::Tuple, residual)", "a $(typeof(result))"))

"The residual of a component that was not run, since the batch was empty."
struct NotRun end

# A component of the user's need not bear an empty batch, and what it would do to its buffers means nothing.
function nothing_from(step::Step, bound::Vector{Int})
    outputs = map(step.expected) do e
        sizes = [n >= 0 ? n : max(bound[-n], 1) for n in e.sizes]
        return Array{e.type}(undef, sizes..., 0)
    end
    return Tuple(outputs), NotRun()
end

"Call `f` and put the arrays' contents back: a frozen component's buffers never change."
function with_constant(f, arrays::Vector{Array})
    contents = map(copy, arrays)
    try
        return f()
    finally
        foreach(copyto!, arrays, contents)
    end
end

last_size(a::Array{T,N}) where {T,N} = size(a, N)

# A component without inputs returns a sample: a batch of one.
as_batch(sample::AbstractArray) = reshape(sample, (size(sample)..., 1))
as_batch(other) = other

checked(::Vector{Expectation}, ::Int, ::Tuple{}, ::Int, ::Vector{Int}) = ()
checked(expected::Vector{Expectation}, k::Int, outputs::Tuple, batch::Int, bound::Vector{Int}) =
    (check_output(expected[k], outputs[1], batch, bound), checked(expected, k + 1, Base.tail(outputs), batch, bound)...)

function check_output(e::Expectation, output::Array, batch::Int, bound::Vector{Int})
    ndims(output) == length(e.sizes) + 1 && last_size(output) == batch ||
        throw(BridgeError(e.element, "$(describe(e, bound)), batch $batch", summary(output)))
    check(e, output, bound)
    return output
end
check_output(e::Expectation, output::AbstractArray, batch::Int, bound::Vector{Int}) =
    check_output(e, counted_copy(output), batch, bound)
check_output(e::Expectation, output, ::Int, bound::Vector{Int}) =
    throw(BridgeError(e.element, describe(e, bound), summary(output)))

"""
    pull_component(component, step, residual, inputs, parameters, doutputs, needs_inputs, needs_parameters)
        -> (dinputs, dparameters)

The gradients of a component's inputs and parameters, checked: arrays, or `nothing` for zero.
"""
function pull_component(component, step::Step, residual, inputs::Tuple, parameters::Tuple, doutputs::Tuple, ::Tuple, ::Tuple)
    dinputs, dparameters = two_tuples(step, pullback(component, residual, doutputs))
    unwind()
    return as_gradients(step.arrow, "input", dinputs, inputs), as_gradients(step.arrow, "parameter", dparameters, parameters)
end

function pull_component(
    component, ::Step, ::NotRun, inputs::Tuple, parameters::Tuple, ::Tuple, needs_inputs::Tuple, needs_parameters::Tuple,
)
    zero_of(needed, value) = needed ? zero(value) : nothing
    return map(zero_of, needs_inputs, inputs), map(zero_of, needs_parameters, parameters)
end

two_tuples(::Step, result::Tuple{Tuple,Tuple}) = result
two_tuples(step::Step, result) =
    throw(BridgeError(step.arrow, "pullback to return (dinputs::Tuple, dparameters::Tuple)", "a $(typeof(result))"))

function as_gradients(arrow::String, what::String, gradients::Tuple, of::Tuple)
    length(gradients) == length(of) ||
        throw(BridgeError(arrow, "$(length(of)) gradients from pullback, one for each $what", "$(length(gradients))"))
    return map(gradients, of) do d, value
        (d === nothing || !(eltype(value) <: AbstractFloat)) && return nothing
        check_gradient(arrow, what, d, value)
        return d isa Array ? d : counted_copy(d)
    end
end

function check_gradient(element::String, what::String, gradient::Array{T,N}, of::Array{T,N}) where {T,N}
    size(gradient) == size(of) || throw(wrong_gradient(element, what, gradient, of))
    return nothing
end

function check_gradient(element::String, what::String, gradient, of::Array)
    gradient isa AbstractArray && eltype(gradient) === eltype(of) && size(gradient) == size(of) ||
        throw(wrong_gradient(element, what, gradient, of))
    return nothing
end

wrong_gradient(element::String, what::String, gradient, of::Array) =
    BridgeError("$element, gradient of its $what", summary(of), summary(gradient))

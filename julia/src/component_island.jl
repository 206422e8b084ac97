# The island that most diagrams with a model of the user's have: one application of it, between tensors of PyTorch. All types
# are known when it is loaded, so that Julia compiles one straight function each way: in a small crossing, looking up at run
# time what to call costs more than calling it.

"""
One application of a component of type `C` to inputs `I`, with parameters `P`: tuples of array types.
"""
struct ComponentIsland{C,I<:Tuple,P<:Tuple} <: Island
    instance::Instance
    component::C
    step::Step
    inputs::Vector{Expectation}
    parameters::Vector{ParameterSlot}
    outputs::Vector{Int} # their places among the values; only their number matters here
    variables::Int
    buffers::Tuple{} # the instance has its own
end

const MOST_ARGUMENTS = 16 # the compiler's time grows with the length of tuples

"The island as a `ComponentIsland` where it is one, else itself."
function specialised(island::StepIsland)
    length(island.steps) == 1 && island.steps[1].operation isa Instance || return island
    step, n = island.steps[1], length(island.inputs)
    whole = step.inputs == 1:n && step.outputs == island.outputs && step.parameters == 1:length(island.parameters)
    whole && !any(isnothing, island.inputs) && number_of_arguments(island) <= MOST_ARGUMENTS || return island
    instance = step.operation
    inputs = Expectation[e for e in island.inputs]
    I = Tuple{(Array{e.type,length(e.sizes) + 1} for e in inputs)...}
    P = Tuple{(typeof(p.array) for p in island.parameters)...}
    return ComponentIsland{typeof(instance.component),I,P}(instance, instance.component, step, inputs, island.parameters,
                                                           island.outputs, island.variables, ())
end

struct ComponentTape{C,I,P,O<:Tuple,R,N} <: Tape
    island::ComponentIsland{C,I,P}
    inputs::I
    parameters::P
    outputs::O
    residual::R
    spans::NTuple{N,Span}
end

released(::ComponentTape) = nothing

function run_forward(
    island::ComponentIsland{C,I,P}, how::Mode, tensors::Descriptors, out::Ptr{Slot}, id::UInt64,
) where {C,I,P}
    COUNTS.forwards += 1
    bound = fill(-1, island.variables)
    inputs = wrapped(I, 1, island.inputs, tensors, bound)
    parameters = up_to_date(P, 1, island.parameters, length(island.inputs), tensors)
    spans = ntuple(k -> count_bytes(Span(tensors[k])), Val(fieldcount(I) + fieldcount(P)))
    if is_empty_batch(inputs) # the outputs' types are not known to the compiler here
        outputs, residual = nothing_from(island.step, bound)
        return finish(ComponentTape(island, inputs, parameters, outputs, residual, spans), tensors, out, id)
    end
    checkpoint()
    outputs, residual = try
        run_component(island.instance, island.component, island.step, inputs,
                      mode_of(island.step, with_tape(how, id), false), bound)
    catch e
        rethrow_at(island.step, e, catch_backtrace())
    end
    return finish(ComponentTape(island, inputs, parameters, outputs, residual, spans), tensors, out, id)
end

function finish(tape::ComponentTape, tensors::Descriptors, out::Ptr{Slot}, id::UInt64)
    answer_all!(Handover(tensors, tape.spans, NO_SPANS, length(tape.outputs)), out, 1, tape.outputs)
    id == 0 || hold(tape, id)
    return nothing
end

wrapped(::Type{Tuple{}}, ::Int, ::Vector{Expectation}, ::Descriptors, ::Vector{Int}) = ()

function wrapped(::Type{I}, k::Int, expected::Vector{Expectation}, tensors::Descriptors, bound::Vector{Int}) where {I<:Tuple}
    check(expected[k], tensors[k], bound)
    array = wrap(Base.tuple_type_head(I), tensors[k])
    return (array, wrapped(Base.tuple_type_tail(I), k + 1, expected, tensors, bound)...)
end

up_to_date(::Type{Tuple{}}, ::Int, ::Vector{ParameterSlot}, ::Int, ::Descriptors) = ()

function up_to_date(::Type{P}, j::Int, slots::Vector{ParameterSlot}, inputs::Int, tensors::Descriptors) where {P<:Tuple}
    array = current(slots[j], slots[j].array::Base.tuple_type_head(P), tensors[inputs + j])
    return (array, up_to_date(Base.tuple_type_tail(P), j + 1, slots, inputs, tensors)...)
end

answer_all!(::Handover, ::Ptr{Slot}, ::Int, ::Tuple{}) = nothing
function answer_all!(h::Handover, slots::Ptr{Slot}, k::Int, results::Tuple)
    hand_over!(h, slot(slots, k), results[1])
    return answer_all!(h, slots, k + 1, Base.tail(results))
end

function run_backward(tape::ComponentTape{C,I,P,O}, tensors::Descriptors, din::Ptr{Slot}, needs) where {C,I,P,O}
    COUNTS.backwards += 1
    island = tape.island
    came = any(k -> tensors[k].ndim >= 0, 1:length(tensors))
    doutputs = gradients_or_zeros(tape.outputs, 1, tensors)
    needs_inputs = ntuple(i -> is_needed(needs, i), Val(fieldcount(I)))
    needs_parameters = ntuple(j -> is_needed(needs, fieldcount(I) + j), Val(fieldcount(P)))
    spans = ntuple(k -> tensors[k].ndim < 0 ? NO_SPAN : count_bytes(Span(tensors[k])), Val(fieldcount(O)))
    handover = Handover(tensors, spans, tape.spans, fieldcount(I) + fieldcount(P))
    came && (any(needs_inputs) || any(needs_parameters)) ||
        return answer_all!(handover, din, 1, map(_ -> nothing, (needs_inputs..., needs_parameters...)))
    checkpoint()
    dinputs, dparameters = try
        pull_component(island.component, island.step, tape.residual, tape.inputs, tape.parameters, doutputs, needs_inputs,
                       needs_parameters)
    catch e
        rethrow_at(island.step, e, catch_backtrace())
    end
    results = (map(if_needed, needs_inputs, dinputs)..., map(if_needed, needs_parameters, dparameters)...)
    return answer_all!(handover, din, 1, results)
end

if_needed(needed::Bool, gradient) = needed ? gradient : nothing

gradients_or_zeros(::Tuple{}, ::Int, ::Descriptors) = ()
gradients_or_zeros(outputs::Tuple, k::Int, tensors::Descriptors) =
    (gradient_or_zero(outputs[1], tensors[k]), gradients_or_zeros(Base.tail(outputs), k + 1, tensors)...)

function gradient_or_zero(output::Array{T,N}, t::DLTensor) where {T,N}
    t.ndim < 0 && return zero(output)
    (t.code, t.bits) == code_bits(T) && has_sizes(output, t) && return wrap(Array{T,N}, t)
    throw(wrong_gradient("island", "output", wrap(t), output))
end

# From the fragment of a plan to the steps of an island: each application of a graph becomes one step a layer.

"""
A plan fragment made ready to run. Values are numbered from 1: first the inputs, then what the steps make.
"""
struct StepIsland <: Island
    steps::Vector{Step}
    values::Int
    inputs::Vector{Union{Expectation,Nothing}}
    variables::Int # how many axis variables the spaces at its border name
    outputs::Vector{Int}
    parameters::Vector{ParameterSlot}
    buffers::Vector{ParameterSlot} # of portable components; a model of the user's keeps its own
    follows::Vector{Bool} # for each buffer, whether its component follows the objective's mode: others never change
    places::Places
    output_places::Vector{Int} # for each output, the value that the caller gives room for, or 0
    workspace::Workspace
end

"A component with what runs it: stages of an engine or an instance. Its variables are among those of the island."
struct Lowered
    component::Schema.Component
    operation::Any
    parameters::Union{UnitRange{Int},Vector{Int}} # of all its layers in order; a tied one's place is its owner's
    buffers::Union{UnitRange{Int},Vector{Int}}
    mode::ModeRule
end

"Builds a `StepIsland`, keeping count of values and of each component's place among the parameters."
mutable struct Lowering
    steps::Vector{Step}
    values::Int
    registers::Dict{UInt32,Int}
    sourceless::Set{Int} # values of one sample, below which no column lies
    variables::Vector{String} # names of axis variables, numbered from 1
    spaces::Dict{String,Schema.Space}
    arrows::Dict{String,Schema.Arrow}
    components::Dict{String,Lowered}
    parameters::Vector{ParameterSlot}
    buffers::Vector{ParameterSlot}
    follows::Vector{Bool}
    engine::Engine
end

new_values!(l::Lowering, n::Integer) = collect((l.values + 1):(l.values += n))

"""
    lower(fragment, instances, parts = [], engine) -> StepIsland

`instances` holds, for each component of the fragment, the instance of the user's model, or `nothing` for a graph, which is
made of the operations of `engine`. Each of `parts` is one step.
"""
function lower(
    fragment::Schema.Fragment, instances::Vector, parts::Vector{TorchPart} = TorchPart[],
    engine::Engine = ENGINES[engine_name()],
)
    l = Lowering(Step[], 0, Dict{UInt32,Int}(), Set{Int}(), String[], Dict(s.name => s for s in fragment.spaces),
                 Dict(a.name => a for a in fragment.arrows), Dict{String,Lowered}(), ParameterSlot[], ParameterSlot[],
                 Bool[], engine)
    for (component, instance) in zip(fragment.components, instances)
        add_component!(l, component, instance)
    end
    for register in fragment.inputs
        l.registers[register] = (l.values += 1)
        register in fragment.sourceless && push!(l.sourceless, l.values)
    end
    inputs = input_spaces(l, fragment)
    starts, k = Dict(first(part.places) => part for part in parts), 1
    while k <= length(fragment.instructions)
        part = get(starts, k, nothing)
        if part === nothing
            add_instruction!(l, fragment.instructions[k])
            k += 1
        else
            add_part!(l, part, fragment.instructions[part.places])
            k = last(part.places) + 1
        end
    end
    outputs = [l.registers[r] for r in fragment.outputs]
    places = Places(l.steps, l.values)
    return StepIsland(l.steps, l.values, inputs, length(l.variables), outputs, l.parameters, l.buffers,
                      l.follows, places, output_places(places, outputs), Workspace())
end

function add_component!(l::Lowering, component::Schema.Component, instance::Union{Instance,TorchInstance,Nothing})
    first_parameter, first_buffer = length(l.parameters) + 1, length(l.buffers) + 1
    mode = component.training == Schema.TRAINING_FROZEN ? TEST :
           component.training == Schema.TRAINING_FROZEN_TRAIN_MODE ? TRAIN : FOLLOW
    if instance === nothing
        parameters, buffers = add_slots!(l, component)
        append!(l.follows, fill(mode == FOLLOW, length(l.buffers) - first_buffer + 1))
        operation = stages(l.engine, graph(component))
    else
        for (path, array) in parameter_pairs(instance)
            element = "parameter '$path' of component '$(component.name)'"
            push!(l.parameters, ParameterSlot(element, eltype(array), collect(Int, size(array)), array))
        end
        parameters, buffers, operation = first_parameter:length(l.parameters), first_buffer:length(l.buffers), instance
    end
    l.components[component.name] = Lowered(component, operation, parameters, buffers, mode)
    return nothing
end

# A slot for each parameter and buffer of a portable component that is not tied, and the places of all of them.
function add_slots!(l::Lowering, component::Schema.Component)
    T, tied = parameter_type(l, component), Dict(tie.path => tie.owner for tie in graph(component).ties)
    known = Dict{String,Int}()
    function place!(slots, what, node, name, shape)
        path = "$(node.name).$name"
        return get!(known, get(tied, path, path)) do
            push!(slots, ParameterSlot("$what '$path' of component '$(component.name)'", T, collect(Int, reverse(shape)),
                                       nothing))
            return length(slots)
        end
    end
    parameters, buffers = Int[], Int[]
    for node in graph(component).nodes
        layer = build(node.layer)
        append!(parameters, map((name, shape) -> place!(l.parameters, "parameter", node, name, shape),
                                parameter_names(layer), parameter_shapes(layer)))
        append!(buffers, map((name, shape) -> place!(l.buffers, "buffer", node, name, shape),
                             buffer_names(layer), buffer_shapes(layer)))
    end
    return parameters, buffers
end

parameter_pairs(i::Instance) = zip(i.paths, i.parameters)
parameter_pairs(i::TorchInstance) = i.parameters

graph(component::Schema.Component) = component.graph::Schema.LayerGraph

# A portable component's parameters have the float type of the spaces of the arrows that name it.
function parameter_type(l::Lowering, component::Schema.Component)
    for arrow in values(l.arrows), space in Iterators.flatten((arrow.sources, arrow.targets))
        arrow.component == component.name || continue
        T = element_type(l.spaces[space])
        T <: AbstractFloat && return T
    end
    return Float32
end

function element_type(space::Schema.Space)
    d = space.data_type
    d == Schema.DATA_TYPE_FLOAT32 && return Float32
    d == Schema.DATA_TYPE_FLOAT64 && return Float64
    d == Schema.DATA_TYPE_INT32 && return Int32
    d == Schema.DATA_TYPE_INT64 && return Int64
    d == Schema.DATA_TYPE_BOOL && return Bool
    throw(BridgeError("space '$(space.name)'", "a known element type", string(d)))
end

build(layer::Schema.Layer) =
    build(layer.operation, layer.version, read_attributes("layer $(quoted(layer.operation))", layer.attributes))

function add_instruction!(l::Lowering, i::Schema.Instruction)
    inputs = [l.registers[r] for r in i.inputs]
    if i.operation == Schema.OPERATION_DETACH
        outputs = new_values!(l, 1)
        push!(l.steps, Step("detach", Detach(), inputs, outputs, 1:0, 1:0, FOLLOW, NOTHING_EXPECTED, 0, 0))
        issubset(inputs, l.sourceless) && union!(l.sourceless, outputs)
    elseif i.operation == Schema.OPERATION_APPLY
        outputs = apply!(l, l.arrows[i.arrow], expand!(l, inputs), Int(i.application))
        issubset(inputs, l.sourceless) && union!(l.sourceless, outputs)
    else
        throw(BridgeError("instruction $(i.operation)", "one that an island can run: apply or detach", string(i.operation)))
    end
    for (register, value) in zip(i.outputs, outputs)
        l.registers[register] = value
    end
    return nothing
end

function add_part!(l::Lowering, part::TorchPart, instructions::Vector{Schema.Instruction})
    sourceless = Set{UInt32}(r for r in part.inputs if l.registers[r] in l.sourceless)
    for i in instructions
        issubset(i.inputs, sourceless) && union!(sourceless, i.outputs)
    end
    inputs, outputs = Int[l.registers[r] for r in part.inputs], new_values!(l, length(part.outputs))
    parameters = reduce(vcat, Vector{Int}[l.components[name].parameters for name in part.components]; init = Int[])
    expected = [Expectation(l, "$(part.island.element), output $(k - 1)", space) for (k, space) in enumerate(part.spaces)]
    push!(l.steps, Step(part.island.element, part.island, inputs, outputs, parameters, 1:0, FOLLOW, expected,
                        Int(part.island.application), 0))
    for (register, value) in zip(part.outputs, outputs)
        l.registers[register] = value
        register in sourceless && push!(l.sourceless, value)
    end
    return nothing
end

# Arguments without a column below them are repeated over the batch of those with one.
function expand!(l::Lowering, inputs::Vector{Int})
    batched = findfirst(v -> !(v in l.sourceless), inputs)
    batched === nothing && return inputs
    return map(inputs) do v
        v in l.sourceless || return v
        outputs = new_values!(l, 1)
        push!(l.steps, Step("expand", Expand(), [v, inputs[batched]], outputs, 1:0, 1:0, FOLLOW, NOTHING_EXPECTED,
                            0, 0))
        return outputs[1]
    end
end

function apply!(l::Lowering, arrow::Schema.Arrow, inputs::Vector{Int}, application::Int)
    lowered = l.components[arrow.component]
    operation = lowered.operation
    element = "arrow '$(arrow.name)'"
    if operation isa Instance
        outputs = new_values!(l, length(arrow.targets))
        expected = [Expectation(l, "$element, output $k", l.spaces[t]) for (k, t) in enumerate(arrow.targets)]
        push!(l.steps, Step(element, operation, inputs, outputs, lowered.parameters, lowered.buffers, lowered.mode, expected,
                            application, 0))
        return outputs
    end
    numbered = Dict{Int,Int}(enumerate(inputs)) # the graph's own numbering of values, to the island's
    parameter, buffer = 0, 0 # how many of the component's the stages before have
    for stage in operation
        outputs = new_values!(l, length(stage.outputs))
        parameters = places(lowered.parameters, parameter, length(parameter_names(stage.operation)))
        buffers = places(lowered.buffers, buffer, length(buffer_names(stage.operation)))
        parameter, buffer = parameter + length(parameters), buffer + length(buffers)
        push!(l.steps, Step(element, stage.operation, [numbered[k] for k in stage.inputs], outputs, parameters, buffers,
                            lowered.mode, NOTHING_EXPECTED, application, stage.layer))
        foreach((k, v) -> numbered[k] = v, stage.outputs, outputs)
    end
    return [numbered[k + 1] for k in graph(lowered.component).outputs]
end

# `count` places after the first `skipped`: a range where they are in a row, as all are that are not tied.
function places(all, skipped::Int, count::Int)
    count == 0 && return 1:0
    own = all[(skipped + 1):(skipped + count)]
    return own == own[1]:own[end] ? (own[1]:own[end]) : own
end

# The space of each input is that of the first application that reads it; one that is only detached has none to check.
function input_spaces(l::Lowering, fragment::Schema.Fragment)
    spaces = Dict{UInt32,Schema.Space}()
    pending = Dict{UInt32,UInt32}() # a detached register's argument
    for i in fragment.instructions
        if i.operation == Schema.OPERATION_DETACH
            pending[i.outputs[1]] = get(pending, i.inputs[1], i.inputs[1])
        elseif i.operation == Schema.OPERATION_APPLY
            for (register, name) in zip(i.inputs, l.arrows[i.arrow].sources)
                get!(spaces, get(pending, register, register), l.spaces[name])
            end
        end
    end
    return Union{Expectation,Nothing}[haskey(spaces, r) ? Expectation(l, "input of $(spaces[r].name)", spaces[r]) : nothing
                                      for r in fragment.inputs]
end

const NOTHING_EXPECTED = Expectation[]

function Expectation(l::Lowering, element::String, space::Schema.Space)
    sizes = [isempty(a.variable) ? Int(a.size) : -number(l, a.variable) for a in reverse(space.axes)]
    return Expectation(element, element_type(space), sizes)
end

function number(l::Lowering, variable::String)
    known = findfirst(==(variable), l.variables)
    known === nothing || return known
    push!(l.variables, variable)
    return length(l.variables)
end

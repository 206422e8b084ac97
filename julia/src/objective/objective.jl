# A diagram compiled in Julia: all of its applications are one island without a border, and its agreements are measured on
# what comes out.

"An agreement as it is computed: its measure, its weight, and the places of its sides (and mask) among an island's outputs."
struct MeasuredAgreement
    name::String
    element::String # what errors call it
    measure::Measure
    weight::Float64
    left::Int
    right::Int
    mask::Int # or 0
end

"A parameter or buffer of a component; `trains` says whether an optimizer steps it."
struct Variable
    component::String
    path::String
    array::Array
    trains::Bool
end

"""
    Objective

A diagram bound to arrays, made by [`compile`](@ref): `loss`, `losses_and_gradients`, `train!` and `evaluate` take it.
`parameters` and `buffers` are the variables of all its components, in the diagram's order; their arrays are the storage, and
change in place. `used` has the places among the parameters of those that the island takes.
"""
struct Objective
    diagram::Diagram
    plan::Plan
    island::StepIsland
    loads::Vector{Load}
    agreements::Vector{MeasuredAgreement}
    parameters::Vector{Variable}
    used::Vector{Int}
    buffers::Vector{Variable}
    instances::Dict{String,Instance}
end

"""
    Losses

The weighted total and each agreement's own loss, unweighted, by name.
"""
struct Losses{T<:Real}
    total::T
    agreements::Vector{Pair{String,T}}
end

Base.getindex(l::Losses, name::AbstractString) = last(l.agreements[findfirst(pair -> first(pair) == name, l.agreements)])

function Base.show(io::IO, l::Losses)
    own = join(("$name = $(round(value; sigdigits = 6))" for (name, value) in l.agreements), ", ")
    print(io, "Losses(", round(l.total; sigdigits = 6), ": ", own, ")")
end

"""
    compile(diagram; seed = 0) -> Objective

Compile a diagram, a `Builder` or what `load` read, to run in Julia. Portable components get initial parameters of `seed`;
components that are a `JuliaReference` are the models registered under that name, whose arrays are used as they are. Throws a
`BridgeError` for a diagram that means nothing, and for components that Julia alone can't run.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float64; k = 2); data = source!(d, "data"; x = x, y = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(2, 2; init = "zeros")); agree!(d, f(data.x), data.y; by = mse());

julia> objective = compile(d);

julia> loss(objective, (data = (x = ones(2, 3), y = ones(2, 3)),)).total
1.0
```
"""
compile(builder::Builder; options...) = compile(build(builder); options...)

function compile(diagram::Diagram; seed::Integer = 0)
    for c in diagram.components
        c.body isa TorchReference && throw(BridgeError(string(element("component", c.name)), "a portable or a Julia component",
                                                       "a PyTorch module, which this session can't call"))
    end
    placement = [c.name => JULIA for c in diagram.components if c.body isa LayerGraph]
    program = plan(diagram, placement, JULIA)
    instances = Dict{String,Instance}(c.name => Instance(c.body.name, registered(c.body.name))
                                      for c in diagram.components if c.body isa JuliaReference)
    fragment, loaded = Plans.whole(program, diagram)
    island = lower(fragment, [get(instances, c.name, nothing) for c in fragment.components])
    loads = [Load(source, column, space(diagram, columns_by_name(diagram)[source, column].space)) for (source, column) in loaded]
    outputs = Dict{UInt32,Int}(register => k for (k, register) in enumerate(fragment.outputs))
    spaces = Plans.register_spaces(program, diagram)
    diverges = filter(i -> i.operation == Plans.DIVERGE, program.instructions)
    measured = [measured_agreement(program, i, outputs, spaces) for i in diverges]
    sort!(measured; by = a -> findfirst(p -> p.name == a.name, program.agreements), alg = MergeSort)
    parameters, buffers = variables(diagram, instances, seed % UInt64)
    used = places(parameters, fragment)
    return Objective(diagram, program, island, loads, measured, parameters, used, buffers, instances)
end

"The places of a fragment's parameters, in its order, among those of an objective."
places(parameters::Vector{Variable}, fragment::Schema.Fragment) =
    Int[k for c in fragment.components for k in eachindex(parameters) if parameters[k].component == c.name]

function measured_agreement(program::Plan, i::Plans.Instruction, outputs::Dict{UInt32,Int}, spaces::Dict{Int,Space})
    agreement = program.agreements[i.agreement]
    left = spaces[i.inputs[1]]
    where = string(element("agreement", agreement.name))
    class = class_axis(agreement.divergence, left, where)
    place = class === nothing ? 0 : length(left.axes) - class + 1 # Julia's axes are reversed
    attributes = Dict{String,Any}(agreement.divergence.attributes)
    at = [outputs[register - 1] for register in i.inputs]
    return MeasuredAgreement(agreement.name, where, measure(agreement.divergence.name, attributes, place, where), agreement.weight,
                             at[1], at[2], length(at) == 3 ? at[3] : 0)
end

"Parameters and buffers of every component: those of the user's models as they are, others with initial values."
function variables(diagram::Diagram, instances::Dict{String,Instance}, seed::UInt64)
    parameters, buffers = Variable[], Variable[]
    for c in diagram.components
        if haskey(instances, c.name)
            instance = instances[c.name]
            arrays, n = vcat(instance.parameters, instance.buffers), length(instance.parameters)
            for (k, (path, array)) in enumerate(zip(instance.paths, arrays))
                push!(k <= n ? parameters : buffers, Variable(c.name, path, array, k <= n && trains(c)))
            end
            continue
        end
        T = parameter_type(diagram, c)
        for node in c.body.nodes
            layer = native(node.layer)
            for (name, shape) in zip(parameter_names(layer), parameter_shapes(layer))
                path = "$(node.name).$name"
                array = initialise!(Array{T}(undef, reverse(shape)), node.layer, name, seed, "$(c.name)/$path")
                push!(parameters, Variable(c.name, path, array, trains(c)))
            end
        end
    end
    return parameters, buffers
end

# As in an island: the float type of the spaces of the arrows that name the component.
function parameter_type(diagram::Diagram, c::Component)
    for a in diagram.arrows, name in Iterators.flatten((a.sources, a.targets))
        a.component == c.name && is_float(space(diagram, name).type) && return JULIA_TYPES[space(diagram, name).type]
    end
    return Float32
end

"""
    loss(objective, batch; train = true, seed = rand(UInt64)) -> Losses

The losses on `(source = (column = array, …), …)`, arrays with the axes of their space reversed and the batch last. In train
mode, buffers are updated. `seed` is that of components that draw.
"""
function loss(o::Objective, batch; train::Bool = true, seed::Integer = rand(UInt64))
    tape = run(o, batch, train ? TRAIN_FLAG : UInt32(0), seed)
    losses = measured(o, tape)
    close(tape.lease)
    return losses
end

"A forward pass: every application, on its tape."
function run(o::Objective, batch, flags::UInt32, seed::Integer)
    tick!(o.island.workspace)
    tape = open_tape(o.island, read_batch(o.loads, batch), Array[o.parameters[k].array for k in o.used])
    forward!(tape, Room[], Mode(flags, UInt32(0), seed % UInt64, UInt64(0)))
    return tape
end

function measured(o::Objective, tape::StepTape)
    sides(k) = k == 0 ? nothing : tape.values[o.island.outputs[k]]
    own = [a.name => divergence_value(a.measure, sides(a.left), sides(a.right), sides(a.mask); element = a.element)
           for a in o.agreements]
    T = promote_type((typeof(value) for (_, value) in own)...) # totals are in the widest type present
    total = zero(T)
    for (agreement, (_, value)) in zip(o.agreements, own)
        total += T(agreement.weight) * T(value)
    end
    return Losses{T}(total, [name => T(value) for (name, value) in own])
end

"""
    losses_and_gradients(objective, batch; train = true, seed = rand(UInt64)) -> (losses, gradients)

The losses, and the gradient of their total for each parameter of a component that is not frozen: arrays by
`(component, path)`. A parameter that the loss does not depend on has none.
"""
function losses_and_gradients(o::Objective, batch; train::Bool = true, seed::Integer = rand(UInt64))
    losses, found = with_gradients(o, batch, train, seed) do v, gradient
        return (v.component, v.path) => copy(gradient)
    end
    return losses, Dict{Tuple{String,String},Array}(found)
end

"The losses, and what `f(variable, gradient)` makes of each parameter's gradient, which lies in pooled memory."
function with_gradients(f, o::Objective, batch, train::Bool, seed::Integer)
    tape = run(o, batch, (train ? TRAIN_FLAG : UInt32(0)) | GRAD_FLAG | CONSTANT_FLAG, seed) # columns are constants
    lease = Lease(o.island.workspace)
    try
        losses = measured(o, tape)
        own = o.parameters[o.used]
        needs = vcat(fill(false, length(o.loads)), [v.trains for v in own])
        gradients = backward!(tape, output_gradients(o, tape), needs, fill(Ptr{Cvoid}(C_NULL), length(needs)), lease)
        found = [f(v, g.array) for (v, g) in zip(own, gradients[(length(o.loads) + 1):end])
                 if v.trains && g.array !== nothing]
        return losses, found
    finally
        close(lease)
        close(tape.lease)
    end
end

"The gradient of the total for each output of the island."
function output_gradients(o::Objective, tape::StepTape)
    gradients = Vector{Any}(nothing, length(o.island.outputs))
    add!(k, more) = more === nothing || (gradients[k] = gradients[k] === nothing ? more : gradients[k] .+= more)
    for a in o.agreements
        left, right = tape.values[o.island.outputs[a.left]], tape.values[o.island.outputs[a.right]]
        mask = a.mask == 0 ? nothing : tape.values[o.island.outputs[a.mask]]
        dleft, dright = divergence_pullback(a.measure, left, right, mask, true, true; scale = a.weight, element = a.element)
        add!(a.left, dleft)
        add!(a.right, dright)
        mask isa Array{<:AbstractFloat} && add!(a.mask, mask_gradient(a.measure, left, right, mask; scale = a.weight, element = a.element))
    end
    return gradients
end

"""
    evaluate(objective, output, batch; seed = 0) -> Array

The value of a named output in test mode: only what it needs is computed, and only its columns have to be in the batch. A term
without columns has no batch.
"""
function evaluate(o::Objective, output::AbstractString, batch; seed::Integer = 0)
    placement = [name => runtime for (name, runtime) in o.plan.placements]
    program, registers = plan_outputs(o.diagram, [String(output)], placement, JULIA)
    fragment, loaded = Plans.whole(program, o.diagram, registers)
    island = lower(fragment, [get(o.instances, c.name, nothing) for c in fragment.components])
    loads = [Load(source, column, space(o.diagram, columns_by_name(o.diagram)[source, column].space)) for (source, column) in loaded]
    tape = open_tape(island, read_batch(loads, batch), Array[o.parameters[k].array for k in places(o.parameters, fragment)])
    with_constant(vcat((Array[b for b in o.instances[c.name].buffers] for c in fragment.components if haskey(o.instances, c.name))...,
                       Array[])) do
        forward!(tape, Room[], Mode(UInt32(0), UInt32(0), seed % UInt64, UInt64(0)))
    end
    value = copy(tape.values[island.outputs[1]])
    close(tape.lease)
    return isempty(loads) ? reshape(value, Base.front(size(value))) : value
end

function Base.show(io::IO, o::Objective)
    n = mapreduce(v -> v.trains ? length(v.array) : 0, +, o.parameters; init = 0)
    print(io, "Objective of ", o.diagram, ", ", n, " trainable numbers")
end

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

"A named output as it is computed by itself."
struct Evaluation
    island::StepIsland
    loads::Vector{Load}
    used::Vector{Int} # places among the objective's parameters
    used_buffers::Vector{Int} # and among its buffers
    buffers::Vector{Array} # of models of the user's
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
change in place. `used` and `used_buffers` have the places among them of those that the island takes (a model of the user's
keeps its buffers); `evaluations` are made when they are first asked for.
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
    used_buffers::Vector{Int}
    instances::Dict{String,Instance}
    evaluations::Dict{String,Evaluation}
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
        c.body isa TorchReference || continue
        throw(BridgeError(string(element("component", c.name)), "a portable or a Julia component",
                          "a PyTorch module, which Julia alone can't run"))
    end
    placement = [c.name => JULIA for c in diagram.components if c.body isa LayerGraph]
    program = plan(diagram, placement, JULIA)
    instances = Dict{String,Instance}(c.name => Instance(c.body.name, registered(c.body.name))
                                      for c in diagram.components if c.body isa JuliaReference)
    fragment, loaded = Plans.whole(program, diagram)
    island = lower(fragment, [get(instances, c.name, nothing) for c in fragment.components])
    outputs = Dict{UInt32,Int}(register => k for (k, register) in enumerate(fragment.outputs))
    spaces = Plans.register_spaces(program, diagram)
    diverges = filter(i -> i.operation == Plans.DIVERGE, program.instructions)
    measured = [measured_agreement(program, i, outputs, spaces) for i in diverges]
    sort!(measured; by = a -> findfirst(p -> p.name == a.name, program.agreements), alg = MergeSort)
    parameters, buffers = variables(diagram, instances, seed % UInt64)
    return Objective(diagram, program, island, loads(diagram, loaded), measured, parameters, places(parameters, fragment),
                     buffers, portable_places(buffers, fragment), instances, Dict{String,Evaluation}())
end

"The places of a fragment's parameters, in its order, among those of an objective."
places(parameters::Vector{Variable}, fragment::Schema.Fragment) =
    Int[k for c in fragment.components for k in eachindex(parameters) if parameters[k].component == c.name]

"The places of the buffers of a fragment's portable components, in its order, among those of an objective."
portable_places(buffers::Vector{Variable}, fragment::Schema.Fragment) =
    Int[k for c in fragment.components if c.graph !== nothing for k in eachindex(buffers) if buffers[k].component == c.name]

function measured_agreement(program::Plan, i::Plans.Instruction, outputs::Dict{UInt32,Int}, spaces::Dict{Int,Space})
    agreement = program.agreements[i.agreement]
    left = spaces[i.inputs[1]]
    where = string(element("agreement", agreement.name))
    class = class_axis(agreement.divergence, left, where)
    place = class === nothing ? 0 : length(left.axes) - class + 1 # Julia's axes are reversed
    attributes = Dict{String,Any}(agreement.divergence.attributes)
    at = [outputs[register - 1] for register in i.inputs]
    made = measure(agreement.divergence.name, attributes, place, where)
    return MeasuredAgreement(agreement.name, where, made, agreement.weight, at[1], at[2], length(at) == 3 ? at[3] : 0)
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
            for (name, shape) in zip(buffer_names(layer), buffer_shapes(layer))
                path = "$(node.name).$name"
                array = initialise!(Array{T}(undef, reverse(shape)), node.layer, name, seed, "$(c.name)/$path")
                push!(buffers, Variable(c.name, path, array, false))
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

function Base.show(io::IO, o::Objective)
    n = mapreduce(v -> v.trains ? length(v.array) : 0, +, o.parameters; init = 0)
    print(io, "Objective of ", o.diagram, ", ", n, " trainable numbers")
end

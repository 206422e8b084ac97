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
change in place. `owners` says for each parameter which is the first with the same memory: itself, unless it is tied. `used`
and `used_buffers` have the places among them of those that the island takes (a model of the user's keeps its buffers);
`evaluations` are made when they are first asked for. With `seeds` torch's generator is seeded for each call of a component
of torch's. `optimizer` is the one that stepped it last. [`change!`](@ref) makes it the objective of another diagram.
"""
mutable struct Objective
    diagram::Diagram
    plan::Plan
    island::StepIsland
    loads::Vector{Load}
    agreements::Vector{MeasuredAgreement}
    parameters::Vector{Variable}
    owners::Vector{Int}
    used::Vector{Int}
    buffers::Vector{Variable}
    used_buffers::Vector{Int}
    bound::Dict{String,Bound}
    evaluations::Dict{Tuple{String,Vector{UInt8}},Evaluation}
    seeds::Bool
    optimizer::Union{Optimizer,Nothing}
end

"""
    compile(diagram; components = (), placement = (), seed = 0) -> Objective

Compile a diagram, a `Builder` or what `load` read, to run in Julia. `components` has models by the name of their component:
`("teacher" => model,)`. A component that is a `JuliaReference` is a model of Julia's, by default the one registered under
that name, whose arrays are used as they are; one that is a `TorchReference` is a PyTorch module, where PythonCall is loaded.
Portable components run in Julia with initial parameters of `seed`; `placement`, such as `("student" => TORCH,)`, has PyTorch
run some of them.

Throws a `BridgeError` for a diagram that means nothing, for a component without a model, and for a model that contradicts
it.

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

function compile(diagram::Diagram; components = (), placement = (), seed::Integer = 0)
    placed = placement_in_julia(diagram, placement)
    program = plan(diagram, placed, JULIA)
    return Objective(diagram, program, bind(diagram, placed, components); seed = seed % UInt64, seeds = true)
end

function Objective(diagram::Diagram, program::Plan, bound::Dict{String,Bound}; seed::UInt64, seeds::Bool)
    give_back()
    fragment, loaded = Plans.whole(program, diagram)
    island = lower(fragment, steps_of(bound, fragment), torch_parts(program, diagram, bound; seeds = seeds))
    outputs = Dict{UInt32,Int}(register => k for (k, register) in enumerate(fragment.outputs))
    spaces = Plans.register_spaces(program, diagram)
    diverges = filter(i -> i.operation == Plans.DIVERGE, program.instructions)
    measured = [measured_agreement(program, i, outputs, spaces) for i in diverges]
    sort!(measured; by = a -> findfirst(p -> p.name == a.name, program.agreements), alg = MergeSort)
    parameters, buffers = variables(diagram, bound, seed)
    return Objective(diagram, program, island, loads(diagram, loaded), measured, parameters, owners(parameters),
                     places(parameters, fragment), buffers, places_run_here(buffers, fragment, steps_of(bound, fragment)),
                     bound, Dict{Tuple{String,Vector{UInt8}},Evaluation}(), seeds, nothing)
end

"For each component of a fragment the model that `lower` is told of; portable components run here have none."
steps_of(bound::Dict{String,Bound}, fragment::Schema.Fragment) =
    [(b = get(bound, c.name, nothing); b isa SharedVariables ? nothing : b) for c in fragment.components]

"For each parameter the place of the first one in the same memory."
function owners(parameters::Vector{Variable})
    first_at = Dict{UInt,Int}()
    return [isempty(v.array) ? k : get!(first_at, address(v.array), k) for (k, v) in enumerate(parameters)]
end

"The places of a fragment's parameters, in its order, among those of an objective."
places(parameters::Vector{Variable}, fragment::Schema.Fragment) =
    Int[k for c in fragment.components for k in eachindex(parameters) if parameters[k].component == c.name]

"The places of the buffers of a fragment's components that have no model but layers run here, among those of an objective."
places_run_here(buffers::Vector{Variable}, fragment::Schema.Fragment, models::Vector) =
    Int[k for (c, model) in zip(fragment.components, models) if model === nothing
        for k in eachindex(buffers) if buffers[k].component == c.name]

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
function variables(diagram::Diagram, bound::Dict{String,Bound}, seed::UInt64)
    parameters, buffers = Variable[], Variable[]
    for c in diagram.components
        model = get(bound, c.name, nothing)
        own_parameters, own_buffers =
            c.body isa LayerGraph ? layer_variables(diagram, c, model, seed) : variable_pairs(model)
        append!(parameters, [Variable(c.name, path, array, trains(c)) for (path, array) in own_parameters])
        append!(buffers, [Variable(c.name, path, array, false) for (path, array) in own_buffers])
    end
    return parameters, buffers
end

variable_pairs(i::Instance) =
    (arrays = vcat(i.parameters, i.buffers); pairs = map(=>, i.paths, arrays); n = length(i.parameters);
     (pairs[1:n], pairs[(n + 1):end]))
variable_pairs(i::TorchInstance) = (i.parameters, i.buffers)

is_new(model::Union{SharedVariables,Nothing}) = model === nothing
is_new(model::TorchInstance) = model.is_new

"Those of a portable component, in the order of its layers: new ones, or those that Python's module has already."
function layer_variables(diagram::Diagram, c::Component, model::Union{TorchInstance,SharedVariables,Nothing}, seed::UInt64)
    T = parameter_type(diagram, c)
    there = arrays_of(model)
    function variable(node, name::String, shape)
        path = "$(node.name).$name"
        array = there === nothing ? new_array(T, shape, path) : there[path]
        is_new(model) && initialise!(array, node.layer, name, seed, "$(c.name)/$path")
        return Pair{String,Array}(path, array)
    end
    parameters, buffers, tied = Pair{String,Array}[], Pair{String,Array}[], Dict(c.body.ties)
    for node in c.body.nodes
        layer = native(node.layer)
        for (found, names, shapes) in ((parameters, parameter_names(layer), parameter_shapes(layer)),
                                       (buffers, buffer_names(layer), buffer_shapes(layer))),
            (name, shape) in zip(names, shapes)

            haskey(tied, "$(node.name).$name") || push!(found, variable(node, name, shape))
        end
    end
    return parameters, buffers
end

function new_array(T::Type, shape, path::String)
    try
        return Array{T}(undef, reverse(shape))
    catch e
        e isa OutOfMemoryError || rethrow()
        throw(BridgeError("parameter '$path'", "memory for its numbers", "too little for $(shape_text(collect(shape)))"))
    end
end

arrays_of(::Nothing) = nothing
arrays_of(model::SharedVariables) = model.arrays
arrays_of(model::TorchInstance) = Dict{String,Array}(vcat(model.parameters, model.buffers))

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

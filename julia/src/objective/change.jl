# Changing the diagram of a training between two steps: what stays keeps its parameters and its optimizer's state.

"""
    change!(objective, diagram, optimizer = objective.optimizer; components = (), origins = (), placement = (), seed = 0)

Make an objective, and the optimizer that steps it (by default the one that stepped it last), those of another diagram: in a
loop of your own between two steps, or in the callback of [`train!`](@ref). Returns the objective.

A component that has the name and the body of one of the objective's keeps its model, its arrays, what the optimizer keeps
for them, and where it is placed. `origins` has pairs `new => old` for components of the diagram that come from others of the
objective, after renaming and untying; where several come from one, all but the first get copies. All others are new:
`components`, `placement` and `seed` are as in [`compile`](@ref), and the optimizer begins with them at step 0. What a
component that is gone had is dropped. A frozen component keeps its optimizer state unchanged, without weight decay, for when
it is unfrozen.

Nothing is changed where something is refused. Throws a `BridgeError` as `compile` does, and for origins that are not there
or that don't fit.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float64; k = 2); data = source!(d, "data"; x = x);

julia> f, g = (arrow!(d, name, x, x, Layers.linear(2, 2)) for name in ("f", "g"));

julia> agree!(d, g(f(data.x)), data.x; by = mse());

julia> objective = compile(d); samples = (data = (x = [0.0 1.0; 1.0 2.0],),);

julia> freeze_f(step, losses) = step == 2 && (change!(objective, freeze(objective.diagram, "f")); nothing);

julia> history = train!(objective, samples; epochs = 5, callback = freeze_f);

julia> state(name) = history.optimizer.states[name, "0.weight"];

julia> state("f").step, state("g").step
(3, 5)
```
"""
function change!(o::Objective, diagram::Union{Diagram,Builder}, optimizer::Union{Optimizer,Nothing} = o.optimizer;
                 components = (), origins = (), placement = (), seed::Integer = 0)
    diagram = diagram isa Builder ? build(diagram) : canonical(diagram)
    given = Dict{String,Any}(String(name) => model for (name, model) in components)
    kept, copies = kept_models(o, diagram, keys(given), name_pairs(origins))
    placed = placement_in_julia(diagram, placement)
    foreach(((name, model),) -> keep_placement!(placed, component(diagram, name), model, placement), kept)
    program = plan(diagram, placed, JULIA)
    bound = bind(diagram, placed, given, kept)
    made = Objective(diagram, program, bound; seed = seed % UInt64, seeds = o.seeds)
    optimizer === nothing || follow!(optimizer, o, made, copies)
    made.optimizer = optimizer
    foreach(field -> setfield!(o, field, getfield(made, field)), fieldnames(Objective))
    return o
end

"The models that stay, by new name, and for the arrays that are copies those that they were copied from."
function kept_models(o::Objective, diagram::Diagram, given, origins::Dict{String,String})
    known_elements(diagram, "components" => keys(origins))
    kept, copies, taken = Dict{String,Bound}(), IdDict{Array,Array}(), Set{String}()
    # Those that keep their name come first: a copy is for what is new.
    for c in sort(diagram.components; by = c -> haskey(origins, c.name), alg = MergeSort)
        old = get(origins, c.name, c.name)
        c.name in given && continue
        fits = has_origin(o, old) && is_alike(o.diagram, component(o.diagram, old), diagram, c)
        haskey(origins, c.name) && !fits && refuse_origin(o, c.name, old)
        fits || continue
        model = kept_model(o, component(o.diagram, old))
        kept[c.name] = old in taken ? copied_model(model, copies, c.name) : model
        push!(taken, old)
    end
    return kept, copies
end

has_origin(o::Objective, name::String) = haskey(components_by_name(o.diagram), name)

function refuse_origin(o::Objective, name::String, old::String)
    where = "origin of $(element("component", name))"
    has_origin(o, old) || throw(BridgeError(where, "one of $(listing([c.name for c in o.diagram.components]))", quoted(old),
                                            "binding"))
    throw(BridgeError(where, "a component of its body", "component $(quoted(old)) with another body", "binding"))
end

"Whether a component can have another's model."
is_alike(before::Diagram, old::Component, after::Diagram, new::Component) =
    old.body == new.body &&
    (!(old.body isa LayerGraph) || parameter_type(before, old) == parameter_type(after, new))

"The model of a component as it goes on: its values are there."
function kept_model(o::Objective, c::Component)
    model = get(o.bound, c.name, nothing)
    model isa TorchInstance && return TorchInstance(model.handle, false, model.parameters, model.buffers)
    model === nothing || return model
    own = (v for variables in (o.parameters, o.buffers) for v in variables if v.component == c.name)
    return SharedVariables(Dict{String,Array}(v.path => v.array for v in own))
end

"A copy of a model; `copies` gets its arrays, with those that they were copied from."
function copied_model(model::SharedVariables, copies::IdDict{Array,Array}, ::String)
    made = SharedVariables(Dict{String,Array}(path => copy(array) for (path, array) in model.arrays))
    foreach(((path, array),) -> copies[array] = model.arrays[path], made.arrays)
    return made
end

function copied_model(model::Instance, copies::IdDict{Array,Array}, ::String)
    made = Instance(model.reference, deepcopy(model.component))
    foreach((array, from) -> copies[array] = from, made.parameters, model.parameters)
    return made
end

copied_model(::TorchInstance, ::IdDict{Array,Array}, name::String) =
    throw(BridgeError("origin of $(element("component", name))", "a component that Julia runs, which can be copied",
                      "a PyTorch module", "binding"))

"A portable component stays where it was."
function keep_placement!(placed::Dict{String,Runtime}, c::Component, model::Bound, wanted)
    c.body isa LayerGraph || return nothing
    runtime = model isa TorchInstance ? TORCH : JULIA
    for (name, other) in wanted
        name == c.name && other != runtime &&
            throw(BridgeError(string(element("component", c.name)), "its placement to stay while its parameters do",
                              "another one", "binding"))
    end
    placed[c.name] = runtime
    return nothing
end

"Let an optimizer step the parameters of an objective that takes the place of another."
function follow!(optimizer::Optimizer, before::Objective, after::Objective, copies::IdDict{Array,Array})
    known = Dict{UInt,ParameterState}() # by the memory of their parameters, which may have another name now
    for v in before.parameters
        state = get(optimizer.states, (v.component, v.path), nothing)
        state === nothing || isempty(v.array) || (known[address(v.array)] = state)
    end
    states = Dict{Tuple{String,String},ParameterState}()
    for v in after.parameters[unique(after.owners)]
        isempty(v.array) && continue
        from = get(copies, v.array, v.array)
        state = get(known, address(from), nothing)
        state === nothing && continue
        states[v.component, v.path] = from === v.array ? state : ParameterState(state.step, map(copy, state.slots))
    end
    optimizer.states = states
    return nothing
end

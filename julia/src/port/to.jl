# Diagrams whose components move to another runtime, with their weights.

const RUNTIMES_TO = ("flux", "torch", "portable")

"""
    to(objective, runtime) -> Objective
    to(diagram, runtime; options...) -> Objective

The same diagram with its components in another runtime, weights included; the objective that was given stays as it is. With
"flux" portable components become Flux models, with "portable" Flux models become portable components, and with "torch"
portable components too, which PyTorch then runs (in a process with Python). What can't be ported is refused by name, with a
`BridgeError`. A diagram is compiled first, with these options.
"""
to(diagram::Union{Diagram,Builder}, runtime; options...) = to(compile(diagram; options...), runtime)

function to(o::Objective, wanted)
    runtime = String(wanted)
    runtime in RUNTIMES_TO || throw(BridgeError("runtime", "one of $(join(RUNTIMES_TO, ", "))", quoted(runtime)))
    weights = weights_of(o)
    models, changed, ported = Dict{String,Any}(), Component[], Dict{String,Ported}()
    for c in o.diagram.components
        bound = get(o.bound, c.name, nothing)
        if runtime == "flux" && c.body isa LayerGraph
            models[c.name] = to_flux(c.body, weights[c.name])
            push!(changed, Component(c.name, JuliaReference(c.name), c.has_parameters, c.training))
        elseif runtime != "flux" && bound isa Instance
            ported[c.name] = port_component(o.diagram, c, users_model(bound.component))
            push!(changed, Component(c.name, ported[c.name].graph, c.has_parameters, c.training))
        else
            bound isa Instance && (models[c.name] = deepcopy(users_model(bound.component)))
            bound isa TorchInstance && c.body isa TorchReference &&
                throw(BridgeError(string(element("component", c.name)), "a portable component or a Flux model",
                                  "a PyTorch module, which Python ports: bridge.to(objective, $(repr(runtime)))"))
            push!(changed, c)
        end
    end
    placement = runtime == "torch" ? (c.name => TORCH for c in changed if c.body isa LayerGraph) : ()
    made = compile(with_tables(o.diagram, changed, o.diagram.arrows); components = models, placement = placement)
    for v in Iterators.flatten((made.parameters, made.buffers))
        haskey(models, v.component) && continue
        own = haskey(ported, v.component) ? ported[v.component].weights : weights[v.component]
        copyto!(v.array, own[v.path])
    end
    return made
end

"The model of the user's that a component runs: an engine may have wrapped it."
users_model(component) = component

"What an objective's components hold, by component and path."
function weights_of(o::Objective)
    found = Dict{String,Dict{String,Array}}(c.name => Dict{String,Array}() for c in o.diagram.components)
    for v in Iterators.flatten((o.parameters, o.buffers))
        found[v.component][v.path] = v.array
    end
    return found
end

"A model as portable layers, on the spaces of the first arrow that names its component."
function port_component(d::Diagram, c::Component, model; verify::Bool = true)
    arrow = d.arrows[findfirst(arrow -> arrow.component == c.name, d.arrows)]
    shapes = [shape(d.spaces[findfirst(space -> space.name == name, d.spaces)]) for name in arrow.sources]
    where = string(element("component", c.name))
    for (name, own) in zip(arrow.sources, shapes)
        all(size -> size isa Int, own) || throw(BridgeError(where, "spaces without variable sizes", "space $(quoted(name))"))
    end
    return try
        from_flux(model, (Tuple(reverse(own)) for own in shapes)...; verify = verify)
    catch e
        e isa BridgeError || rethrow()
        throw(BridgeError("$where, $(e.element)", e.expected, e.found, e.kind))
    end
end

# Between Python and Julia components move in files: a diagram, and the tensors of those that are moved by "component/path".
# What is refused is said in a line, for Python to raise.

refusal(e::BridgeError) = join(("refused", e.element, e.expected, e.found), '\t')

function refused_in_words(f)
    try
        return f()
    catch e
        e isa BridgeError || rethrow()
        return refusal(e)
    end
end

"Register a Flux model for each portable component of a diagram's file, under new names; one of these a line."
register_flux(diagram::AbstractString, tensors::AbstractString) = refused_in_words() do
    d, (held, _) = load(diagram), read_tensors(tensors)
    lines = String[]
    for c in d.components
        c.body isa LayerGraph || continue
        start = string(c.name, '/')
        own = Dict{String,Array}(name[(sizeof(start) + 1):end] => a for (name, a) in held if startswith(name, start))
        names = Iterators.flatten(((c.name,), ("$(c.name) $k" for k in Iterators.countfrom(2))))
        name = first(Iterators.filter(name -> !haskey(REGISTERED, name), names))
        register(name, to_flux(c.body, own))
        push!(lines, "$(c.name)\t$name")
    end
    return join(lines, '\n')
end

"""
Write a diagram with portable components for those of Julia, and their tensors. `instances` has a line with the component and
the id of its instance for each.
"""
write_ported(diagram::AbstractString, ported::AbstractString, tensors::AbstractString, instances::AbstractString,
             verify::Bool) = refused_in_words() do
    d, held_tensors = load(diagram), Dict{String,Array}()
    ids = Dict(String(name) => parse(UInt64, id) for (name, id) in split.(split(instances, '\n'), '\t'))
    changed = map(d.components) do c
        c.body isa JuliaReference || return c
        made = port_component(d, c, users_model(held(Instance, ids[c.name]).component); verify = verify)
        foreach(((path, array),) -> held_tensors["$(c.name)/$path"] = array, made.weights)
        return Component(c.name, made.graph, c.has_parameters, c.training)
    end
    save(ported, with_tables(d, Component[changed...], d.arrows))
    write_tensors(tensors, held_tensors, Dict{String,String}())
    return ""
end

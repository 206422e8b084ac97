# What the control function answers: the handshake, instances, islands, counts.

function control(request::Schema.Request)
    request.hello === nothing || return Schema.Response(handshake = asked(hello, request.hello))
    request.instantiate === nothing || return Schema.Response(instantiated = asked(instantiate, request.instantiate))
    request.load === nothing || return Schema.Response(loaded = asked(load_island, request.load))
    request.unload === nothing || (asked(release, request.unload.island); return Schema.Response())
    request.collect === nothing || return Schema.Response(counts = asked(collect_garbage, request.collect))
    request.statistics === nothing || return Schema.Response(counts = asked(statistics, request.statistics))
    request.last_error === nothing || return Schema.Response(failure = last_failure(request.last_error))
    request.compile === nothing || return Schema.Response(compiled = asked(compile, request.compile))
    request.differentiate === nothing || return Schema.Response(differentiated = asked(differentiate, request.differentiate))
    request.evaluate === nothing || return Schema.Response(evaluated = asked(evaluate, request.evaluate))
    request.prepare === nothing || return Schema.Response(prepared = asked(prepare, request.prepare))
    request.advance === nothing || return Schema.Response(advanced = asked(advance, request.advance))
    throw(BridgeError("control request", "one of those in control.proto", "none"))
end

# Whatever is called by its name is compiled with this function: half a minute in Julia 1.5, before the first handshake.
asked(f, request) = Base.invokelatest(f, request)

function hello(h::Schema.Hello)
    sizes = structure_sizes()
    for (name, ours) in pairs(sizes)
        theirs = getproperty(h, name)
        theirs == ours || throw(BridgeError("handshake, $name", string(ours), string(theirs)))
    end
    addresses = Dict(s.name => s.address for s in h.symbols)
    set_python!(addresses)
    use_torch!(addresses)
    use_blas!(addresses)
    use_threads!(addresses)
    return Schema.Handshake(; sizes..., engine = engine_name(),
                            engine_version = string(last(first(engine_versions(ENGINES[engine_name()])))),
                            julia_version = string(VERSION), blas = blas_name(),
                            data_types = [data_type(T) for T in ELEMENT_TYPES])
end

function instantiate(r::Schema.Instantiate)
    component = registered(r.reference)
    instance = Instance(r.reference, r.copy ? deepcopy(component) : component)
    arrays = vcat(instance.parameters, instance.buffers)
    variables = [Schema.Variable(path = path, data_type = data_type(eltype(a)), shape = UInt64[reverse(size(a))...],
                                 address = address(a), buffer = k > length(instance.parameters))
                 for (k, (path, a)) in enumerate(zip(instance.paths, arrays))]
    foreach(lent!, arrays)
    return Schema.Instantiated(id = hold(instance), variables = variables)
end

function load_island(r::Schema.Load)
    fragment = r.fragment
    fragment === nothing && throw(BridgeError("request to load", "a fragment", "none"))
    instances = [id == 0 ? nothing : held(Instance, id) for id in r.instances]
    island = lower(fragment, instances)
    n, m, b = length(island.inputs), length(island.parameters), length(island.buffers)
    inputs_retained, outputs_retained = retained(island.steps, island.places, n, m, b, island.outputs)
    placed = [gradient_is_placed(island.places, v, island.outputs) for v in 1:n]
    return Schema.Loaded(island = hold(specialised(island)), outputs_filled = [v != 0 for v in island.output_places],
                         gradients_filled = vcat(placed, [p.array === nothing for p in island.parameters], falses(b)),
                         inputs_retained = inputs_retained, outputs_retained = outputs_retained)
end

function collect_garbage(r::Schema.Collect)
    for object in values(HELD)
        object isa StepIsland && empty!(object.workspace)
    end
    GC.gc(r.full)
    give_back()
    return counts()
end

function statistics(r::Schema.Statistics)
    now = counts()
    r.reset && foreach(name -> setfield!(COUNTS, name, UInt64(0)), fieldnames(RunningCounts))
    return now
end

counts() = Schema.Counts(; islands = number_held(Island), tapes = number_held(Tape), owners = number_held(Owned),
                         (name => getfield(COUNTS, name) for name in fieldnames(RunningCounts))...)

function last_failure(r::Schema.LastError)
    failure = LAST_FAILURE[]
    r.clear && (LAST_FAILURE[] = nothing)
    return failure
end

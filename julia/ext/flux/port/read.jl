# From a Flux model to portable layers.

function DiagramBridge.port_model(::FluxEngine, model, sizes::Tuple, functions::Dict{Any,Any}, verify::Bool)
    inputs = SampleShape[SampleShape(collect(Int, reverse(size))) for size in sizes]
    w = Writer(inputs, functions)
    made = read_layer!(w, Place("", ""), model, length(inputs) == 1 ? 1 : ntuple(identity, length(inputs)))
    outputs = made isa Tuple ? made : (made,)
    any(isnothing, outputs) && refuse_layer(Place("", ""), model, "outputs that portable layers give", "others")
    T = isempty(w.weights) ? Float32 : eltype(first(values(w.weights)))
    graph = LayerGraph(w.inputs, w.nodes, collect(Int, outputs), sort(w.ties; by = first))
    DiagramBridge.check_graph(graph, "Flux model")
    type = T === Float32 ? DiagramBridge.FLOAT32 : DiagramBridge.FLOAT64
    ported = DiagramBridge.Ported(graph, w.weights, type, inputs, SampleShape[w.shapes[v] for v in outputs])
    verify && compare_with(ported, model, T)
    return ported
end

"""
    read_layer!(writer, place, layer, value) -> value

Add what a layer does with a value, or a tuple of them, to the graph.
"""
function read_layer!(w::Writer, at::Place, f, value)
    known = get(w.functions, f, nothing)
    known === nothing || return read_told!(w, at, f, known, value)
    layer = portable_function(f)
    layer === nothing && refuse_layer(at, f)
    return add!(w, at, f, layer, (single(w, at, f, value),))
end

"What the caller says that a function does."
read_told!(w::Writer, at::Place, f, layer::PortableLayer, value::Int) = add!(w, at, f, layer, (value,))
read_told!(w::Writer, at::Place, f, layer::PortableLayer, value::Tuple) = add!(w, at, f, layer, value)

read_layer!(::Writer, ::Place, ::typeof(identity), value) = value
read_layer!(w::Writer, at::Place, ::typeof(first), value::Tuple) = value[1]

function read_layer!(w::Writer, at::Place, chain::Flux.Chain, value)
    for (key, layer) in pairs(chain.layers)
        name = key isa Symbol ? key : key - 1
        value = read_layer!(w, below(at, name, key isa Symbol ? ".layers.$key" : ".layers[$key]"), layer, value)
    end
    return value
end

function read_layer!(w::Writer, at::Place, skip::Flux.SkipConnection, value)
    value = single(w, at, skip, value)
    inner = read_layer!(w, below(at, "layers", ".layers"), skip.layers, value)
    return join!(w, at, skip, skip.connection, (single(w, at, skip, inner), value))
end

function read_layer!(w::Writer, at::Place, parallel::Flux.Parallel, value)
    count = length(parallel.layers)
    value isa Tuple && length(value) != count && count != 1 &&
        refuse_layer(at, parallel, "$count inputs, or one for all", string(length(value)))
    made = map(enumerate(pairs(parallel.layers))) do (k, (key, layer))
        name = key isa Symbol ? key : key - 1
        own = below(at, name, key isa Symbol ? ".layers.$key" : ".layers[$key]")
        read_layer!(w, own, layer, value isa Tuple ? value[k] : value)
    end
    return join!(w, at, parallel, parallel.connection, Tuple(single(w, at, parallel, v) for v in made))
end

function join!(w::Writer, at::Place, source, connection, values::Tuple)
    known = get(w.functions, connection, nothing)
    connection === tuple && return values
    layer = known === nothing ? portable_connection(connection) : known
    layer === nothing &&
        refuse_layer(at, source, "+, -, vcat, hcat, tuple or .* as what joins its values, or functions = (f => layer,)",
                     string(connection))
    return part!(w, at, source, layer, values)
end

read_layer!(w::Writer, at::Place, o::Operation, value) =
    add!(w, at, o, o.layer, value isa Tuple ? value : (value,), (string(name) => a for (name, a) in pairs(o.weights))...)

function read_layer!(w::Writer, at::Place, n::Network, value)
    values = Any[(value isa Tuple ? value : (value,))...]
    length(values) == n.inputs || refuse_layer(at, n, "$(n.inputs) inputs", string(length(values)))
    for (name, layer, places, count) in zip(keys(n.layers), n.layers, n.places, n.made)
        given = Tuple(values[places])
        made = read_layer!(w, below(at, name, ".layers.$name"), layer, length(given) == 1 ? given[1] : given)
        append!(values, in_values(made, count))
    end
    outputs = Tuple(values[n.outputs])
    return length(outputs) == 1 ? outputs[1] : outputs
end

function read_layer!(w::Writer, at::Place, d::Flux.Dense, value)
    outputs, inputs = size(d.weight)
    layer = Layers.linear(inputs, outputs; bias = d.bias !== false)
    return with_activation!(w, at, d, d.σ, layer, (single(w, at, d, value),), "weight" => transposed(d.weight),
                            "bias" => d.bias)
end

function read_layer!(w::Writer, at::Place, s::Flux.Scale, value)
    value = single(w, at, s, value)
    axes = length(w.shapes[value])
    for (name, array, by) in (("scale", s.scale, "multiply"), ("bias", s.bias, "add"))
        array === false && continue
        ndims(array) <= axes || refuse_layer(at, s, "samples of $(ndims(array)) axes", "$axes")
        size = (Base.size(array)..., ntuple(_ -> 1, axes - ndims(array))...)
        layer = Layers.parameter(reverse(size)...; by = by)
        value = add!(w, at, s, layer, (value,), "value" => Moved(array, reshape(array, size), :plain);
                     name = below(at, name, "").name)
    end
    return activate!(w, at, s, s.σ, value)
end

function read_layer!(w::Writer, at::Place, e::Flux.Embedding, value)
    width, entries = size(e.weight)
    return add!(w, at, e, Layers.embedding(entries, width), (single(w, at, e, value),), "weight" => e.weight)
end

function read_layer!(w::Writer, at::Place, d::Flux.Dropout, value)
    d.dims === (:) || refuse_layer(at, d, "dropout of single elements", "dims = $(d.dims)")
    return add!(w, at, d, Layers.dropout(exact(d.p, Float32)), (single(w, at, d, value),))
end

function read_layer!(w::Writer, at::Place, u::Flux.Upsample{mode}, value) where {mode}
    value = single(w, at, u, value)
    shape = w.shapes[value]
    length(shape) == 3 || refuse_layer(at, u, "samples of three axes, (width, height, channels)", "$(length(shape))")
    factor = u.scale === nothing ? reverse(u.size) .// Tuple(shape[2:3]) : u.scale isa Tuple ? reverse(u.scale) : u.scale
    mode in (:nearest, :bilinear) && all(isinteger, factor) ||
        refuse_layer(at, u, "nearest or bilinear, by a whole factor", "$mode, by $factor")
    sizes = factor isa Tuple ? collect(Int, factor) : Int(factor)
    return add!(w, at, u, Layers.upsample2d(sizes, string(mode); align_corners = mode === :bilinear), (value,))
end

"Run both in test mode on random numbers."
function compare_with(ported, model, ::Type{T}) where {T}
    generator, samples = Random.Xoshiro(1), 2
    kinds = DiagramBridge.graph_input_kinds(ported.graph)
    given = map(zip(ported.inputs, kinds)) do (shape, (kind, _))
        size = (reverse(Tuple(shape))..., samples)
        kind.name == DiagramBridge.FLOATS.name ? T.(rand(generator, size...) .+ 0.5) :
        kind.classes > 0 ? rand(generator, 0:(kind.classes - 1), size...) :
        refuse_layer(Place("", ""), model, "inputs of numbers or indices, to be compared (verify = false leaves it out)",
                     kind.text)
    end
    counted = map(x -> eltype(x) <: Integer && counts_from_one(model) ? x .+ 1 : x, given)
    component = FluxModel(model, "Flux model")
    theirs = in_mode(() -> model(counted...), component, false)
    ours = run_graph(ported.graph, ported.weights, Tuple(given))
    tolerance = T === Float32 ? 1f-3 : 1e-9
    for (mine, wanted) in zip(ours, theirs isa Tuple ? theirs : (theirs,))
        largest = maximum(abs, wanted; init = one(T))
        difference = size(mine) == size(wanted) ? maximum(abs, mine .- wanted; init = zero(T)) : T(Inf)
        difference <= tolerance * largest ||
            throw(BridgeError("Flux model", "what its portable layers give, to $tolerance",
                              "a difference of $difference (sizes $(size(mine)) and $(size(wanted)))", "port"))
    end
    return nothing
end

"Whether a model takes indices as Flux does: what `to_flux` makes counts from 0."
counts_from_one(model) = any(node -> node isa Flux.Embedding, layers_of(model))

function layers_of(model)
    found = Any[]
    visit((_, node, _, _, _) -> push!(found, node), model)
    return found
end

"The outputs of a graph, by portable layers in test mode."
function run_graph(graph::LayerGraph, weights, inputs::Tuple)
    values, tied = Any[inputs...], Dict(graph.ties)
    for node in graph.nodes
        native = DiagramBridge.native(node.layer)
        variables = Tuple(weights[get(tied, path, path)] for path in variable_paths(node))
        given = Tuple(values[node.inputs])
        append!(values, DiagramBridge.forward(native, variables, given, DiagramBridge.Heap(), LayerMode(false))[1])
    end
    return Tuple(values[graph.outputs])
end

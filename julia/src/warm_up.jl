# A small island, loaded and run both ways while the package is precompiled. From 1.9 on Julia keeps what was compiled for
# it, so that the first step of a session finds its code; older ones keep what was inferred, which is the half of it.

function warm_up()
    for T in (Float32, Float64)
        warm_up_island(T, portable_fragment(T), 0)
    end
    empty!(HELD)
    NEXT_ID[] = 1
    foreach(name -> setfield!(COUNTS, name, UInt64(0)), fieldnames(RunningCounts))
    set_python!(Dict{String,UInt64}())
    ANSWER[] = UInt8[]
    return nothing
end

# A perceptron of two layers with a layer norm and a softmax between them.
function portable_fragment(::Type{T}) where {T}
    text(name, value) = Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_TEXT, text = value)
    integers(name, values...) =
        Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_INTEGERS, integers = collect(Int64, values))
    integer(name, value) = Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_INTEGER, integers = [value])
    flag(name) = Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_BOOLEAN, boolean = true)
    real(name, value) = Schema.Attribute(name = name, kind = Schema.ATTRIBUTE_KIND_REAL, real = value)
    linear = [flag("bias"), integer("in", 2), text("init", "zeros"), integer("out", 2)]
    layers = [("linear", linear), ("relu", []), ("layer_norm", [flag("affine"), real("eps", 1e-5), integers("shape", 2)]),
              ("linear", linear), ("softmax", [integer("axis", -1)])]
    nodes = [Schema.Node(name = string(k - 1), layer = Schema.Layer(operation = name, version = 1, attributes = attributes),
                         inputs = [k - 1], outputs = 1) for (k, (name, attributes)) in enumerate(layers)]
    graph = Schema.LayerGraph(inputs = 1, nodes = nodes, outputs = [length(nodes)])
    space = Schema.Space(name = "x", data_type = data_type(T), axes = [Schema.Axis(name = "k", size = 2)])
    return Schema.Fragment(
        components = [Schema.Component(name = "f", training = Schema.TRAINING_TRAINABLE, has_parameters = true,
                                       graph = graph)],
        arrows = [Schema.Arrow(name = "f", sources = ["x"], targets = ["x"], component = "f")], spaces = [space],
        instructions = [Schema.Instruction(operation = Schema.OPERATION_APPLY, runtime = Schema.RUNTIME_JULIA, inputs = [0],
                                           outputs = [1], arrow = "f")], inputs = [0], outputs = [1])
end

function warm_up_island(::Type{T}, fragment::Schema.Fragment, instance::Integer) where {T}
    ask(Schema.Request(hello = Schema.Hello(; structure_sizes()...)))
    island = ask(Schema.Request(load = Schema.Load(fragment = fragment, instances = UInt64[instance]))).loaded
    arrays = Array[ones(T, 2, 3), ones(T, 2, 2), ones(T, 2), ones(T, 2), ones(T, 2), ones(T, 2, 2), ones(T, 2)]
    shapes = [Int64[reverse(size(a))...] for a in arrays]
    tensors = [DLTensor(pointer(a), CPU, 0, ndims(a), code_bits(T)..., 1, pointer(s), C_NULL, 0)
               for (a, s) in zip(arrays, shapes)]
    room = Int64.(zeros(MAX_AXES))
    slots = [Slot(DLTensor(C_NULL, CPU, 0, 0, 0, 0, 1, pointer(room), C_NULL, 0), 0, 0) for _ in arrays]
    mode, tape, needs = [Mode(TRAIN_FLAG, 0, 0, 0)], UInt64(2), fill(UInt8(1), length(arrays))
    GC.@preserve arrays shapes tensors room slots mode needs begin
        guarded(forward_descriptors,
                (island.island, pointer(mode), length(tensors), pointer(tensors), 1, pointer(slots), tape))
        guarded(backward_descriptors, (tape, 1, pointer(tensors), length(arrays), pointer(slots), pointer(needs)))
    end
    guarded(release_one, (tape,))
    ask(Schema.Request(statistics = Schema.Statistics()))
    return nothing
end

# A request by way of its bytes, as a caller sends it.
function ask(request::Schema.Request)
    bytes = Wire.encode(request)
    response, length = Ref{Ptr{UInt8}}(C_NULL), Ref{Int}(0)
    GC.@preserve bytes guarded(answer_request, (pointer(bytes), Base.length(bytes),
                                                Base.unsafe_convert(Ptr{Ptr{UInt8}}, response),
                                                Base.unsafe_convert(Ptr{Int}, length)))
    return Wire.decode(Schema.Response, copy(unsafe_wrap(Array, response[], length[])))
end

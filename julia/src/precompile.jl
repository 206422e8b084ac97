# What a first call would compile is run once while the package is precompiled, so that it is found in the cache.

"A message with something in every field and list, at every depth; of a oneof the first member."
function filled(::Type{M}) where {M<:Message}
    message = M()
    for i in 1:fieldcount(M)
        F = fieldtype(M, i)
        if F isa Union
            taken = any(j -> getfield(message, j) !== nothing, Wire.alternatives(M, i))
            taken || setfield!(message, i, filled(Wire.present(F)))
        elseif F <: Vector && F !== Vector{UInt8}
            push!(getfield(message, i), filled(eltype(F)))
        end
    end
    return message
end

filled(::Type{String}) = "x"
filled(::Type{E}) where {E<:Enum} = last(instances(E))
filled(::Type{T}) where {T<:Real} = one(T)

"Run a layer forward and backward on a batch of two."
function exercise(layer::Layer, inputs::Tuple)
    T = eltype(inputs[1])
    parameters = map(shape -> ones(T, reverse(shape)), parameter_shapes(layer))
    values, residual = forward(layer, parameters, inputs, Heap(), LayerMode(true))
    needs = map(_ -> true, inputs), map(_ -> true, parameters)
    return pullback(layer, parameters, inputs, values, residual, map(copy, values), needs..., Heap())
end

function exercise()
    for message in (Schema.Request(load = filled(Schema.Load)), filled(Schema.Response))
        decode(typeof(message), encode(message))
    end
    x = ones(Float32, 3, 2)
    for_each_one(
        layer -> exercise(layer, (x,)),
        Linear(3, 3, true), Relu(), LeakyRelu(0.1), Relu6(), Hardsigmoid(), Sigmoid(), Tanh(), Elu(1.0, 1.0), Silu(),
        Softplus(), Mish(), Gelu(), TanhGelu(), Softmax(1), LogSoftmax(1), LayerNorm([3], 1e-5, true), Flatten(),
        Reshape([3]), Identity(),
    )
    exercise(Add(), (x, x))
    exercise(Multiply(), (x, x))
end

# Without a loop over things of different types, whose calls inference would not follow.
for_each_one(f) = nothing
for_each_one(f, x, rest...) = (f(x); for_each_one(f, rest...))

"Write, read, check and plan a small diagram."
function exercise_diagrams()
    d = Builder("small")
    x, label = space!(d, "x"; k = 2), index!(d, "label"; classes = 2)
    data = source!(d, "data"; x = x, label = label)
    f = arrow!(d, "f", x, x, Layers.chain(Layers.linear(2, 2), Layers.relu()))
    g = arrow!(d, "g", x, x, JuliaReference("g"); frozen = true)
    agree!(d, f(data.x), data.label; by = cross_entropy())
    agree!(d, detach(g(data.x)), f(data.x); by = mse(), weight = 0.5)
    commute!(d, data.x, x; by = mse(), arrows = [f, g], max_length = 1)
    output!(d, "y", f(data.x))
    made = read_bytes(write_bytes(build(d)))
    program = plan(made, ["f" => JULIA])
    write_bytes(program)
    foreach(island -> encode(fragment(program, made, island)), program.islands)
    return sprint(show, MIME"text/plain"(), made)
end

message_types() = filter(M -> M isa DataType && M <: Message, [getfield(Schema, name) for name in names(Schema; all = true)])

# Before 1.9 no compiled code is kept, and what has run keeps no inferred code either, so that its callers could only reach
# it by a look-up: there types are inferred, and nothing runs.
if ccall(:jl_generating_output, Cint, ()) == 1
    foreach(Wire.layout, message_types())
    if VERSION >= v"1.9"
        exercise()
        exercise_diagrams()
        warm_up()
    else
        foreach(f -> precompile(f, ()), (exercise, exercise_diagrams, warm_up))
    end
end

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
    values, residual = forward(layer, parameters, inputs, Heap(), true)
    needs = map(_ -> true, inputs), map(_ -> true, parameters)
    return pullback(layer, parameters, inputs, values, residual, map(copy, values), needs..., Heap())
end

function exercise()
    for message in (Schema.Request(load = filled(Schema.Load)), filled(Schema.Response))
        decode(typeof(message), encode(message))
    end
    x = ones(Float32, 3, 2)
    for layer in (
        Linear(3, 3, true), Relu(), LeakyRelu(0.1), Relu6(), Hardsigmoid(), Sigmoid(), Tanh(), Elu(1.0, 1.0), Silu(),
        Softplus(), Mish(), Gelu(), TanhGelu(), Softmax(1), LogSoftmax(1), LayerNorm([3], 1e-5, true), Flatten(),
        Reshape([3]), Identity(),
    )
        exercise(layer, (x,))
    end
    exercise(Add(), (x, x))
    exercise(Multiply(), (x, x))
end

if ccall(:jl_generating_output, Cint, ()) == 1
    exercise()
    VERSION >= v"1.9" && warm_up()
    empty!(Wire.LAYOUTS) # keyed by types, whose hashes are of one process
end

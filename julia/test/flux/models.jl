module FluxModelTests

using DiagramBridge
using DiagramBridge: BridgeError, Instance, Mode, buffers, counted_copy, evaluate, parameters, pullback
using Flux
using Flux: Optimisers, Zygote
using Random
using Test

const X = MersenneTwister(5)
const TEST, TRAIN, TAPE = UInt32(0), UInt32(1), UInt32(2)

mode(flags; seed = 3, application = 0) = Mode(flags, 0, seed, application)

"The component that an object of the user's becomes."
adapted(model) = Instance("model", model).component

"The arrays of a model by path, as they are listed for PyTorch."
paths(variables) = [first(v) for v in variables]

"Gradients for inputs and parameters of Σ value · dvalue, by the component; asked for twice."
function gradients(component, inputs, dvalue; flags = TRAIN | TAPE)
    values, recorded = evaluate(component, inputs, mode(flags))
    first_time = pullback(component, recorded, (dvalue(values[1]),))
    @test pullback(component, recorded, (dvalue(values[1]),)) == first_time
    return values[1], first_time...
end

ones_like(value) = cos.(value)

"Central differences of Σ cos(value₀) · value, for each element of `array`, at the model's own arrays."
function differences(evaluate, array, weight)
    found, step = similar(array), 1e-6
    for i in eachindex(array)
        x = array[i]
        array[i] = x + step
        above = sum(weight .* evaluate())
        array[i] = x - step
        found[i] = (above - sum(weight .* evaluate())) / 2step
        array[i] = x
    end
    return found
end

"A struct of the user's, with a field that is not trained, and a layer inside."
struct Bent{A,D}
    scale::A
    offset::A
    dense::D
    power::Int
end
Flux.@layer Bent trainable = (scale, dense)
(b::Bent)(x) = b.dense(b.scale .* x .^ b.power .+ b.offset)

struct TwoToTwo
    weight::Matrix{Float64}
end
Flux.@layer TwoToTwo
(m::TwoToTwo)(x, y) = (m.weight * x .+ y, x .* y)

"A norm that is applied twice, and stands at two places."
struct Twice{N}
    norm::N
    again::N
end
Flux.@layer Twice
(m::Twice)(x) = m.again(tanh.(m.norm(tanh.(m.norm(x)))))

f64(model) = Flux.f64(model)

const MODELS = [
    ("Dense", () -> f64(Dense(3 => 2, tanh)), (3, 4), ["weight", "bias"]),
    ("Chain", () -> f64(Chain(Dense(3 => 5, relu), Dense(5 => 2))), (3, 4),
     ["layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias"]),
    ("named Chain", () -> f64(Chain(first = Dense(3 => 2; bias = false), second = softmax)), (3, 4),
     ["layers.first.weight"]),
    ("Conv", () -> f64(Chain(Conv((3, 3), 2 => 3, tanh), Flux.flatten, Dense(12 => 2))), (4, 4, 2, 3),
     ["layers.1.weight", "layers.1.bias", "layers.3.weight", "layers.3.bias"]),
    ("BatchNorm", () -> f64(Chain(Dense(3 => 4), BatchNorm(4, tanh))), (3, 6),
     ["layers.1.weight", "layers.1.bias", "layers.2.β", "layers.2.γ"]),
    ("BatchNorm twice", () -> (norm = f64(BatchNorm(3)); Twice(norm, norm)), (3, 6), ["norm.β", "norm.γ"]),
    ("custom", () -> f64(Bent(randn(X, 3), randn(X, 3), Dense(3 => 2), 2)), (3, 4), ["scale", "dense.weight", "dense.bias"]),
]

@testset "$name" for (name, make, size, expected) in MODELS
    model = make()
    component = adapted(model)
    @test paths(parameters(component)) == expected
    x = randn(X, size...)
    value, dinputs, dparameters = gradients(component, (x,), ones_like)
    plain = () -> evaluate(component, (x,), mode(TRAIN))[1][1]
    @test plain() == value
    for (array, gradient) in zip((x, last.(parameters(component))...), (dinputs..., dparameters...))
        @test isapprox(gradient, differences(plain, array, ones_like(value)); rtol = 1e-6, atol = 1e-7)
    end
end

@testset "what is not trained is a buffer, and what is not an array of numbers is nothing" begin
    component = adapted(Bent(randn(X, 3), randn(X, 3), Chain(BatchNorm(3), x -> x), 2))
    @test paths(parameters(component)) == ["scale", "dense.layers.1.β", "dense.layers.1.γ"]
    @test paths(buffers(component)) == ["offset", "dense.layers.1.μ", "dense.layers.1.σ²"]
    embedding = adapted(Chain(Flux.Embedding(4 => 2), x -> sum(x; dims = 2)))
    @test paths(parameters(embedding)) == ["layers.1.weight"]
    closed = let W = randn(X, 2, 2)
        adapted(x -> W * x)
    end
    @test paths(parameters(closed)) == ["W"]
end

@testset "modes are set for the call and put back" begin
    model = Chain(Dense(3 => 4), BatchNorm(4), Dropout(0.5))
    component, x = adapted(model), randn(X, Float32, 3, 8)
    for before in (nothing, true, false)
        model[2].active = model[3].active = before
        mean = copy(model[2].μ)
        (value,), _ = evaluate(component, (x,), mode(TEST))
        @test value == Flux.testmode!(deepcopy(model))(x)
        @test model[2].μ == mean
        (value,), _ = evaluate(component, (x,), mode(TRAIN))
        @test count(iszero, value) > 0
        @test model[2].μ != mean
        @test model[2].active === before && model[3].active === before
    end
    struck = adapted(Chain(Dropout(0.5), x -> error("no")))
    @test_throws ErrorException evaluate(struck, (x,), mode(TRAIN))
    @test struck.model[1].active === nothing
end

@testset "random numbers come from the seed and the application" begin
    component, x = adapted(Dropout(0.5)), ones(Float32, 50, 50)
    draw(; keywords...) = evaluate(component, (x,), mode(TRAIN | TAPE; keywords...))[1][1]
    Random.seed!(1)
    expected = rand(3)
    Random.seed!(1)
    value = draw(seed = 9)
    @test rand(3) == expected
    @test draw(seed = 9) == value
    @test draw(seed = 10) != value
    @test draw(seed = 9, application = 1) != value
    (value,), recorded = evaluate(component, (x,), mode(TRAIN | TAPE))
    @test pullback(component, recorded, (x,))[1][1] == value # of ones: the mask, and its scale
end

@testset "an array at several paths" begin
    W = randn(X, 3, 3)
    component = adapted(Chain(Dense(W), x -> tanh.(x), Dense(W, false), Dense(transpose(W), false)))
    @test paths(parameters(component)) == ["layers.1.weight", "layers.1.bias"]
    @test parameters(component)[1][2] === W
    x = randn(X, 3, 4)
    value, dinputs, dparameters = gradients(component, (x,), ones_like)
    plain = () -> evaluate(component, (x,), mode(TRAIN))[1][1]
    @test isapprox(dparameters[1], differences(plain, W, ones_like(value)); rtol = 1e-6)
    copied = adapted(deepcopy(component.model))
    @test paths(parameters(copied)) == ["layers.1.weight", "layers.1.bias"]
end

refusal(f) =
    try
        f()
        ""
    catch e
        sprint(showerror, e)
    end

@testset "what PyTorch can't have is refused by name" begin
    W = randn(X, 3, 3)
    @test refusal(() -> adapted(Dense(view(W, :, 1:2), false))) ==
          "'weight' of Julia component 'model': expected an Array, whose memory can be shared, " *
          "found $(typeof(view(W, :, 1:2)))"
    @test occursin("one array under two paths", refusal(() -> adapted(Chain(Dense(W), Dense(reshape(vec(W), 3, 3), false)))))
    @test occursin("Float16", refusal(() -> adapted(Flux.f16(Dense(3 => 2)))))
    shared = Bent(randn(X, 3), randn(X, 3), Dense(3 => 2), 2)
    tied = Bent(shared.scale, shared.scale, shared.dense, 2)
    @test occursin("'offset' of Julia component 'model'", refusal(() -> adapted(tied)))
end

@testset "constant inputs have no gradient, parameters have the same" begin
    component, x = adapted(f64(Dense(3 => 2, tanh))), randn(X, 3, 4)
    value, dinputs, dparameters = gradients(component, (x,), ones_like)
    alone = gradients(component, (x,), ones_like; flags = TRAIN | TAPE | DiagramBridge.CONSTANT_FLAG)
    @test alone == (value, (nothing,), dparameters)
end

@testset "several inputs and outputs, indices, lazy gradients" begin
    component = adapted(TwoToTwo(randn(X, 3, 3)))
    x, y = randn(X, 3, 4), randn(X, 3, 4)
    values, recorded = evaluate(component, (x, y), mode(TRAIN | TAPE))
    dvalues = map(v -> randn(X, size(v)), values)
    dinputs, (dweight,) = pullback(component, recorded, dvalues)
    @test dinputs[1] ≈ component.model.weight' * dvalues[1] .+ dvalues[2] .* y
    @test dinputs[2] ≈ dvalues[1] .+ dvalues[2] .* x
    @test dweight ≈ dvalues[1] * x'
    # Indices are what the diagram has, from 0: the model adds 1.
    component = adapted(Chain(i -> i .+ 1, f64(Flux.Embedding(4 => 2))))
    values, recorded = evaluate(component, ([0, 3, 3],), mode(TRAIN | TAPE))
    @test values[1] == component.model[2].weight[:, [1, 4, 4]]
    dinputs, (dweight,) = pullback(component, recorded, (ones(2, 3),))
    @test dinputs == (nothing,)
    @test dweight == [1 0 0 2; 1 0 0 2]
    component = adapted(x -> reshape(sum(x; dims = 1), :))
    values, recorded = evaluate(component, (x,), mode(TRAIN | TAPE))
    @test pullback(component, recorded, (ones(4),))[1][1] == ones(3, 4)
end

"Gives its field another array in train mode."
mutable struct Replacing
    seen::Vector{Float64}
end
Flux.@layer Replacing trainable = ()
(r::Replacing)(x) = (r.seen = r.seen .+ 1; x)

@testset "a field that is given another array" begin
    model = Replacing(zeros(2))
    array, component = model.seen, adapted(model)
    evaluate(component, (ones(2, 2),), mode(TRAIN))
    @test model.seen === array && array == [1, 1]
    model.seen = [5.0, 6.0]
    evaluate(component, (ones(2, 2),), mode(TRAIN))
    @test model.seen === array && array == [6, 7]
    model.seen = zeros(3)
    @test occursin("'seen'", refusal(() -> evaluate(component, (ones(2, 2),), mode(TRAIN))))
end

@testset "Optimisers.jl steps in place" begin
    model = f64(Chain(Dense(3 => 2)))
    component = adapted(model)
    weight = parameters(component)[1][2]
    before = copy(weight)
    state = Flux.setup(Optimisers.Descent(0.5), model)
    gradient = Flux.gradient(m -> sum(m(ones(3, 1))), model)[1]
    Flux.update!(state, model, gradient)
    @test weight ≈ before .- 0.5
    @test model[1].weight === weight
end

end

module RecurrentTests

isdefined(Main, :GradientCheck) || Base.include(Main, joinpath(@__DIR__, "gradient_check.jl"))

using DiagramBridge
using DiagramBridge: BridgeError, Heap, Layer, LayerMode, Memory, build, forward, parameter_shapes, pullback
using Main.GradientCheck: check
using Random
using Test

const X = MersenneTwister(7)

layer(operation, attributes...) = build(operation, 1, Dict{String,Any}(
    "biases" => 2, "reverse" => false, "lengths" => false, "initial" => false, attributes...,
    (operation == "rnn" ? ("nonlinearity" => "tanh",) : ())...))

"A layer whose last inputs, which have no gradients, are fixed; they come after the first."
struct Fixed{L<:Layer} <: Layer
    layer::L
    rest::Tuple
end

DiagramBridge.parameter_shapes(f::Fixed) = parameter_shapes(f.layer)
with_rest(f::Fixed, inputs::Tuple, rest = f.rest) = (inputs[1], rest..., inputs[2:end]...)
DiagramBridge.forward(f::Fixed, parameters::Tuple, inputs::Tuple, memory::Memory, mode) =
    forward(f.layer, parameters, with_rest(f, inputs), memory, mode)

function DiagramBridge.pullback(
    f::Fixed, parameters::Tuple, inputs::Tuple, values::Tuple, residual, dvalues::Tuple, needs_inputs::Tuple,
    needs_parameters::Tuple, memory::Memory,
)
    needs = with_rest(f, needs_inputs, map(_ -> false, f.rest))
    dinputs, dparameters =
        pullback(f.layer, parameters, with_rest(f, inputs), values, residual, dvalues, needs, needs_parameters, memory)
    @test dinputs[2:1+length(f.rest)] == map(_ -> nothing, f.rest)
    return (dinputs[1], dinputs[2+length(f.rest):end]...), dparameters
end

@testset "gradients of $operation" for operation in ("rnn", "gru", "lstm")
    count = operation == "lstm" ? 2 : 1
    for reverse in (false, true), (steps, batch) in ((4, 3), (3, 1))
        f = layer(operation, "in" => 2, "hidden" => 3, "reverse" => reverse, "lengths" => true, "initial" => true)
        states = ntuple(_ -> randn(X, 3, batch), count)
        check(Fixed(f, (rand(X, 0:steps, batch),)), (randn(X, 2, steps, batch), states...))
    end
    for (steps, batch) in ((1, 2), (9, 2), (0, 2), (2, 0)), biases in (0, 1)
        check(layer(operation, "in" => 2, "hidden" => 3, "biases" => biases), (randn(X, 2, steps, batch),))
    end
end

@testset "numbers beyond the end of a sequence" begin
    f = layer("lstm", "in" => 2, "hidden" => 3, "lengths" => true)
    parameters = map(shape -> randn(X, reverse(shape)), parameter_shapes(f))
    x, lengths = randn(X, 2, 4, 2), Int32[4, 2]
    run(x) = forward(f, parameters, (x, lengths), Heap(), LayerMode(true))
    values, residual = run(x)
    spoiled = copy(x)
    spoiled[:, 3:4, 2] .= NaN
    @test run(spoiled)[1] == values
    @test all(iszero, values[1][:, 3:4, 2])
    @test values[2][:, 2] == values[1][:, 2, 2]
    dinputs, dparameters = pullback(f, parameters, (spoiled, lengths), run(spoiled)..., values, (true, false),
                                    map(_ -> true, parameters), Heap())
    @test all(iszero, dinputs[1][:, 3:4, 2])
    @test all(gradient -> all(isfinite, gradient), dparameters)
    @test_throws BridgeError forward(f, parameters, (x, [5, 1]), Heap(), LayerMode(true))
    @test_throws BridgeError forward(f, parameters, (x, [1, -1]), Heap(), LayerMode(true))
    @test_throws BridgeError forward(f, parameters, (randn(X, 3, 4, 2), lengths), Heap(), LayerMode(true))
end

end

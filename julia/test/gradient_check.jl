# Gradients of layers against central differences.
module GradientCheck

using DiagramBridge: Heap, LayerMode, build, forward, parameter_shapes, pullback
using Random
using Test

const X = MersenneTwister(2)

layer(operation, attributes...) = build(operation, 1, Dict{String,Any}(attributes...))

"The derivative of Σ values · dvalues for each element of `array`, by central differences; `evaluate` reads `array`."
function differences(evaluate, array)
    gradient, step = similar(array), 1e-6
    for i in eachindex(array)
        x = array[i]
        array[i] = x + step
        above = evaluate()
        array[i] = x - step
        gradient[i] = (above - evaluate()) / 2step
        array[i] = x
    end
    return gradient
end

function check(layer, inputs::Tuple, buffers::Tuple = ())
    parameters = map(shape -> randn(X, reverse(shape)), parameter_shapes(layer))
    run() = forward(layer, (parameters..., buffers...), inputs, Heap(), LayerMode(true))
    values, residual = run()
    dvalues = map(value -> randn(X, size(value)), values)
    before = deepcopy((parameters, inputs, buffers, values, dvalues))
    pull(needs_inputs, needs_parameters) =
        pullback(layer, parameters, inputs, values, residual, dvalues, needs_inputs, needs_parameters, Heap())
    every = map(_ -> true, inputs), map(_ -> true, parameters)
    dinputs, dparameters = pull(every...)
    evaluate() = sum(map((v, d) -> sum(v .* d), run()[1], dvalues))
    for (array, gradient) in zip((inputs..., parameters...), (dinputs..., dparameters...))
        @test size(gradient) == size(array)
        @test isapprox(gradient, differences(evaluate, array); rtol = 1e-7, atol = 1e-7)
    end
    @test (parameters, inputs, buffers, values, dvalues) == before
    # A second backward gives the same, and each gradient alone is what it was among all.
    @test pull(every...) == (dinputs, dparameters)
    for k in 1:length(inputs)+length(parameters)
        needs = ntuple(==(k), length(inputs) + length(parameters))
        alone = pull(needs[1:length(inputs)], needs[length(inputs)+1:end])
        gradients = (alone[1]..., alone[2]...)
        @test gradients[k] == (dinputs..., dparameters...)[k]
        @test all(i -> i == k || gradients[i] === nothing, 1:length(gradients))
    end
    @test all(isnothing, pull(map(!, every[1]), map(!, every[2]))[1])
end

# Away from the kinks, where there is no derivative.
smooth(dims) = (x = 2 .* randn(X, dims); x .+ 0.01 .* sign.(x))

end

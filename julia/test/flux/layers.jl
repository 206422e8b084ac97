module FluxLayerTests

using DiagramBridge
using DiagramBridge: BridgeError, Heap, LayerMode, NativeEngine, Schema, forward, parameter_names, parameter_shapes,
    pullback, stages
using Random
using Test

const X = MersenneTwister(4)
const FLUX = DiagramBridge.ENGINES["flux"]

kind(value) = value isa Bool ? (Schema.ATTRIBUTE_KIND_BOOLEAN, (boolean = value,)) :
              value isa Int ? (Schema.ATTRIBUTE_KIND_INTEGER, (integers = [value],)) :
              value isa Float64 ? (Schema.ATTRIBUTE_KIND_REAL, (real = value,)) :
              value isa String ? (Schema.ATTRIBUTE_KIND_TEXT, (text = value,)) :
              (Schema.ATTRIBUTE_KIND_INTEGERS, (integers = value,))

attribute(name, value) = ((k, v) = kind(value); Schema.Attribute(; name = name, kind = k, v...))

layer(operation, attributes...) = Schema.Layer(operation = operation, version = 1,
                                               attributes = [attribute(first(a), last(a)) for a in attributes])

linear(inputs, outputs; bias = true) = layer("linear", "in" => inputs, "out" => outputs, "bias" => bias, "init" => "zeros")

"A chain of layers; the first has `inputs` inputs."
function chain(layers...; inputs = 1)
    nodes = [Schema.Node(name = string(k), layer = l, outputs = 1,
                         inputs = k == 1 ? collect(0:(inputs - 1)) : [inputs + k - 2])
             for (k, l) in enumerate(layers)]
    return Schema.LayerGraph(inputs = inputs, nodes = nodes, outputs = [inputs + length(layers) - 1])
end

"The value of a chain of stages and the gradients of Σ value · dvalue(size) for its inputs and parameters, asked for twice."
function run(made, inputs, parameters, dvalue)
    values, kept, next = Any[inputs...], [], 1
    for stage in made
        own = parameters[next:(next + length(parameter_names(stage.operation)) - 1)]
        next += length(own)
        arguments = Tuple(values[stage.inputs])
        (value,), residual = forward(stage.operation, Tuple(own), arguments, Heap(), LayerMode(true))
        push!(kept, (Tuple(own), arguments, value, residual))
        length(values) < stage.outputs[1] && append!(values, fill(nothing, stage.outputs[1] - length(values)))
        values[stage.outputs[1]] = value
    end
    function back()
        d, found = dvalue(size(values[end])), []
        for (stage, (own, arguments, value, residual)) in Iterators.reverse(zip(made, kept))
            needs = map(_ -> true, arguments), map(_ -> true, own)
            dinputs, dparameters = pullback(stage.operation, own, arguments, (value,), residual, (d,), needs..., Heap())
            pushfirst!(found, dparameters...)
            d = dinputs[1]
            stage === made[1] && pushfirst!(found, dinputs...)
        end
        return found
    end
    gradients = back()
    @test back() == gradients
    return values[end], gradients
end

const ACTIVATIONS = [
    layer("relu"), layer("sigmoid"), layer("tanh"), layer("leaky_relu", "slope" => 0.1),
    layer("leaky_relu", "slope" => -0.5),
    layer("elu", "alpha" => 0.7), layer("celu", "alpha" => 1.0), layer("celu", "alpha" => 0.5), layer("relu6"),
    layer("silu"),
    layer("hardsigmoid"), layer("mish"), layer("softplus"), layer("gelu", "approximate" => "none"),
    layer("gelu", "approximate" => "tanh"),
]
norm(shape, affine) = layer("layer_norm", "shape" => shape, "eps" => 1e-3, "affine" => affine)
softmax(axis) = layer("softmax", "axis" => axis)
log_softmax(axis) = layer("log_softmax", "axis" => axis)

# A graph and the sizes of its inputs, without the batch.
const CASES = [
    [(chain(a), [s]) for a in ACTIVATIONS for s in ((), (3,), (3, 2))]
    [(chain(linear(3, 4), a), [(3,)]) for a in ACTIVATIONS]
    [(chain(linear(3, 4; bias = bias), linear(4, 1)), [s]) for bias in (true, false) for s in ((3,), (3, 2), (3, 2, 2))]
    [(chain(linear(3, 1; bias = false), layer("relu")), [(3,)])]
    [(chain(f(axis)), [(3, 4, 2)]) for f in (softmax, log_softmax) for axis in (-1, -2, -3)]
    [(chain(norm([4], affine)), [(4, 3)]) for affine in (true, false)]
    [(chain(norm([3, 4], affine)), [(4, 3)]) for affine in (true, false)]
    [(chain(layer("add"); inputs = n), fill((3, 2), n)) for n in (2, 3)]
    [(chain(layer("multiply"), linear(3, 2); inputs = 2), [(3, 2), (3, 2)])]
    [(chain(layer("flatten"), linear(6, 4), layer("reshape", "shape" => [2, 2]), layer("identity")), [(3, 2)])]
]

@testset "the Flux engine and the native one, batch of $n, $T" for (n, T) in ((1, Float64), (7, Float64), (7, Float32))
    @testset "$([node.layer.operation for node in graph.nodes]) of $sizes" for (graph, sizes) in CASES
        native, flux = stages(NativeEngine(), graph), stages(FLUX, graph)
        parameters = [randn(X, T, reverse(shape)...) for s in native for shape in parameter_shapes(s.operation)]
        inputs = Tuple(2 .* randn(X, T, size..., n) for size in sizes)
        dvalue = size -> randn(MersenneTwister(7), T, size)
        expected, found = run(native, inputs, parameters, dvalue), run(flux, inputs, parameters, dvalue)
        tolerance = T == Float64 ? 1e-12 : 1e-4
        @test isapprox(found[1], expected[1]; rtol = tolerance, atol = tolerance)
        @test length(found[2]) == length(expected[2])
        for (gradient, of_native) in zip(found[2], expected[2])
            @test gradient isa Array{T}
            @test isapprox(gradient, of_native; rtol = tolerance, atol = tolerance)
        end
    end
end

end

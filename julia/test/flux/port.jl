module FluxPortTests

using DiagramBridge
using DiagramBridge: BridgeError
using Flux
using Test

bits(array::Array{Float64}) = reinterpret(UInt64, vec(array))
bits(array::Array{Float32}) = reinterpret(UInt32, vec(array))

double(x) = 2x

refused(f) = try
    f()
    nothing
catch e
    e isa BridgeError || rethrow()
    e
end

"Models with the size of a sample of their input."
const MODELS = [
    Chain(Dense(4 => 8, relu), Dense(8 => 3; bias = false), softmax) => (4,),
    f64(Chain(LSTM(3 => 4), GRU(4 => 5; bias = false), RNN(5 => 2, relu), Dense(2 => 2, tanh))) => (3, 6),
    f64(Chain(MultiHeadAttention(8; nheads = 2, bias = true), first, LayerNorm(8, tanh), GroupNorm(6, 2))) => (8, 6),
    f64(Chain(Embedding(5 => 4), SkipConnection(Dense(4 => 4, gelu), +), logsoftmax)) => (3,),
    f64(Chain(; conv = Conv((3, 2), 2 => 6, tanh; stride = (2, 1), pad = (1, 0), groups = 2),
              up = Upsample(:nearest; scale = 2), tr = ConvTranspose((2, 3), 6 => 4; stride = 2, pad = 1, outpad = (1, 0)),
              n = InstanceNorm(4, swish; affine = true, track_stats = true),
              par = Parallel(vcat, Chain(MeanPool((2, 2)), Flux.flatten, Dense(4 * 7 * 13 => 3)),
                             Chain(AdaptiveMaxPool((2, 2)), Flux.flatten)), d = Dropout(0.3))) => (7, 8, 2),
    Chain(Conv((3, 3), 1 => 4, relu; pad = SamePad()), BatchNorm(4, relu), Conv((4, 1), 4 => 4; pad = SamePad()),
          MaxPool((2, 2)), SkipConnection(CrossCor((3, 3), 4 => 4; pad = 1), Base.BroadcastFunction(*)), GlobalMeanPool(),
          Flux.flatten, Dense(4 => 2)) => (8, 8, 1),
    f64(Chain(CrossCor((3,), 2 => 3; pad = SamePad()), AdaptiveMeanPool((3,)), Flux.flatten, double)) => (7, 2),
    f64(Chain(Conv((1, 1), 2 => 3), Upsample(2, :bilinear))) => (3, 4, 2),
    f64(Chain(Dense(4 => 3), Flux.Scale(randn(3), randn(3), tanh), Flux.Scale(randn(3, 5), false))) => (4, 5),
]

@testset "models as portable layers and back" begin
    @testset "$model" for (model, size) in MODELS
        ported = from_flux(model, size; functions = (double => Layers.scale(2),)) # compares outputs
        again = from_flux(to_flux(ported), size)
        @test again.graph == ported.graph
        @test keys(again.weights) == keys(ported.weights)
        @test all(((path, array),) -> bits(again.weights[path]) == bits(array), collect(ported.weights))
        @test again.type == ported.type && again.outputs == ported.outputs
    end
end

@testset "what a model has twice is tied" begin
    d = f64(Dense(3 => 3, tanh))
    n = f64(BatchNorm(3))
    ported = from_flux(Chain(d, n, d, n), (3,))
    @test ported.graph.ties == ["2:linear.$name" => "0:linear.$name" for name in ("bias", "weight")] ∪
                               ["3.$name" => "1.$name" for name in ("bias", "running_mean", "running_var", "weight")]
    made = to_flux(ported)
    @test made.layers[1] === made.layers[4] && made.layers[3] === made.layers[6]
    @test from_flux(made, (3,)).graph == ported.graph
    g = Layers.GraphBuilder(1)
    h = g(Layers.linear(4, 7; bias = false), g(Layers.embedding(7, 4), 1))
    graph = Layers.graph(g, h; ties = ("1.weight" => "0.weight",))
    weights = Dict("0.weight" => [sin(i * j) for i in 1:4, j in 1:7])
    again = from_flux(to_flux(graph, weights), (5,))
    @test again.graph == graph && again.weights == weights
    turned = f64(Dense(3 => 3; bias = false))
    @test occursin("one way", refused(() -> from_flux(Chain(turned, Embedding(turned.weight)), (3,))).expected)
end

@testset "what no portable layer stands for is refused by name" begin
    d = Dense(2 => 2)
    for (model, size, element, found) in (
        (Chain(d, x -> 2x), (2,), r"^layer 'model\.layers\[2\]' \(#", r"a function"),
        (Chain(d, GRUv3(2 => 2)), (2, 3), r"^layer 'model\.layers\[2\]' \(GRUv3\)", r"before it"),
        (Chain(d, f64(d)), (2,), r"model\.layers\[2\]' \(Dense\)", r"Float64 and Float32"),
        (Chain(; a = d, b = Chain(d, Maxout(d, d))), (2,), r"'model\.layers\.b\.layers\[2\]' \(Maxout\)", r"Maxout"),
        (Chain(d, Flux.Bilinear(2 => 2)), (2,), r"\(Bilinear\)", r"Bilinear"),
        (Chain(d, Flux.Scale(2, 3)), (2,), r"\(Scale\)", r"^1$"),
        (SkipConnection(d, (a, b) -> a), (2,), r"\(SkipConnection\)", r"#"),
        (LSTM(2 => 2; return_state = true), (2, 3), r"^layer 'model' \(LSTM\)", r"return_state"),
        (Upsample(3 // 2), (4, 4, 1), r"\(Upsample\)", r"3//2"),
        (Conv((1, 1, 1), 2 => 2), (2, 2, 2, 2), r"\(Conv\)", r"3"),
        (MultiHeadAttention(4; nheads = 2, dropout_prob = 0.5), (4, 3), r"\(MultiHeadAttention\)", r"dropout"),
    )
        e = refused(() -> from_flux(model, size))
        @test e !== nothing && occursin(element, e.element) && occursin(found, e.found)
    end
    graph = Layers.chain(Layers.linear(2, 2))
    @test refused(() -> to_flux(graph, Dict("0.weight" => zeros(2, 2)))).element == "weight '0.bias'"
    more = Dict("0.weight" => zeros(2, 2), "0.bias" => zeros(2), "1.bias" => zeros(2))
    @test refused(() -> to_flux(graph, more)).element == "weight '1.bias'"
end

function two_components()
    d = Builder("two")
    image, logits = space!(d, "image", Float64; channel = 1, row = 6, column = 6), space!(d, "logits", Float64; k = 3)
    words = index!(d, "words"; classes = 7, time = 4)
    s = source!(d, "s"; image = image, words = words)
    g = Layers.GraphBuilder(1)
    h = g(Layers.batch_norm(4), g(Layers.conv2d(1, 4, 3; padding = 1), 1))
    h = g(Layers.max_pool2d(2), g(Layers.add(), g(Layers.relu(), h), g(Layers.conv2d(4, 4, 1; groups = 2), h)))
    see = Layers.graph(g, g(Layers.linear(36, 3), g(Layers.flatten(), h)))
    g = Layers.GraphBuilder(1)
    y, hidden, _ = g(Layers.lstm(5, 4), g(Layers.embedding(7, 5), 1))
    last, one = g(Layers.linear(4, 3), hidden), g(Layers.mean(-2), g(Layers.layer_norm(4), y))
    read = Layers.graph(g, g(Layers.add(), last, g(Layers.linear(4, 3), one)))
    a, b = arrow!(d, "see", image, logits, see), arrow!(d, "read", words, logits, read)
    agree!(d, a(s.image), b(s.words); by = mse())
    return compile(d; seed = 3)
end

@testset "a diagram trains as Flux models as it does as portable layers" begin
    o = two_components()
    images = [sin(i * j + n) for i in 1:6, j in 1:6, _ in 1:1, n in 1:8]
    data = (s = (image = images, words = [mod(t * n, 7) for t in 1:4, n in 1:8]),)
    flux = to(o, "flux")
    @test all(c -> c.body isa JuliaReference, flux.diagram.components)
    options = (optimizer = "sgd", lr = 0.05, epochs = 2, batch_size = 4, progress = false)
    expected, found = train!(o, data; options...), train!(flux, data; options...)
    @test found.total ≈ expected.total rtol = 1e-10
    back = to(flux, "portable")
    @test back.diagram == o.diagram
    for (mine, wanted) in zip((back.parameters..., back.buffers...), (o.parameters..., o.buffers...))
        @test (mine.component, mine.path) == (wanted.component, wanted.path)
        @test mine.array ≈ wanted.array rtol = 1e-9 atol = 1e-11
    end
    @test refused(() -> to(o, "jax")).element == "runtime"
end

end

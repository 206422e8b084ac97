# The Julia side of `python -m benchmarks.flux`: training steps written by hand in Flux, and the same ones as diagrams.
module FluxBenchmark

using DiagramBridge, Flux
using Flux: Chain, Dense, relu

const BATCH, CLASSES, RATE = 256, 10, 1e-3

head() = Chain(Dense(784 => 512, relu), Dense(512 => 512, relu), Dense(512 => CLASSES))

const IMAGES = rand(Float32, 784, BATCH)
const INDICES = rand(0:CLASSES-1, BATCH)
const ONE_HOT = Flux.onehotbatch(INDICES, 0:CLASSES-1)

"A step of Adam on a head, as Flux's manual has it."
function by_hand()
    model = head()
    state = Flux.setup(Adam(RATE), model)
    return function ()
        loss, gradients = Flux.withgradient(m -> Flux.logitcrossentropy(m(IMAGES), ONE_HOT), model)
        Flux.update!(state, model, gradients[1])
        return loss
    end
end

"The diagram of that training; its one component is `body`."
function training(body)
    d = Builder("training")
    image, logits = space!(d, "image", Float32; pixel = 784), space!(d, "logits", Float32; class = CLASSES)
    data = source!(d, "data"; image = image, label = index!(d, "label"; classes = CLASSES))
    f = arrow!(d, "head", image, logits, body)
    agree!(d, f(data.image), data.label; by = cross_entropy())
    return d
end

"A step of Adam on a compiled diagram."
function compiled(body)
    objective, optimizer = compile(training(body)), DiagramBridge.Optimizer("adam", lr = RATE)
    batch = (data = (image = IMAGES, label = INDICES),)
    return () -> DiagramBridge.step!(objective, optimizer, batch).total
end

function of_a_model()
    DiagramBridge.register("benchmark model", head())
    return compiled(JuliaReference("benchmark model"))
end

of_layers() = compiled(Layers.chain(Layers.linear(784, 512), Layers.relu(), Layers.linear(512, 512), Layers.relu(),
                                    Layers.linear(512, CLASSES)))

"A step of SGD on a head behind something else, whose gradient is wanted as well."
function head_by_hand()
    model = head()
    state = Flux.setup(Descent(RATE), model)
    return function ()
        loss, gradients = Flux.withgradient((m, x) -> Flux.logitcrossentropy(m(x), ONE_HOT), model, IMAGES)
        Flux.update!(state, model, gradients[1])
        return loss
    end
end

register_head() = DiagramBridge.register("benchmark head", head())

"What a model called by way of juliacall gets: Flux multiplies an `Array` by BLAS, any other array number by number."
converted(x::AbstractArray) = Array(x)

end

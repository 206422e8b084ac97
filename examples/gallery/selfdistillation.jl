# selfdistillation.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's networks, Julia trains it alone."
function diagram(convolution = TorchReference("encoder"), network = TorchReference("deep"))
    d = Builder("selfdistillation")
    image, features = space!(d, "image"; row = 8, column = 8), space!(d, "features"; channel = 8, row = 4, column = 4)
    logits = space!(d, "logits"; digit = 10)
    labelled = source!(d, "labelled"; image = image, label = index!(d, "label"; classes = 10))
    unlabelled = source!(d, "unlabelled"; image = image)
    encoder = arrow!(d, "encoder", image, features, convolution)
    deep = arrow!(d, "deep", features, logits, network)
    body = Layers.chain(Layers.mean_pool2d(2), Layers.flatten(), Layers.linear(32, 10))
    early = arrow!(d, "early", features, logits, body)
    for (name, leave) in ("deep" => deep, "early" => early)
        agree!(d, leave(encoder(labelled.image)), labelled.label; by = cross_entropy(), name = name)
        output!(d, name, leave(encoder(labelled.image)))
    end
    seen = encoder(unlabelled.image)
    agree!(d, early(seen), detach(deep(seen)); by = kl(), weight = 2, name = "teaching")
    return build(d)
end

function train(; epochs = 40)
    convolution = Layers.chain(Layers.reshape(1, 8, 8), Layers.conv2d(1, 8, 3; padding = 1), Layers.relu(),
                               Layers.max_pool2d(2))
    network = Layers.chain(Layers.flatten(), Layers.linear(128, 64), Layers.relu(), Layers.linear(64, 10))
    objective, many, test = compile(diagram(convolution, network)), glyphs(500), glyphs(200; seed = 1)
    data = (labelled = few(many, 10), unlabelled = (image = many.image,))
    history = train!(objective, data; epochs = epochs, batch_size = 64, lr = 3e-3, progress = false)
    batch = (labelled = (image = test.image,),)
    shares = [accuracy(evaluate(objective, name, batch), test.label) for name in ("early", "deep")]
    return report("selfdistillation", history, "held-out accuracy of the early exit $(shares[1]), of the deep $(shares[2])")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

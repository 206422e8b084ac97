# supervised.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's encoder, Julia trains it alone."
function diagram(network = TorchReference("encoder"))
    d = Builder("supervised")
    image, features = space!(d, "image"; row = 8, column = 8), space!(d, "features"; feature = 128)
    logits = space!(d, "logits"; digit = 10)
    digits = source!(d, "digits"; image = image, label = index!(d, "label"; classes = 10))
    encoder = arrow!(d, "encoder", image, features, network)
    head = arrow!(d, "head", features, logits, Layers.chain(Layers.linear(128, 64), Layers.relu(), Layers.linear(64, 10)))
    prediction = head(encoder(digits.image))
    agree!(d, prediction, digits.label; by = cross_entropy(), name = "labels")
    output!(d, "prediction", prediction)
    return build(d)
end

convolution() = Layers.chain(Layers.reshape(1, 8, 8), Layers.conv2d(1, 8, 3; padding = 1), Layers.relu(),
                             Layers.max_pool2d(2), Layers.flatten())

function train(; epochs = 15)
    objective, test = compile(diagram(convolution())), glyphs(200; seed = 1)
    history = train!(objective, (digits = glyphs(500),); epochs = epochs, lr = 3e-3, progress = false)
    share = accuracy(evaluate(objective, "prediction", (digits = (image = test.image,),)), test.label)
    return report("supervised", history, "held-out accuracy $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

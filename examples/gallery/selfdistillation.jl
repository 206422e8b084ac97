# selfdistillation.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's encoder, Julia trains it alone."
function diagram(network = TorchReference("encoder"))
    d = Builder("selfdistillation")
    image, features = space!(d, "image"; row = 8, column = 8), space!(d, "features"; feature = 64)
    logits = space!(d, "logits"; digit = 10)
    labelled = source!(d, "labelled"; image = image, half = image, label = index!(d, "label"; classes = 10))
    unlabelled = source!(d, "unlabelled"; image = image, half = image)
    encoder = arrow!(d, "encoder", image, features, network)
    head = arrow!(d, "head", features, logits, Layers.chain(Layers.linear(64, 64), Layers.relu(), Layers.linear(64, 10)))
    agree!(d, head(encoder(labelled.image)), labelled.label; by = cross_entropy(), name = "whole")
    agree!(d, head(encoder(labelled.half)), labelled.label; by = cross_entropy(), name = "half")
    teacher = detach(head(encoder(unlabelled.image)))
    agree!(d, head(encoder(unlabelled.half)), teacher; by = kl(), name = "teaching")
    output!(d, "prediction", head(encoder(labelled.half)))
    return build(d)
end

encoder() = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu())

"The images without their upper half, and without their lower."
function halves(image)
    upper, lower = copy(image), copy(image)
    upper[:, 1:4, :] .= 0
    lower[:, 5:8, :] .= 0
    return cat(upper, lower; dims = 3)
end

twice(samples) = (image = repeat(samples.image; outer = (1, 1, 2)), half = halves(samples.image),
                  label = repeat(samples.label, 2))

function train(; epochs = 20)
    objective, many, test = compile(diagram(encoder())), twice(glyphs(500)), twice(glyphs(200; seed = 1))
    data = (labelled = twice(few(many, 10)), unlabelled = (image = many.image, half = many.half))
    history = train!(objective, data; epochs = epochs, batch_size = 64, lr = 3e-3, progress = false)
    share = accuracy(evaluate(objective, "prediction", (labelled = (half = test.half,),)), test.label)
    return report("selfdistillation", history, "accuracy on halves of held-out images $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

# graph.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's encoder, Julia trains it alone."
function diagram(network = TorchReference("encoder"))
    d = Builder("graph")
    image, features = space!(d, "image"; row = 8, column = 8), space!(d, "features"; feature = 64)
    logits = space!(d, "logits"; digit = 10)
    labelled = source!(d, "labelled"; image = image, label = index!(d, "label"; classes = 10))
    edges = source!(d, "edges"; one = image, other = image)
    encoder = arrow!(d, "encoder", image, features, network)
    head = arrow!(d, "head", features, logits, Layers.linear(64, 10))
    agree!(d, head(encoder(labelled.image)), labelled.label; by = cross_entropy(), name = "labels")
    agree!(d, head(encoder(edges.one)), head(encoder(edges.other)); by = kl(), weight = 2, name = "neighbours")
    output!(d, "prediction", head(encoder(labelled.image)))
    return build(d)
end

encoder() = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu())

"Both ends of the edges from each image to its nearest others."
function neighbours(image, count)
    flat = reshape(image, :, size(image, 3))
    ends = [other for one in axes(flat, 2)
            for other in partialsortperm(vec(sum(abs2, flat .- flat[:, one]; dims = 1)), 2:(count + 1))]
    return (one = repeat(image; inner = (1, 1, count)), other = image[:, :, ends])
end

function train(; epochs = 10)
    objective, many, test = compile(diagram(encoder())), glyphs(500), glyphs(200; seed = 1)
    data = (labelled = few(many, 2), edges = neighbours(many.image, 5))
    history = train!(objective, data; epochs = epochs, batch_size = 128, lr = 3e-3, progress = false)
    share = accuracy(evaluate(objective, "prediction", (labelled = (image = test.image,),)), test.label)
    return report("graph", history, "held-out accuracy $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

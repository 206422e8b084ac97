# mutual.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

const PEERS = ("whole", "upper", "lower")

"The setup; with layers in the place of PyTorch's network, Julia trains it alone."
function diagram(network = TorchReference("whole"))
    d = Builder("mutual")
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; digit = 10)
    labelled = source!(d, "labelled"; image = image, label = index!(d, "label"; classes = 10))
    unlabelled = source!(d, "unlabelled"; image = image)
    part(rows) = Layers.chain(rows, Layers.flatten(), Layers.linear(32, 64), Layers.relu(), Layers.linear(64, 10))
    bodies = (network, part(Layers.slice(-2, 0, 4)), part(Layers.slice(-2, 4, 8)))
    peers = Dict(name => arrow!(d, name, image, logits, body) for (name, body) in zip(PEERS, bodies))
    for name in PEERS
        agree!(d, peers[name](labelled.image), labelled.label; by = cross_entropy(), name = name)
        output!(d, name, peers[name](labelled.image))
        for other in PEERS
            other == name && continue
            taught = detach(peers[other](unlabelled.image))
            agree!(d, peers[name](unlabelled.image), taught; by = kl(), weight = 0.5, name = "$name from $other")
        end
    end
    return build(d)
end

convolution() = Layers.chain(Layers.reshape(1, 8, 8), Layers.conv2d(1, 16, 3), Layers.relu(), Layers.max_pool2d(2),
                             Layers.flatten(), Layers.linear(144, 10))

function train(; epochs = 20)
    objective, many, test = compile(diagram(convolution())), glyphs(500), glyphs(200; seed = 1)
    data = (labelled = few(many, 5), unlabelled = (image = many.image,))
    history = train!(objective, data; epochs = epochs, batch_size = 64, lr = 3e-3, progress = false)
    shares = [accuracy(evaluate(objective, name, (labelled = (image = test.image,),)), test.label) for name in PEERS]
    return report("mutual", history, "held-out accuracies $(join(shares, ", "))")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

# contrastive.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's viewer, Julia trains it alone."
function diagram(network = TorchReference("viewer"))
    d = Builder("contrastive")
    image, shared = space!(d, "image"; row = 8, column = 8), space!(d, "shared"; number = 32)
    words = index!(d, "words"; classes = length(WORDS), time = LENGTH)
    pairs = source!(d, "pairs"; image = image, words = words)
    look = arrow!(d, "viewer", image, shared, network)
    body = Layers.chain(Layers.embedding(length(WORDS), 32), Layers.mean(-2), Layers.linear(32, 32))
    read = arrow!(d, "reader", words, shared, body)
    by = info_nce(temperature = 0.2, symmetric = true)
    agree!(d, look(pairs.image), read(pairs.words); by = by, name = "pairs")
    output!(d, "seen", look(pairs.image))
    output!(d, "read", read(pairs.words))
    return build(d)
end

viewer() = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu(), Layers.linear(64, 32))

function train(; epochs = 15)
    objective, samples, test = compile(diagram(viewer())), glyphs(500), glyphs(200; seed = 1)
    data = (pairs = (image = samples.image, words = captions(samples.label).words),)
    history = train!(objective, data; epochs = epochs, batch_size = 64, lr = 3e-3, progress = false)
    seen = evaluate(objective, "seen", (pairs = (image = test.image,),))
    read = evaluate(objective, "read", (pairs = (words = captions(0:9).words,),))
    share = accuracy((read ./ sqrt.(sum(abs2, read; dims = 1)))' * seen, test.label)
    return report("contrastive", history, "held-out images nearest to their caption $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

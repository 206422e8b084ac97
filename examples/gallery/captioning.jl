# captioning.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"(words before (T,), state (48,)) to logits of the next words (T, words)."
function decoder()
    g = Layers.GraphBuilder(2)
    before, state = g.inputs
    states, _ = g(Layers.gru(16, 48; initial = true), g(Layers.embedding(length(WORDS), 16), before), state)
    return Layers.graph(g, g(Layers.linear(48, length(WORDS)), states))
end

"The setup; with layers in the place of PyTorch's encoder, Julia trains it alone."
function diagram(network = TorchReference("encoder"))
    d = Builder("captioning")
    image, state = space!(d, "image"; row = 8, column = 8), space!(d, "state"; unit = 48)
    words = index!(d, "words"; classes = length(WORDS), time = LENGTH)
    logits = space!(d, "logits"; time = LENGTH, word = length(WORDS))
    spoken = space!(d, "spoken"; time = LENGTH)
    digits = source!(d, "digits"; image = image, before = words, words = words, spoken = spoken)
    encode = arrow!(d, "encoder", image, state, network)
    decode = arrow!(d, "decoder", (words, state), logits, decoder())
    said = decode(digits.before, encode(digits.image))
    agree!(d, said, digits.words; by = cross_entropy(axis = "word"), where = digits.spoken, name = "caption")
    output!(d, "said", said)
    return build(d)
end

encoder() = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu(), Layers.linear(64, 48))

"The likeliest next word, again and again: (LENGTH, N)."
function greedy(objective, image)
    words = zeros(Int, LENGTH, size(image, 3))
    for place in 1:LENGTH
        before = vcat(ones(Int, 1, size(image, 3)), words[1:(end - 1), :])
        said = evaluate(objective, "said", (digits = (image = image, before = before),))
        words[place, :] = [argmax(said[:, place, n]) - 1 for n in axes(said, 3)]
    end
    return words
end

function train(; epochs = 25)
    objective, samples, test = compile(diagram(encoder())), glyphs(500), glyphs(200; seed = 1)
    data = (digits = merge((image = samples.image,), captions(samples.label)),)
    history = train!(objective, data; epochs = epochs, lr = 3e-3, progress = false)
    said, truth = greedy(objective, test.image), captions(test.label)
    right = count(n -> all((said[:, n] .== truth.words[:, n]) .| (truth.spoken[:, n] .== 0)), eachindex(test.label))
    return report("captioning", history, "held-out images with every word right $(right / length(test.label))")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

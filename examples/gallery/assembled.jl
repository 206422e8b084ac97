# assembled.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

restorer() = Layers.chain(Layers.linear(32, 128), Layers.relu(), Layers.linear(128, 64), Layers.reshape(8, 8))

"The first of the two setups that are taken apart."
function restoring(encoder)
    d = Builder("restoring")
    image, code = space!(d, "image"; row = 8, column = 8), space!(d, "code"; number = 32)
    pairs = source!(d, "pairs"; damaged = image, image = image)
    encode, decode = arrow!(d, "encoder", image, code, encoder), arrow!(d, "decoder", code, image, restorer())
    restored = decode(encode(pairs.damaged))
    agree!(d, restored, pairs.image; by = mse(), name = "restoration")
    output!(d, "restored", restored)
    return build(d)
end

"The second."
function classifying(classifier)
    d = Builder("classifying")
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; digit = 10)
    digits = source!(d, "digits"; image = image, label = index!(d, "label"; classes = 10))
    prediction = arrow!(d, "classifier", image, logits, classifier)(digits.image)
    agree!(d, prediction, digits.label; by = cross_entropy(), name = "labels")
    return build(d)
end

"The third setup: some restorer and some classifier, in whose places the models come."
function diagram(encoder = TorchReference("encoder"), classifier = TorchReference("classifier"))
    d = Builder("assembled")
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; digit = 10)
    pairs = source!(d, "pairs"; damaged = image, image = image)
    restore = arrow!(d, "restore", image, image, TorchReference("restore"))
    classify = arrow!(d, "classify", image, logits, TorchReference("classify"))
    agree!(d, classify(restore(pairs.damaged)), classify(pairs.image); by = kl(), name = "same answer")
    output!(d, "prediction", classify(restore(pairs.damaged)))
    output!(d, "unrestored", classify(pairs.damaged))
    restorer = restrict(restoring(encoder); outputs = "restored", name = "restorer")
    (known,) = classifying(classifier).components
    return freeze(substitute(substitute(build(d), "restore", restorer), "classify", known), "classifier")
end

"Images with half of their pixels replaced by noise."
function damaged(image; seed = 0)
    draws = MersenneTwister(seed)
    kept = rand(draws, size(image)...) .< 0.5
    return ifelse.(kept, image, rand(draws, Float32, size(image)...))
end

function train(; epochs = 15)
    encoder = Layers.chain(Layers.flatten(), Layers.linear(64, 128), Layers.relu(), Layers.linear(128, 32))
    classifier = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu(), Layers.linear(64, 10))
    first, second = compile(restoring(encoder)), compile(classifying(classifier))
    samples, test = glyphs(500), glyphs(200; seed = 1)
    pairs = (pairs = (damaged = damaged(samples.image), image = samples.image),)
    train!(first, pairs; epochs = epochs, lr = 3e-3, progress = false)
    train!(second, (digits = samples,); epochs = 8, lr = 3e-3, progress = false)
    third = carry!(carry!(compile(diagram(encoder, classifier)), first), second)
    history = train!(third, pairs; epochs = epochs, lr = 1e-3, progress = false)
    batch = (pairs = (damaged = damaged(test.image; seed = 1),),)
    shares = [accuracy(evaluate(third, name, batch), test.label) for name in ("prediction", "unrestored")]
    return report("assembled", history, "accuracy on damaged images $(shares[1]), without restoring $(shares[2])")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

# multitask.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

const CLASSES = ("digit" => 10, "parity" => 2, "below" => 2)

"One task: image → features → logits ~ label."
function task(name, classes, network)
    d = Builder(name)
    image, features = space!(d, "image"; row = 8, column = 8), space!(d, "features"; feature = 32)
    logits = space!(d, "$(name)_logits"; choice = classes)
    samples = source!(d, name; image = image, label = index!(d, "$(name)_label"; classes = classes))
    shared = arrow!(d, "backbone", image, features, network)
    head = arrow!(d, "$(name)_head", features, logits, Layers.linear(32, classes))
    prediction = head(shared(samples.image))
    agree!(d, prediction, samples.label; by = cross_entropy(), name = name)
    output!(d, "$(name)_prediction", prediction)
    return build(d)
end

"The tasks, glued along the backbone; with layers in the place of PyTorch's, Julia trains them alone."
function diagram(network = TorchReference("backbone"))
    tasks = [task(name, classes, network) for (name, classes) in CLASSES]
    return reduce((both, other) -> glue(both, other, (arrows = "backbone",); name = "multitask"), tasks)
end

backbone() = Layers.chain(Layers.flatten(), Layers.linear(64, 64), Layers.relu(), Layers.linear(64, 32), Layers.relu())

function train(; epochs = 12)
    objective, many, test = compile(diagram(backbone())), glyphs(500), glyphs(200; seed = 1)
    data = (digit = few(many, 3), parity = (image = many.image, label = mod.(many.label, 2)),
            below = (image = many.image, label = Int.(many.label .< 5)))
    history = train!(objective, data; epochs = epochs, lr = 3e-3, progress = false)
    share = accuracy(evaluate(objective, "digit_prediction", (digit = (image = test.image,),)), test.label)
    return report("multitask", history, "held-out accuracy of the digits' task $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

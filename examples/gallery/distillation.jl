# distillation.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's teacher, Julia trains it alone."
function diagram(network = TorchReference("teacher"))
    d = Builder("distillation")
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; digit = 10)
    labelled = source!(d, "labelled"; image = image, label = index!(d, "label"; classes = 10))
    unlabelled = source!(d, "unlabelled"; image = image)
    body = Layers.chain(Layers.flatten(), Layers.linear(64, 16), Layers.relu(), Layers.linear(16, 10))
    student = arrow!(d, "student", image, logits, body)
    teacher = arrow!(d, "teacher", image, logits, network; frozen = true)
    agree!(d, student(labelled.image), labelled.label; by = cross_entropy(), name = "labels")
    agree!(d, student(unlabelled.image), teacher(unlabelled.image); by = kl(temperature = 2), name = "teaching")
    output!(d, "prediction", student(labelled.image))
    return build(d)
end

"The teacher's own training."
function lesson(network)
    d = Builder("lesson")
    image, logits = space!(d, "image"; row = 8, column = 8), space!(d, "logits"; digit = 10)
    digits = source!(d, "digits"; image = image, label = index!(d, "label"; classes = 10))
    agree!(d, arrow!(d, "teacher", image, logits, network)(digits.image), digits.label; by = cross_entropy())
    return build(d)
end

function train(; epochs = 30)
    network = Layers.chain(Layers.flatten(), Layers.linear(64, 128), Layers.relu(), Layers.linear(128, 10))
    sound, test = glyphs(500), glyphs(200; seed = 1)
    taught = compile(lesson(network))
    train!(taught, (digits = sound,); epochs = 8, progress = false)
    objective = carry!(compile(diagram(network)), taught)
    data = (labelled = few(sound, 2), unlabelled = (image = sound.image,))
    history = train!(objective, data; epochs = epochs, lr = 3e-3, progress = false)
    share = accuracy(evaluate(objective, "prediction", (labelled = (image = test.image,),)), test.label)
    return report("distillation", history, "the student's held-out accuracy $share")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

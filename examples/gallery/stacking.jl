# stacking.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

const FOLDS = 3

"(logits of each fold's copy, how much each counts (FOLDS, 1)) to logits."
function chosen()
    g = Layers.GraphBuilder(FOLDS + 1)
    rows = [g(Layers.reshape(1, 10), one) for one in g.inputs[1:FOLDS]]
    counted = g(Layers.multiply(), g(Layers.concat(-2), rows...), g.inputs[end])
    return Layers.graph(g, g(Layers.sum(-2), counted))
end

"(upper's logits, lower's logits) to logits."
function judged()
    g = Layers.GraphBuilder(2)
    return Layers.graph(g, g(Layers.linear(20, 10), g(Layers.concat(), g.inputs...)))
end

"The setup; with layers in the place of PyTorch's networks, Julia trains it alone."
function diagram(network = TorchReference)
    d = Builder("stacking")
    image, half = space!(d, "image"; row = 8, column = 8), space!(d, "half"; row = 4, column = 8)
    logits, weight = space!(d, "logits"; digit = 10), space!(d, "weight"; fold = FOLDS, one = 1)
    inside = space!(d, "inside")
    columns = ["inside_$fold" => inside for fold in 0:(FOLDS - 1)]
    digits = source!(d, "digits", ["image" => image, "outside" => weight, columns...];
                     label = index!(d, "label"; classes = 10))
    halves = Dict(name => arrow!(d, name, image, half, Layers.slice(-2, start, start + 4))
                  for (name, start) in ("top" => 0, "bottom" => 4))
    choose, said = component!(d, "choose", chosen()), Dict{String,Any}()
    for (name, part) in ("upper" => "top", "lower" => "bottom")
        copies = map(0:(FOLDS - 1)) do fold
            called = "$(name)_$fold"
            one = arrow!(d, called, half, logits, name == "upper" ? network(called) : perceptron())
            spoken = one(halves[part](digits.image))
            agree!(d, spoken, digits.label; by = cross_entropy(), where = digits["inside_$fold"], name = called)
            spoken
        end
        out_of_fold = arrow!(d, "$(name)_outside", (fill(logits, FOLDS)..., weight), logits, choose)
        said[name] = out_of_fold(detach.(copies)..., digits.outside)
    end
    judge = arrow!(d, "judge", (logits, logits), logits, judged())
    said["judge"] = judge(said["upper"], said["lower"])
    agree!(d, said["judge"], digits.label; by = cross_entropy(), name = "judge")
    foreach(name -> output!(d, name, said[name]), ("upper", "lower", "judge"))
    return build(d)
end

perceptron() = Layers.chain(Layers.flatten(), Layers.linear(32, 32), Layers.relu(), Layers.linear(32, 10))

function train(; epochs = 60)
    objective, samples, test = compile(diagram(name -> perceptron())), glyphs(400), glyphs(200; seed = 1)
    folds = mod.(reverse(0:399) .÷ 10, FOLDS)
    inside = (; (Symbol("inside_$fold") => Float32.(folds .!= fold) for fold in 0:(FOLDS - 1))...)
    outside = reshape(one_hot(folds, FOLDS), 1, FOLDS, :)
    data = (digits = merge(samples, inside, (outside = outside,)),)
    history = train!(objective, data; epochs = epochs, batch_size = 64, lr = 3e-3, progress = false)
    batch = (digits = (image = test.image, outside = fill(1.0f0 / FOLDS, 1, FOLDS, 200)),)
    return report("stacking", history, "held-out accuracy $(accuracy(evaluate(objective, "judge", batch), test.label))")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

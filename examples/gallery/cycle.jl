# cycle.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

"The setup; with layers in the place of PyTorch's enlarger, Julia trains it alone."
function diagram(network = TorchReference("enlarge"))
    d = Builder("cycle")
    image, small = space!(d, "image"; row = 8, column = 8), space!(d, "small"; row = 4, column = 4)
    pairs = source!(d, "pairs"; image = image, small = small)
    sharp, blurred = source!(d, "sharp"; image = image), source!(d, "blurred"; small = small)
    body = Layers.chain(Layers.flatten(), Layers.linear(64, 16), Layers.reshape(4, 4))
    shrink = arrow!(d, "shrink", image, small, body)
    enlarge = arrow!(d, "enlarge", small, image, network)
    agree!(d, shrink(pairs.image), pairs.small; by = mse(), name = "shrink")
    agree!(d, enlarge(pairs.small), pairs.image; by = mse(), name = "enlarge")
    agree!(d, enlarge(shrink(sharp.image)), sharp.image; by = mse(), name = "there and back")
    agree!(d, shrink(enlarge(blurred.small)), blurred.small; by = mse(), name = "back and there")
    output!(d, "enlarged", enlarge(pairs.small))
    return build(d)
end

enlarger() = Layers.chain(Layers.flatten(), Layers.linear(16, 128), Layers.relu(), Layers.linear(128, 64),
                          Layers.reshape(8, 8))

"The means of two by two pixels."
shrunk(image) = (image[1:2:end, 1:2:end, :] .+ image[2:2:end, 1:2:end, :] .+ image[1:2:end, 2:2:end, :] .+
                 image[2:2:end, 2:2:end, :]) ./ 4

function train(; epochs = 40)
    objective, many, test = compile(diagram(enlarger())), glyphs(500), glyphs(200; seed = 1).image
    some = few(many, 2).image
    data = (pairs = (image = some, small = shrunk(some)), sharp = (image = many.image[:, :, 1:250],),
            blurred = (small = shrunk(many.image[:, :, 251:500]),))
    history = train!(objective, data; epochs = epochs, lr = 3e-3, progress = false)
    errors = abs2.(evaluate(objective, "enlarged", (pairs = (small = shrunk(test),),)) .- test)
    return report("cycle", history, "held-out squared error per pixel $(sum(errors) / length(errors))")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

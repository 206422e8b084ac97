# autoencoder.py in Julia: the same diagram, trained without Python on printed digits.

using DiagramBridge
include("samples.jl")

const CODE = 4

"The setup; with layers in the place of PyTorch's encoder, Julia trains it alone."
function diagram(network = TorchReference("encoder"))
    d = Builder("autoencoder")
    image, code = space!(d, "image"; row = 8, column = 8), space!(d, "code"; number = CODE)
    digits = source!(d, "digits"; image = image)
    encode = arrow!(d, "encoder", image, code, network)
    body = Layers.chain(Layers.linear(CODE, 128), Layers.relu(), Layers.linear(128, 64), Layers.reshape(8, 8))
    decode = arrow!(d, "decoder", code, image, body)
    again = decode(encode(digits.image))
    agree!(d, again, digits.image; by = mse(), name = "reconstruction")
    output!(d, "again", again)
    return build(d)
end

encoder() = Layers.chain(Layers.flatten(), Layers.linear(64, 128), Layers.relu(), Layers.linear(128, CODE))

function train(; epochs = 20)
    objective, test = compile(diagram(encoder())), glyphs(200; seed = 1).image
    history = train!(objective, (digits = (image = glyphs(500).image,),); epochs = epochs, lr = 3e-3, progress = false)
    errors = abs2.(evaluate(objective, "again", (digits = (image = test,),)) .- test)
    return report("autoencoder", history, "held-out squared error per pixel $(sum(errors) / length(errors))")
end

abspath(PROGRAM_FILE) == @__FILE__() && println(train())

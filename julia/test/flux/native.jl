module NativeAndFluxTests

using DiagramBridge
using DiagramBridge: Heap, LayerMode, forward, input_kinds, parameter_shapes, pullback
using Random
using Test

const X = MersenneTwister(9)
const in_flux = Base.get_extension(DiagramBridge, :DiagramBridgeFluxExt).in_flux

native(layer) = DiagramBridge.native(layer)

"An input by its size, of which the last is the batch: floats, or else a mask, or lengths of sequences of so many steps."
floats(size...) = T -> T.(rand(X, size...) .+ 0.2)
mask(size...) = _ -> (m = rand(X, Bool, size...); selectdim(m, 2, 1) .= false; m)
lengths(steps, batch) = _ -> rand(X, 0:steps, batch)

recurrent(make; options...) = [
    (make(3, 4; biases = biases, reverse = reverse, lengths = has_lengths, initial = initial, options...),
     [floats(3, steps, batch), (has_lengths ? [lengths(steps, batch)] : [])...,
      (initial ? fill(floats(4, batch), make === Layers.lstm ? 2 : 1) : [])...])
    for (biases, reverse, has_lengths, initial, steps, batch) in
        ((1, true, true, true, 4, 2), (2, false, false, true, 0, 2))
]

const CASES = [
    recurrent(Layers.lstm); recurrent(Layers.gru); recurrent(Layers.rnn); recurrent(Layers.rnn; nonlinearity = "relu")
    [(Layers.attention(causal = causal, scale = scale),
      [floats(2, 3, f..., 2), floats(2, 4, f..., 2), floats(5, 4, f..., 2)])
     for causal in (true, false) for scale in (0, 0.3) for f in ((), (2,))]
    [(Layers.attention(causal = true, mask = "boolean"),
      [floats(2, 3, 2, 2), floats(2, 4, 2, 2), floats(5, 4, 2, 2), mask(4, 3, f..., 2)]) for f in ((), (2,))]
    [(Layers.multi_head_attention(4, 2; key_width = 3, value_width = 5, bias = bias, causal = causal, key_mask = a,
                                  mask = b),
      [floats(4, 3, 2), floats(3, 6, 2), floats(5, 6, 2), (a ? [mask(6, 2)] : [])..., (b ? [mask(6, 3, 2)] : [])...])
     for (bias, causal, a, b) in ((true, false, true, true), (false, true, false, true), (true, true, false, false))]
    [(make(), [floats(2, 3, 2), floats(s..., 2)])
     for make in (Layers.add, Layers.subtract, Layers.multiply, Layers.divide) for s in ((2, 3), (1, 3))]
    [(l, [floats(2, 3, 2)]) for l in (Layers.scale(0.5, 2), Layers.exp(), Layers.log(), Layers.sqrt(), Layers.abs())]
    [(Layers.power(p), [floats(2, 3, 2)]) for p in (2, 1.5, -1)]
    [(Layers.matmul(), [floats(2, 3, f..., 4), floats(5, 2, f..., 4)]) for f in ((), (2,))]
    [(Layers.concat(-2), [floats(2, 3, 2), floats(2, 1, 2), floats(2, 2, 2)])]
    [(Layers.split(sizes...; axis = -1), [floats(3, 2, 2)]) for sizes in ((1, 2), (3,))]
    [(Layers.permute(2, 0, 1), [floats(2, 3, 4, 2)]), (Layers.slice(-2, 1, 5, 2), [floats(2, 5, 2)])]
    [(make(axes...; keep = keep), [floats(2, 3, 4, 2)])
     for make in (Layers.mean, Layers.sum) for axes in ((-1,), (-1, -3)) for keep in (true, false)]
]

"Values and gradients, asked for twice."
function run(layer, parameters, inputs, needs)
    values, residual = forward(layer, parameters, inputs, Heap(), LayerMode(true))
    dvalues = map(value -> randn(MersenneTwister(7), eltype(value), size(value)), values)
    back() = pullback(layer, parameters, inputs, values, residual, dvalues, needs, map(_ -> true, parameters), Heap())
    gradients = back()
    @test isequal(back(), gradients)
    return (values..., gradients[1]..., gradients[2]...)
end

# Zygote compiles for seconds for each case; tests/test_layer_parity.py has more, and single precision.
@testset "$layer" for (layer, makers) in CASES
    T = Float64
    inputs = Tuple(make(T) for make in makers)
    needs = map(x -> eltype(x) <: AbstractFloat, inputs)
    parameters = map(shape -> randn(X, T, reverse(shape)...), parameter_shapes(native(layer)))
    expected = run(native(layer), parameters, inputs, needs)
    found = run(in_flux(native(layer)), parameters, inputs, needs)
    @test length(found) == length(expected)
    for (flux, own) in zip(found, expected)
        own === nothing && continue
        if flux === nothing # Zygote's word for zeros
            @test iszero(own)
        else
            @test flux isa Array{T}
            @test size(flux) == size(own)
            @test isapprox(flux, own; rtol = 1e-11, atol = 1e-11)
        end
    end
end

end

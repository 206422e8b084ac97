# Portable layers as functions of Flux's and NNlib's. What only gives the same memory another shape is left as it is.

"A portable layer as a function of its inputs and parameters, differentiated by Zygote."
struct FluxLayer{L<:Layer,F} <: Layer
    layer::L
    call::F
end

DiagramBridge.parameter_names(f::FluxLayer) = DiagramBridge.parameter_names(f.layer)
DiagramBridge.parameter_shapes(f::FluxLayer) = DiagramBridge.parameter_shapes(f.layer)
DiagramBridge.fills(::FluxLayer) = false
DiagramBridge.owns_gradients(::FluxLayer) = false

function DiagramBridge.forward(f::FluxLayer, parameters::Tuple, inputs::Tuple, ::Memory, ::Bool)
    check_inputs(f.layer, parameters, inputs)
    value, back = Zygote.pullback(f.call, inputs..., parameters...)
    return (value,), back
end

function DiagramBridge.pullback(
    ::FluxLayer, parameters::Tuple, inputs::Tuple, ::Tuple, back, dvalues::Tuple, needs_inputs::Tuple,
    needs_parameters::Tuple, ::Memory,
)
    gradients = back(dvalues[1])
    wanted = map((needed, d) -> needed ? as_array(d) : nothing, (needs_inputs..., needs_parameters...), gradients)
    return wanted[1:length(inputs)], wanted[(length(inputs) + 1):end]
end

as_array(::Nothing) = nothing
as_array(d::Array) = d
as_array(d::AbstractArray) = DiagramBridge.counted_copy(d)

check_inputs(::Layer, ::Tuple, ::Tuple) = nothing
check_inputs(layer::Union{Softmax,LogSoftmax}, ::Tuple, inputs::Tuple) = DiagramBridge.softmax_sizes(layer, inputs[1])
check_inputs(layer::LayerNorm, parameters::Tuple, inputs::Tuple) = DiagramBridge.column_sizes(layer, parameters, inputs[1])
check_inputs(layer::DiagramBridge.Arithmetic, ::Tuple, inputs::Tuple) = DiagramBridge.common_size(layer, inputs)

# What Zygote's closures look at; DiagramBridge's own `reads` where they differ from its layers.
DiagramBridge.reads(f::FluxLayer) = DiagramBridge.reads(f.layer)
DiagramBridge.reads(::FluxLayer{<:Activation}) = (inputs = true, values = true, parameters = ())
DiagramBridge.reads(::FluxLayer{<:Union{DiagramBridge.Relu,DiagramBridge.Sigmoid,DiagramBridge.Tanh}}) =
    (inputs = false, values = true, parameters = ())

"""
    in_flux(layer) -> Layer

A portable layer as Flux has it.
"""
in_flux(layer::Layer) = layer
in_flux(layer::Linear) = FluxLinear(layer, identity)
in_flux(layer::Activation) = FluxLayer(layer, elementwise(layer))
in_flux(layer::Add) = FluxLayer(layer, (xs...) -> broadcast(+, xs...))
in_flux(layer::Multiply) = FluxLayer(layer, (x, y) -> x .* y)
in_flux(layer::Softmax) = (dims = layer.place; FluxLayer(layer, x -> NNlib.softmax(x; dims)))
in_flux(layer::LogSoftmax) = (dims = layer.place; FluxLayer(layer, x -> NNlib.logsoftmax(x; dims)))

function in_flux(layer::LayerNorm)
    dims, eps = ntuple(identity, length(layer.shape)), SQUARED_EPS ? sqrt(layer.eps) : layer.eps
    layer.affine || return FluxLayer(layer, x -> Flux.normalise(x; dims, eps))
    return FluxLayer(layer, (x, weight, bias) -> weight .* Flux.normalise(x; dims, eps) .+ bias)
end

# Up to 0.16.10 Flux adds eps² to the variance, later eps itself.
const SQUARED_EPS = only(Flux.normalise([-1.0, 1.0]; dims = 1, eps = 2.0)[2:2]) ≈ 1 / sqrt(1 + 4)

"NNlib's function for an activation where its value and its derivative are torch's, else the portable layer's own formulas."
elementwise(layer::Activation) = x -> by_formula(layer, x)
elementwise(::DiagramBridge.Relu) = x -> NNlib.relu.(x)
elementwise(::DiagramBridge.Relu6) = x -> NNlib.relu6.(x)
elementwise(::DiagramBridge.Sigmoid) = x -> NNlib.sigmoid_fast.(x)
elementwise(::DiagramBridge.Tanh) = x -> NNlib.tanh_fast.(x)
elementwise(::DiagramBridge.Silu) = x -> NNlib.swish.(x)
elementwise(::DiagramBridge.Mish) = x -> NNlib.mish.(x)
elementwise(::DiagramBridge.Gelu) = x -> NNlib.gelu_erf.(x)
elementwise(::DiagramBridge.TanhGelu) = x -> NNlib.gelu_tanh.(x)

# NNlib's leakyrelu takes the sign from the output, which a negative slope turns; its elu and celu have another derivative
# at 0; its softplus is not linear above 20; and torch's hardsigmoid and celu divide by a constant that was rounded to
# Float32.
by_formula(layer::Activation, x::Array) = DiagramBridge.value.(Ref(layer), x)

Zygote.@adjoint function by_formula(layer::Activation, x::Array)
    y = by_formula(layer, x)
    return y, dy -> (nothing, DiagramBridge.gradient.(Ref(layer), x, y, dy))
end

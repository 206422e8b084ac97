# Activations and softmax by NNlib.

in_flux(layer::Activation) = FluxLayer(layer, elementwise(layer))
in_flux(layer::Softmax) = (dims = layer.place; FluxLayer(layer, x -> NNlib.softmax(x; dims)))
in_flux(layer::LogSoftmax) = (dims = layer.place; FluxLayer(layer, x -> NNlib.logsoftmax(x; dims)))

check_inputs(layer::Union{Softmax,LogSoftmax}, ::Tuple, inputs::Tuple) = DiagramBridge.softmax_sizes(layer, inputs[1])

DiagramBridge.reads(::FluxLayer{<:Activation}) = (inputs = true, values = true, parameters = ())
DiagramBridge.reads(::FluxLayer{<:Union{DiagramBridge.Relu,DiagramBridge.Sigmoid,DiagramBridge.Tanh}}) =
    (inputs = false, values = true, parameters = ())

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

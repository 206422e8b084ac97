# Arithmetic of values, by broadcasting.

in_flux(layer::Add) = FluxLayer(layer, (xs...) -> broadcast(+, xs...))
in_flux(layer::DiagramBridge.Subtract) = FluxLayer(layer, (x, y) -> x .- y)
in_flux(layer::Multiply) = FluxLayer(layer, (x, y) -> x .* y)
in_flux(layer::DiagramBridge.Divide) = FluxLayer(layer, (x, y) -> x ./ y)

function in_flux(layer::DiagramBridge.MatMul)
    function call(a, b)
        product = NNlib.batched_mul(reshape(b, size(b, 1), size(b, 2), :), reshape(a, size(a, 1), size(a, 2), :))
        return reshape(product, size(b, 1), Base.tail(size(a))...)
    end
    return FluxLayer(layer, call)
end

elementwise(layer::DiagramBridge.Scale) = x -> eltype(x)(layer.factor) .* x .+ eltype(x)(layer.shift)
elementwise(::DiagramBridge.Exp) = x -> exp.(x)
elementwise(::DiagramBridge.Abs) = x -> abs.(x)

check_inputs(layer::DiagramBridge.MatMul, ::Tuple, inputs::Tuple) = DiagramBridge.product_sizes(inputs...)
check_inputs(layer::DiagramBridge.Arithmetic, ::Tuple, inputs::Tuple) = DiagramBridge.common_size(layer, inputs)

# Arithmetic of values, by broadcasting.

in_flux(layer::Add) = FluxLayer(layer, (xs...) -> broadcast(+, xs...))
in_flux(layer::DiagramBridge.Subtract) = FluxLayer(layer, (x, y) -> x .- y)
in_flux(layer::Multiply) = FluxLayer(layer, (x, y) -> x .* y)
in_flux(layer::DiagramBridge.Divide) = FluxLayer(layer, (x, y) -> x ./ y)

check_inputs(layer::DiagramBridge.Arithmetic, ::Tuple, inputs::Tuple) = DiagramBridge.common_size(layer, inputs)

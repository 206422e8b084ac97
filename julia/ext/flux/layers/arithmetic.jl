# Arithmetic of values, by broadcasting.

in_flux(layer::Add) = FluxLayer(layer, (xs...) -> broadcast(+, xs...))
in_flux(layer::Multiply) = FluxLayer(layer, (x, y) -> x .* y)

check_inputs(::Add, ::Tuple, inputs::Tuple) = DiagramBridge.check_equal_sizes("add", inputs)
check_inputs(::Multiply, ::Tuple, inputs::Tuple) = DiagramBridge.check_equal_sizes("multiply", inputs)

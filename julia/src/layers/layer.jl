"""
One operation of the portable layer set, with its attributes: what `operation`, `version` and attributes of a
`Schema.Layer` mean. Parameterless operations without attributes are empty structs.

Every layer has methods of `forward` and `pullback`. Arrays have their axes reversed and the batch last, so that torch's
`(N, a, b)` is `(b, a, N)` here, and a torch weight `(out, in)` is `(in, out)`. Element types are Float32 or Float64.
"""
abstract type Layer end

"""
    forward(layer, parameters::Tuple, inputs::Tuple, memory::Memory, train::Bool) -> (values::Tuple, residual)

The values of `layer`, each an array of `memory` or an alias of an input, and what `pullback` needs besides.
"""
function forward end

"""
    pullback(layer, parameters, inputs, values, residual, dvalues, needs_inputs, needs_parameters, memory)
        -> (dinputs::Tuple, dparameters::Tuple)

The gradients of a scalar for the inputs and parameters of `layer`, given those for its values (`dvalues`); `nothing`
for those that are not needed. Each is an array of `memory`, or an alias of a `dvalue`. Nothing that is passed is
changed.
"""
function pullback end

"""
    parameter_names(layer) -> Tuple{Vararg{String}}

The last parts of the layer's parameter paths, in order.
"""
parameter_names(::Layer) = ()

"""
    parameter_shapes(layer) -> Tuple{Vararg{Dims}}

The row-major shapes of the layer's parameters, in the order of `parameter_names`. Julia's arrays have them reversed.
"""
parameter_shapes(::Layer) = ()

# Portable layers as functions of Flux's and NNlib's. What only gives the same memory another shape is left as it is.

"A portable layer, in the field `layer`, whose forward gives Zygote's way back as the residual."
abstract type ByZygote <: Layer end

DiagramBridge.parameter_names(f::ByZygote) = DiagramBridge.parameter_names(f.layer)
DiagramBridge.parameter_shapes(f::ByZygote) = DiagramBridge.parameter_shapes(f.layer)
DiagramBridge.buffer_names(f::ByZygote) = DiagramBridge.buffer_names(f.layer)
DiagramBridge.buffer_shapes(f::ByZygote) = DiagramBridge.buffer_shapes(f.layer)
DiagramBridge.fills(::ByZygote) = false
DiagramBridge.owns_gradients(::ByZygote) = false

"""
A portable layer as a function of its inputs and parameters, differentiated by Zygote. One that makes several values gives
them as a tuple.
"""
struct FluxLayer{L<:Layer,F} <: ByZygote
    layer::L
    call::F
end


function DiagramBridge.forward(f::FluxLayer, parameters::Tuple, inputs::Tuple, ::Memory, ::Any)
    check_inputs(f.layer, parameters, inputs)
    value, back = Zygote.pullback(f.call, inputs..., parameters...)
    return value isa Tuple ? value : (value,), back
end

function DiagramBridge.pullback(
    ::ByZygote, parameters::Tuple, inputs::Tuple, ::Tuple, back, dvalues::Tuple, needs_inputs::Tuple,
    needs_parameters::Tuple, ::Memory,
)
    gradients = back(length(dvalues) == 1 ? dvalues[1] : dvalues)
    wanted = map((needed, d) -> needed ? as_array(d) : nothing, (needs_inputs..., needs_parameters...), gradients)
    return wanted[1:length(inputs)], wanted[(length(inputs) + 1):end]
end

as_array(::Nothing) = nothing
as_array(d::Array) = d
as_array(d::AbstractArray) = DiagramBridge.counted_copy(d)

check_inputs(::Layer, ::Tuple, ::Tuple) = nothing

# What Zygote's closures look at; DiagramBridge's own `reads` where they differ from its layers.
DiagramBridge.reads(f::FluxLayer) = DiagramBridge.reads(f.layer)

"""
    in_flux(layer) -> Layer

A portable layer as Flux has it.
"""
in_flux(layer::Layer) = layer

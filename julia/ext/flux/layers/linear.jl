"""
Flux's `Dense` with torch's memory: the weight is stored (inputs, outputs) and multiplied transposed, so that nothing is
copied, and a gradient that is not asked for is not computed. `activation` is applied in place by NNlib's `bias_act!`.
"""
struct FluxLinear{S} <: Layer
    layer::Linear
    activation::S
end

in_flux(layer::Linear) = FluxLinear(layer, identity)

DiagramBridge.parameter_names(f::FluxLinear) = DiagramBridge.parameter_names(f.layer)
DiagramBridge.parameter_shapes(f::FluxLinear) = DiagramBridge.parameter_shapes(f.layer)
DiagramBridge.reads(f::FluxLinear) = (inputs = true, values = f.activation !== identity, parameters = (true, false))

# Those whose derivative follows from the output: `bias_act!` overwrites what it is given.
in_dense(::Layer) = nothing
in_dense(::DiagramBridge.Relu) = NNlib.relu
in_dense(::DiagramBridge.Sigmoid) = NNlib.sigmoid_fast
in_dense(::DiagramBridge.Tanh) = NNlib.tanh_fast

as_matrix(a::Array) = reshape(a, size(a, 1), :)

function DiagramBridge.forward(f::FluxLinear, parameters::Tuple, inputs::Tuple{Array{T}}, memory::Memory, ::Any) where {T}
    x = inputs[1]
    DiagramBridge.check_sizes(f.layer, parameters, x)
    product = DiagramBridge.output!(memory, 1, T, (f.layer.outputs, Base.tail(size(x))...))
    mul!(as_matrix(product), transpose(parameters[1]), as_matrix(x))
    value, back = Zygote.pullback(NNlib.bias_act!, f.activation, product, f.layer.bias ? parameters[2] : false)
    return (value,), back
end

function DiagramBridge.pullback(
    f::FluxLinear, parameters::Tuple, inputs::Tuple{Array{T}}, ::Tuple, back, dvalues::Tuple{Array{T}},
    needs_inputs::Tuple{Bool}, needs_parameters::Tuple, memory::Memory,
) where {T}
    x, weight = inputs[1], parameters[1]
    _, dproduct, dbias = back(dvalues[1])
    dx = dweight = nothing
    if needs_inputs[1]
        dx = DiagramBridge.input_gradient!(memory, 1, T, size(x))
        mul!(as_matrix(dx), weight, as_matrix(dproduct))
    end
    if needs_parameters[1]
        dweight = DiagramBridge.parameter_gradient!(memory, 1, T, size(weight))
        mul!(dweight, as_matrix(x), transpose(as_matrix(dproduct)))
    end
    f.layer.bias || return (dx,), (dweight,)
    needs_parameters[2] || return (dx,), (dweight, nothing)
    return (dx,), (dweight, copyto!(DiagramBridge.parameter_gradient!(memory, 2, T, size(dbias)), dbias))
end

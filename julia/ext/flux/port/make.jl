# From portable layers to a Flux model.

const Weights = Dict{String,Array}

function DiagramBridge.make_model(::FluxEngine, graph::LayerGraph, weights::Dict{String,Weights})
    used, sharing = used_values(graph), Sharing(graph)
    first, layers = graph.inputs, Any[]
    for (k, node) in enumerate(graph.nodes)
        # An output that nothing looks at need not be made.
        wanted = something(findlast(k -> used[first + k], 1:node.outputs), 1)
        push!(layers, sharing.same[k] < k ? layers[sharing.same[k]] :
                      sharing.inside[k] ? tied_operation(sharing, node, weights[node.name]) :
                      flux_layer(node.layer, weights[node.name], wanted))
        first += node.outputs
    end
    names = Tuple(Symbol(node.name) for node in graph.nodes)
    if is_chain(graph)
        numbered = names == ntuple(k -> Symbol(k - 1), length(names))
        return Flux.Chain(numbered ? Tuple(layers) : NamedTuple{names}(Tuple(layers)))
    end
    places = [copy(node.inputs) for node in graph.nodes]
    return Network(NamedTuple{names}(Tuple(layers)), graph.inputs, places, [node.outputs for node in graph.nodes],
                   copy(graph.outputs))
end

is_chain(graph::LayerGraph) =
    graph.inputs == 1 && graph.outputs == [1 + length(graph.nodes)] &&
    all(node -> node.outputs == 1, graph.nodes) &&
    all(((k, node),) -> node.inputs == [k], enumerate(graph.nodes))

function used_values(graph::LayerGraph)
    used = falses(graph.inputs + sum(node -> node.outputs, graph.nodes; init = 0))
    used[graph.outputs] .= true
    foreach(node -> used[node.inputs] .= true, graph.nodes)
    return used
end

"A layer of Flux's that is the same function, with its first `wanted` values, or the portable layer itself."
function flux_layer(layer::PortableLayer, weights::Weights, wanted::Int)
    native = DiagramBridge.native(layer)
    made = own_layer(native, weights, wanted)
    return made === nothing ? operation(layer, native, name -> copy(weights[name])) : made
end

function operation(layer::PortableLayer, native::Layer, array)
    native isa DiagramBridge.TrackingNorm && !isempty(DiagramBridge.buffer_names(native)) &&
        throw(BridgeError("layer '$(layer.operation)'", "a layer of Flux's with running statistics", "none"))
    names = (DiagramBridge.parameter_names(native)..., DiagramBridge.buffer_names(native)...)
    return Operation(layer, native, NamedTuple{map(Symbol, names)}(map(array, names)))
end

own_layer(::Layer, ::Weights, ::Int) = nothing

bias_of(weights::Weights, name = "bias") = haskey(weights, name) ? copy(weights[name]) : false

own_layer(::Linear, weights::Weights, ::Int) = Flux.Dense(permutedims(weights["weight"]), bias_of(weights))

"The kernels of torch as Flux has them, turned around, and back."
turned(weight::Array{T,N}) where {T,N} = reverse(weight; dims = ntuple(identity, N - 2))

function own_layer(layer::AnyConvolution, weights::Weights, ::Int)
    w, axes = layer.windows, layer.axes
    options = (stride = w.stride[1:axes], pad = w.padding[1:axes], dilation = w.dilation[1:axes], groups = layer.groups)
    weight, bias = turned(weights["weight"]), bias_of(weights)
    layer isa Convolution && return Flux.Conv(weight, bias; options...)
    # NNlib takes the sizes from the larger side alone, and finds other ones where more is added than a stride.
    all(map(<, layer.more, w.stride)) || return nothing
    return Flux.ConvTranspose(weight, bias; outpad = layer.more[1:axes], options...)
end

function own_layer(layer::DiagramBridge.MeanPool, ::Weights, ::Int)
    layer.count_padding || return nothing
    w, axes = layer.windows, layer.axes
    return Flux.MeanPool(w.kernel[1:axes]; stride = w.stride[1:axes], pad = w.padding[1:axes])
end

"`nothing` or a copy, for the fields of a norm of Flux's."
optional(weights::Weights, name) = haskey(weights, name) ? copy(weights[name]) : nothing

function own_layer(layer::FeatureNorm, weights::Weights, ::Int)
    γ, β = optional(weights, "weight"), optional(weights, "bias")
    if layer isa DiagramBridge.GroupNorm
        return Flux.GroupNorm(layer.groups, identity, β, γ, nothing, nothing, layer.eps, 0.1, layer.affine, false, nothing,
                              layer.features)
    end
    μ, σ² = optional(weights, "running_mean"), optional(weights, "running_var")
    make = layer isa DiagramBridge.BatchNorm ? Flux.BatchNorm : Flux.InstanceNorm
    return make(identity, β, γ, μ, σ², layer.eps, layer.momentum, layer.affine, layer.track, nothing, layer.features)
end

own_layer(layer::DiagramBridge.Dropout, ::Weights, ::Int) = Flux.Dropout(layer.p)
own_layer(::DiagramBridge.Flatten, ::Weights, ::Int) = Flux.flatten
own_layer(::DiagramBridge.Identity, ::Weights, ::Int) = identity
own_layer(layer::Softmax, ::Weights, ::Int) = layer.place == 1 ? NNlib.softmax : nothing
own_layer(layer::LogSoftmax, ::Weights, ::Int) = layer.place == 1 ? NNlib.logsoftmax : nothing
own_layer(layer::DiagramBridge.NearestUpsample, ::Weights, ::Int) =
    layer.align_corners ? nothing : Flux.Upsample(:nearest; scale = layer.factor)

for (layer, f) in (DiagramBridge.Relu => :relu, DiagramBridge.Relu6 => :relu6, DiagramBridge.Sigmoid => :sigmoid,
                   DiagramBridge.Tanh => :tanh, DiagramBridge.Silu => :swish, DiagramBridge.Mish => :mish,
                   DiagramBridge.Gelu => :gelu_erf, DiagramBridge.TanhGelu => :gelu_tanh)
    @eval own_layer(::$layer, ::Weights, ::Int) = Base.BroadcastFunction(NNlib.$f)
end

"Flux's recurrent layers start from zeros, have one bias, and give the sequence alone."
function own_layer(layer::DiagramBridge.Recurrent, weights::Weights, wanted::Int)
    of = layer.of
    of.biases <= 1 && !of.reverse && !of.lengths && !of.initial && wanted == 1 || return nothing
    Wi, Wh, b = permutedims(weights["weight_ih"]), permutedims(weights["weight_hh"]), bias_of(weights, "bias_ih")
    layer isa DiagramBridge.Lstm && return Flux.LSTM(Flux.LSTMCell(Wi, Wh, b))
    layer isa DiagramBridge.Gru && return Flux.GRU(Flux.GRUCell(Wi, Wh, b))
    layer.activation isa DiagramBridge.Tanh && return Flux.RNN(Flux.RNNCell(tanh, Wi, Wh, b))
    return layer.activation isa DiagramBridge.Relu ? Flux.RNN(Flux.RNNCell(NNlib.relu, Wi, Wh, b)) : nothing
end

function own_layer(layer::DiagramBridge.MultiHeadAttention, weights::Weights, ::Int)
    (layer.causal || layer.key_mask || layer.mask) && return nothing
    dense(side) = Flux.Dense(permutedims(weights["$(side)_weight"]), bias_of(weights, "$(side)_bias"))
    return Flux.MultiHeadAttention(layer.heads, dense("q"), dense("k"), dense("v"), Flux.Dropout(0.0), dense("out"))
end

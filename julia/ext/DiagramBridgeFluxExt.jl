"""
Flux in a diagram: any Flux model as a component, and portable layers run by Flux and NNlib; gradients by Zygote.
"""
module DiagramBridgeFluxExt

using DiagramBridge
using DiagramBridge: Activation, Add, AnyConvolution, BridgeError, Convolution, DLTensor, Embedding, Engine, FeatureNorm,
    Layer, LayerGraph, LayerMode, LayerNorm, Layers, Linear, LogSoftmax, Memory, Mode, Multiply, Node, PortableLayer,
    SampleShape, Schema, Softmax, Stage, TorchModule, TransposedConvolution
import Flux
using Flux: Functors, NNlib, Optimisers, Zygote
using Flux.Zygote: ChainRulesCore
using LinearAlgebra: mul!
using Random

include("flux/layers/layer.jl")
include("flux/layers/linear.jl")
include("flux/layers/elementary.jl")
include("flux/layers/convolution.jl")
include("flux/layers/pooling.jl")
include("flux/layers/normalization.jl")
include("flux/layers/indexing.jl")
include("flux/layers/arithmetic.jl")
include("flux/layers/shaping.jl")
include("flux/layers/attention.jl")
include("flux/layers/recurrent.jl")
include("flux/variables.jl")
include("flux/model.jl")
include("flux/gradients.jl")
include("flux/torch_module.jl")
include("flux/optimiser.jl")
include("flux/engine.jl")
include("flux/port/operation.jl")
include("flux/port/network.jl")
include("flux/port/make.jl")
include("flux/port/sharing.jl")
include("flux/port/writer.jl")
include("flux/port/activations.jl")
include("flux/port/read.jl")
include("flux/port/read_spatial.jl")
include("flux/port/read_sequences.jl")
include("flux/precompile.jl")

end

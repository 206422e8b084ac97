"""
Flux in a diagram: any Flux model as a component, and portable layers run by Flux and NNlib; gradients by Zygote.
"""
module DiagramBridgeFluxExt

using DiagramBridge
using DiagramBridge: Activation, Add, AnyConvolution, BridgeError, Convolution, DLTensor, Embedding, Engine, FeatureNorm, Layer,
    LayerMode, LayerNorm, Linear, LogSoftmax, Memory, Mode, Multiply, Schema, Softmax, Stage, TorchModule,
    TransposedConvolution
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
include("flux/precompile.jl")

end

"""
The Julia side of diagram-bridge: portable layers in plain Julia, run as islands of a diagram that Python drives.
"""
module DiagramBridge

"The version of this package: that of Project.toml, which Julia 1.5 can't be asked for."
const PACKAGE_VERSION = v"0.1.0"

import LinearAlgebra: BLAS, rmul!

include("wire.jl")
include("schema.jl")
using .Wire: Message, WireError, decode, encode

include("errors.jl")
include("memory.jl")
include("blas.jl")
include("shared_blas.jl")

include("layers/layer.jl")
include("layers/build.jl")
include("layers/parts.jl")
include("layers/linear.jl")
include("layers/elementary.jl")
include("layers/activations.jl")
include("layers/smooth_activations.jl")
include("layers/softmax.jl")
include("layers/softmax_loops.jl")
include("layers/layer_norm.jl")
include("layers/shapes.jl")
include("layers/arithmetic.jl")
include("layers/constructors.jl")

include("tensors.jl")
include("registry.jl")
include("engine.jl")
include("components.jl")
include("workspace.jl")
include("expectation.jl")
include("step.jl")
include("expand.jl")
include("reads.jl")
include("places.jl")
include("lowering.jl")
include("room.jl")
include("forward.jl")
include("backward.jl")
include("handover.jl")
include("abi.jl")
include("control.jl")
include("warm_up.jl")

include("precompile.jl")

end

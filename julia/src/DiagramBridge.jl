"""
The Julia side of diagram-bridge: portable layers in plain Julia, run as islands of a diagram that Python drives.
"""
module DiagramBridge

"The version of this package: that of Project.toml, which Julia 1.5 can't be asked for."
const PACKAGE_VERSION = v"0.1.0"

import LinearAlgebra: BLAS, rmul!
import Mmap
import SHA

include("wire.jl")
include("schema.jl")
using .Wire: Message, WireError, decode, encode

include("python_functions.jl")
include("errors.jl")
include("memory.jl")
include("blas.jl")

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

include("divergences/measure.jl")
include("divergences/weights.jl")
include("divergences/elementwise.jl")
include("divergences/columns.jl")
include("divergences/cross_entropy.jl")
include("divergences/kullback_leibler.jl")
include("divergences/cosine.jl")
include("divergences/info_nce.jl")
include("divergences/table.jl")
include("train/philox.jl")
include("train/order.jl")
include("train/rules.jl")
include("train/optimizer.jl")
include("train/json.jl")
include("train/tensor_file.jl")
include("train/checkpoint.jl")

include("tensors.jl")
include("registry.jl")
include("components.jl")
include("workspace.jl")
include("expectation.jl")
include("step.jl")
include("expand.jl")
include("reads.jl")
include("places.jl")
include("island.jl")
include("lowering.jl")
include("room.jl")
include("run_component.jl")
include("forward.jl")
include("backward.jl")
include("handover.jl")
include("component_island.jl")
include("abi.jl")
include("python.jl")
include("control.jl")
include("warm_up.jl")

include("precompile.jl")

end

"""
The Julia side of diagram-bridge: diagrams, their files and their plans, and portable layers in plain Julia, run as islands
of a diagram that Python drives.
"""
module DiagramBridge

"The version of this package: that of Project.toml, which Julia 1.5 can't be asked for."
const PACKAGE_VERSION = v"0.1.0"

import LinearAlgebra: BLAS, rmul!
import Mmap
import SHA
import SHA: sha256

export BridgeError, Builder, Diagram, JULIA, JuliaReference, Layers, Losses, Objective, Plan, TORCH, TorchReference, agree!,
       arrow!, binary_cross_entropy, build, commute!, compile, component!, cosine, cross_entropy, evaluate, huber, index!,
       info_nce, kl, load, load_checkpoint!, loss, losses_and_gradients, mae, mse, output!, plan, save, save_checkpoint,
       source!, space!, train!

include("wire.jl")
include("schema.jl")
using .Wire: Message, WireError, decode, decode_file, encode

include("python_functions.jl")
include("errors.jl")
include("memory.jl")
include("blas.jl")
include("shared_blas.jl")

include("diagram/limits.jl")
include("diagram/messages.jl")
include("diagram/names.jl")
include("diagram/attributes.jl")

include("layers/layer.jl")
include("layers/sample_shapes.jl")
include("layers/definition.jl")
include("layers/build.jl")
include("layers/parts.jl")
include("layers/linear.jl")
include("layers/elementary.jl")
include("layers/activations.jl")
include("layers/smooth_activations.jl")
include("layers/softmax.jl")
include("layers/softmax_loops.jl")
include("layers/layer_norm.jl")
include("layers/feature_norm.jl")
include("layers/feature_loops.jl")
include("layers/batch_norm.jl")
include("layers/group_norm.jl")
include("layers/shapes.jl")
include("layers/arithmetic.jl")
include("train/philox.jl")
include("layers/dropout.jl")
include("layers/embedding.jl")
include("layers/table.jl")

include("diagram/ir.jl")
include("diagram/terms.jl")
include("diagram/types.jl")
include("diagram/layer_graphs.jl")
include("diagram/divergences.jl")
include("diagram/default_names.jl")
include("diagram/routes.jl")
include("diagram/paths.jl")
include("diagram/check_elements.jl")
include("diagram/check_terms.jl")
include("diagram/check_agreements.jl")
include("diagram/check.jl")
include("diagram/canonical.jl")
include("schema/decode.jl")
include("schema/encode.jl")
include("schema/files.jl")
include("diagram/write_layers.jl")
include("diagram/builder.jl")
include("diagram/show.jl")
include("plan/plans.jl")
using .Plans: JULIA, Plan, Runtime, TORCH, fragment, plan, plan_outputs

include("divergences/measure.jl")
include("divergences/weights.jl")
include("divergences/elementwise.jl")
include("divergences/columns.jl")
include("divergences/cross_entropy.jl")
include("divergences/kullback_leibler.jl")
include("divergences/cosine.jl")
include("divergences/info_nce.jl")
include("divergences/table.jl")
include("train/order.jl")
include("train/rules.jl")
include("train/optimizer.jl")
include("train/json.jl")
include("train/tensor_file.jl")
include("train/checkpoint.jl")

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
include("objective/batch.jl")
include("objective/initial.jl")
include("objective/objective.jl")
include("objective/losses.jl")
include("objective/evaluate.jl")
include("objective/feed.jl")
include("objective/train.jl")
include("objective/resume.jl")
include("warm_up.jl")

include("precompile.jl")

end

# The portable layers by family: their attributes, the native layer that each is, and what its parameters start with.
# bridge/layers has the same rows, with their formulas.

const ALPHA = AttributeDefinition("alpha", Float64, 1.0, POSITIVE)
const EPS = AttributeDefinition("eps", Float64, 1e-5, POSITIVE)
const FEATURES = AttributeDefinition("features", Int, nothing, SIZE)
const MOMENTUM = AttributeDefinition("momentum", Float64, 0.1, SHARE)
const AFFINE = AttributeDefinition("affine", Bool, true)

const ELEMENTARY = Rows(
    "linear" => LayerDefinition(
        Linear, AttributeDefinition("in", Int, nothing, SIZE), AttributeDefinition("out", Int, nothing, SIZE),
        AttributeDefinition("bias", Bool, true),
        AttributeDefinition("init", String, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros"));
        initial = initial_linear),
    "celu" => LayerDefinition(a -> (alpha = attribute(a, "alpha", Float64); Elu(alpha, alpha)), ALPHA),
    "elu" => LayerDefinition(a -> Elu(attribute(a, "alpha", Float64), 1.0), ALPHA),
    "gelu" => LayerDefinition(gelu, AttributeDefinition("approximate", String, "none", one_of("none", "tanh"))),
    "hardsigmoid" => LayerDefinition(_ -> Hardsigmoid()),
    "leaky_relu" =>
        LayerDefinition(a -> LeakyRelu(attribute(a, "slope", Float64)), AttributeDefinition("slope", Float64, 0.01)),
    "mish" => LayerDefinition(_ -> Mish()),
    "relu" => LayerDefinition(_ -> Relu()),
    "relu6" => LayerDefinition(_ -> Relu6()),
    "sigmoid" => LayerDefinition(_ -> Sigmoid()),
    "silu" => LayerDefinition(_ -> Silu()),
    "softplus" => LayerDefinition(_ -> Softplus()),
    "tanh" => LayerDefinition(_ -> Tanh()),
    "softmax" => LayerDefinition(a -> Softmax(softmax_place(a)), AXIS),
    "log_softmax" => LayerDefinition(a -> LogSoftmax(softmax_place(a)), AXIS),
)

const NORMALIZATION = Rows(
    "layer_norm" => LayerDefinition(
        LayerNorm, AttributeDefinition("shape", Vector{Int}, nothing, SIZES), EPS, AFFINE; initial = initial_norm),
    "batch_norm" => LayerDefinition(
        BatchNorm, FEATURES, EPS, MOMENTUM, AFFINE, AttributeDefinition("track", Bool, true); initial = initial_norm),
    "instance_norm" => LayerDefinition(
        InstanceNorm, FEATURES, EPS, MOMENTUM, AttributeDefinition("affine", Bool, false),
        AttributeDefinition("track", Bool, false); initial = initial_norm),
    "group_norm" => LayerDefinition(
        GroupNorm, AttributeDefinition("groups", Int, nothing, SIZE), FEATURES, EPS, AFFINE; initial = initial_norm),
)

const REGULARIZATION = Rows("dropout" => LayerDefinition(Dropout, AttributeDefinition("p", Float64, 0.5, SHARE)))

const INDEXING = Rows(
    "embedding" => LayerDefinition(
        Embedding, AttributeDefinition("entries", Int, nothing, SIZE), AttributeDefinition("width", Int, nothing, SIZE),
        AttributeDefinition("padding", Int, -1, Constraint("an index, or -1 for none", value -> value >= -1));
        initial = initial_embedding),
)

const ARITHMETIC = Rows(
    "add" => LayerDefinition(_ -> Add()),
    "multiply" => LayerDefinition(_ -> Multiply()),
)

const SHAPING = Rows(
    "flatten" => LayerDefinition(_ -> Flatten()),
    "reshape" => LayerDefinition(
        a -> Reshape(attribute(a, "shape", Vector{Int})), AttributeDefinition("shape", Vector{Int}, nothing, ANY_SIZES)),
    "identity" => LayerDefinition(_ -> Identity()),
)

"The rows by operation; each is version 1 of its meaning."
const LAYERS = merge(ELEMENTARY, NORMALIZATION, REGULARIZATION, INDEXING, ARITHMETIC, SHAPING)

"The row of a layer; an unknown operation or version is refused, about `where`."
function definition(operation::AbstractString, version::Integer, where)
    row = get(LAYERS, operation, nothing)
    row === nothing &&
        refuse(where, "a portable layer ($(join(sort!(collect(keys(LAYERS))), ", ")))", quoted(operation), "layer")
    version == 1 || refuse(where, "version '1' of layer '$operation'", "version $version", "layer")
    return row
end

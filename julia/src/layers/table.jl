# The portable layers by family: their attributes, the native layer that each is, and what its parameters start with.
# bridge/layers has the same rows, with their formulas.

const ALPHA = AttributeDefinition("alpha", Float64, 1.0, POSITIVE)
const EPS = AttributeDefinition("eps", Float64, 1e-5, POSITIVE)
const FEATURES = AttributeDefinition("features", Int, nothing, SIZE)
const MOMENTUM = AttributeDefinition("momentum", Float64, 0.1, SHARE)
const AFFINE = AttributeDefinition("affine", Bool, true)

const ORDER = Constraint("the axes 0, 1, … in any order", axes -> sort(axes) == 0:(length(axes) - 1))
const NOT_NEGATIVE = Constraint("0 or more", value -> value >= 0)
const AXES = AttributeDefinition(
    "axes", Vector{Int}, nothing,
    Constraint("different axes counted from the last: -1, -2, …",
               axes -> !isempty(axes) && allunique(axes) && all(axis -> axis < 0, axes)))
const KEEP = AttributeDefinition("keep", Bool, false)

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

function convolution(make, name, axes, more::AttributeDefinition...)
    return name => LayerDefinition(
        a -> make(name, axes, a),
        AttributeDefinition("in", Int, nothing, SIZE), AttributeDefinition("out", Int, nothing, SIZE),
        axis_attribute("kernel", axes), axis_attribute("stride", axes, 1), axis_attribute("padding", axes, 0; least = 0),
        axis_attribute("dilation", axes, 1), more..., AttributeDefinition("groups", Int, 1, SIZE),
        AttributeDefinition("bias", Bool, true),
        AttributeDefinition("init", String, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros"));
        initial = initial_convolution(make, name, axes))
end

const CONVOLUTION = Rows(
    convolution(Convolution, "conv1d", 1),
    convolution(Convolution, "conv2d", 2),
    convolution(TransposedConvolution, "conv_transpose1d", 1, axis_attribute("output_padding", 1, 0; least = 0)),
    convolution(TransposedConvolution, "conv_transpose2d", 2, axis_attribute("output_padding", 2, 0; least = 0)),
)

sliding(axes) =
    (axis_attribute("kernel", axes), axis_attribute("stride", axes), axis_attribute("padding", axes, 0; least = 0))
const COUNT_PADDING = AttributeDefinition("count_padding", Bool, true)

max_pool(name, axes) = name => LayerDefinition(a -> MaxPool(name, axes, Windows(a)), sliding(axes)...)
mean_pool(name, axes) = name => LayerDefinition(
    a -> MeanPool(name, axes, Windows(a), attribute(a, "count_padding", Bool)), sliding(axes)..., COUNT_PADDING)
adaptive_pool(make, name, axes) = name => LayerDefinition(
    a -> make(name, axes, pair(attribute(a, "size", Vector{Int}), 1)), axis_attribute("size", axes))

const POOLING = Rows(
    max_pool("max_pool1d", 1),
    max_pool("max_pool2d", 2),
    mean_pool("mean_pool1d", 1),
    mean_pool("mean_pool2d", 2),
    adaptive_pool(AdaptiveMaxPool, "adaptive_max_pool1d", 1),
    adaptive_pool(AdaptiveMaxPool, "adaptive_max_pool2d", 2),
    adaptive_pool(AdaptiveMeanPool, "adaptive_mean_pool1d", 1),
    adaptive_pool(AdaptiveMeanPool, "adaptive_mean_pool2d", 2),
)

const PADDINGS = Constraint("one or more sizes from 0 to $MAX_SIZE",
                          value -> !isempty(value) && all(size -> 0 <= size <= MAX_SIZE, value))

const RESAMPLING = Rows(
    "upsample2d" => LayerDefinition(
        upsample, axis_attribute("factor", 2), AttributeDefinition("mode", String, "nearest", one_of("nearest", "bilinear")),
        AttributeDefinition("align_corners", Bool, false)),
    "pad" => LayerDefinition(
        Pad, AttributeDefinition("before", Vector{Int}, nothing, PADDINGS),
        AttributeDefinition("after", Vector{Int}, nothing, PADDINGS),
        AttributeDefinition("value", Float64, 0.0)),
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
    "subtract" => LayerDefinition(_ -> Subtract()),
    "multiply" => LayerDefinition(_ -> Multiply()),
    "divide" => LayerDefinition(_ -> Divide()),
    "parameter" => LayerDefinition(
        Learned, AttributeDefinition("shape", Vector{Int}, nothing, ANY_SIZES),
        AttributeDefinition("by", String, "add", one_of("add", "multiply")),
        AttributeDefinition("init", String, "zeros", one_of("zeros", "ones", "normal"));
        initial = initial_learned),
    "constant" => LayerDefinition(
        Fixed, AttributeDefinition("shape", Vector{Int}, nothing, ANY_SIZES),
        AttributeDefinition("by", String, "add", one_of("add", "multiply")); initial = initial_fixed),
    "scale" => LayerDefinition(
        Scale, AttributeDefinition("factor", Float64, nothing), AttributeDefinition("shift", Float64, 0.0)),
    "power" => LayerDefinition(power, AttributeDefinition("exponent", Float64, nothing)),
    "exp" => LayerDefinition(_ -> Exp()),
    "log" => LayerDefinition(_ -> Log()),
    "sqrt" => LayerDefinition(_ -> Sqrt()),
    "abs" => LayerDefinition(_ -> Abs()),
    "matmul" => LayerDefinition(_ -> MatMul()),
)

const SHAPING = Rows(
    "flatten" => LayerDefinition(_ -> Flatten()),
    "reshape" => LayerDefinition(
        a -> Reshape(attribute(a, "shape", Vector{Int})), AttributeDefinition("shape", Vector{Int}, nothing, ANY_SIZES)),
    "identity" => LayerDefinition(_ -> Identity()),
    "concat" => LayerDefinition(Concat, AXIS),
    "split" => LayerDefinition(Split, AXIS, AttributeDefinition("sizes", Vector{Int}, nothing, SIZES)),
    "permute" => LayerDefinition(Permute, AttributeDefinition("axes", Vector{Int}, nothing, ORDER)),
    "slice" => LayerDefinition(
        Slice, AXIS, AttributeDefinition("start", Int, nothing, NOT_NEGATIVE),
        AttributeDefinition("stop", Int, nothing, NOT_NEGATIVE), AttributeDefinition("step", Int, 1, SIZE)),
    "mean" => LayerDefinition(Mean, AXES, KEEP),
    "sum" => LayerDefinition(Sum, AXES, KEEP),
)

const RECURRENCE = (
    AttributeDefinition("in", Int, nothing, SIZE), AttributeDefinition("hidden", Int, nothing, SIZE),
    AttributeDefinition("biases", Int, 2, Constraint("0, 1 or 2", value -> value in 0:2)),
    AttributeDefinition("reverse", Bool, false), AttributeDefinition("lengths", Bool, false),
    AttributeDefinition("initial", Bool, false),
)

const RECURRENT = Rows(
    "rnn" => LayerDefinition(
        rnn, AttributeDefinition("nonlinearity", String, "tanh", one_of("tanh", "relu")), RECURRENCE...;
        initial = initial_recurrent),
    "gru" => LayerDefinition(Gru, RECURRENCE...; initial = initial_recurrent),
    "lstm" => LayerDefinition(Lstm, RECURRENCE...; initial = initial_recurrent),
)

const ATTENTION = Rows(
    "attention" => LayerDefinition(
        Attention, AttributeDefinition("causal", Bool, false),
        AttributeDefinition("mask", String, "none", one_of("none", "boolean")), AttributeDefinition("scale", Float64, 0.0)),
    "multi_head_attention" => LayerDefinition(
        MultiHeadAttention,
        (AttributeDefinition(name, Int, nothing, SIZE) for name in ("width", "heads", "key_width", "value_width"))...,
        AttributeDefinition("bias", Bool, true),
        (AttributeDefinition(name, Bool, false) for name in ("causal", "key_mask", "mask"))...,
        AttributeDefinition("init", String, "xavier_uniform", one_of("xavier_uniform", "zeros"));
        initial = initial_multi_head),
)

"The rows by operation; each is version 1 of its meaning."
const LAYERS = merge(ELEMENTARY, CONVOLUTION, POOLING, RESAMPLING, NORMALIZATION, REGULARIZATION, INDEXING, ARITHMETIC,
                     SHAPING, RECURRENT, ATTENTION)

"The row of a layer; an unknown operation or version is refused, about `where`."
function definition(operation::AbstractString, version::Integer, where)
    row = get(LAYERS, operation, nothing)
    row === nothing &&
        refuse(where, "a portable layer ($(join(sort!(collect(keys(LAYERS))), ", ")))", quoted(operation), "layer")
    version == 1 || refuse(where, "version '1' of layer '$operation'", "version $version", "layer")
    return row
end

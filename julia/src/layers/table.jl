# The portable layers: their attributes, how many inputs they take, and the native layer that each is. Shape rules are
# methods of `sample_shape`, parameters those of `parameter_names` and `parameter_shapes`. bridge/layers/table.py has the
# same rows, with their formulas.

is_size(value) = value isa Int && 1 <= value <= MAX_SIZE

const SIZE = Constraint("a size from 1 to $MAX_SIZE", is_size)
const SIZES = Constraint("one or more sizes from 1 to $MAX_SIZE", value -> !isempty(value) && all(is_size, value))
const ANY_SIZES = Constraint("sizes from 1 to $MAX_SIZE", value -> all(is_size, value))
const FROM_LAST = Constraint("an axis counted from the last: -1, -2, …", value -> value < 0)

"A row of the table. `make(attributes)` is the native layer; at most `most_inputs` is `nothing` where any number will do."
struct LayerDefinition
    attributes::Vector{AttributeDefinition}
    make::Base.Callable
    least_inputs::Int
    most_inputs::Union{Int,Nothing}
end

LayerDefinition(make, attributes::AttributeDefinition...; least = 1, most = 1) =
    LayerDefinition(AttributeDefinition[attributes...], make, least, most)

const SOFTMAX_AXIS = AttributeDefinition("axis", Int, -1, FROM_LAST)
const ALPHA = AttributeDefinition("alpha", Float64, 1.0, POSITIVE)

"The rows by operation; each is version 1 of its meaning."
const LAYERS = Dict{String,LayerDefinition}(
    "add" => LayerDefinition(_ -> Add(); least = 2, most = nothing),
    "celu" => LayerDefinition(a -> (alpha = attribute(a, "alpha", Float64); Elu(alpha, alpha)), ALPHA),
    "elu" => LayerDefinition(a -> Elu(attribute(a, "alpha", Float64), 1.0), ALPHA),
    "flatten" => LayerDefinition(_ -> Flatten()),
    "gelu" => LayerDefinition(gelu, AttributeDefinition("approximate", String, "none", one_of("none", "tanh"))),
    "hardsigmoid" => LayerDefinition(_ -> Hardsigmoid()),
    "identity" => LayerDefinition(_ -> Identity()),
    "layer_norm" => LayerDefinition(
        LayerNorm, AttributeDefinition("shape", Vector{Int}, nothing, SIZES),
        AttributeDefinition("eps", Float64, 1e-5, POSITIVE), AttributeDefinition("affine", Bool, true)),
    "leaky_relu" =>
        LayerDefinition(a -> LeakyRelu(attribute(a, "slope", Float64)), AttributeDefinition("slope", Float64, 0.01)),
    "linear" => LayerDefinition(
        Linear, AttributeDefinition("in", Int, nothing, SIZE), AttributeDefinition("out", Int, nothing, SIZE),
        AttributeDefinition("bias", Bool, true),
        AttributeDefinition("init", String, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros"))),
    "log_softmax" => LayerDefinition(a -> LogSoftmax(softmax_place(a)), SOFTMAX_AXIS),
    "mish" => LayerDefinition(_ -> Mish()),
    "multiply" => LayerDefinition(_ -> Multiply(); least = 2, most = 2),
    "relu" => LayerDefinition(_ -> Relu()),
    "relu6" => LayerDefinition(_ -> Relu6()),
    "reshape" => LayerDefinition(
        a -> Reshape(attribute(a, "shape", Vector{Int})), AttributeDefinition("shape", Vector{Int}, nothing, ANY_SIZES)),
    "sigmoid" => LayerDefinition(_ -> Sigmoid()),
    "silu" => LayerDefinition(_ -> Silu()),
    "softmax" => LayerDefinition(a -> Softmax(softmax_place(a)), SOFTMAX_AXIS),
    "softplus" => LayerDefinition(_ -> Softplus()),
    "tanh" => LayerDefinition(_ -> Tanh()),
)

"The row of a layer; an unknown operation or version is refused, about `where`."
function definition(operation::AbstractString, version::Integer, where)
    row = get(LAYERS, operation, nothing)
    row === nothing &&
        refuse(where, "a portable layer ($(join(sort!(collect(keys(LAYERS))), ", ")))", quoted(operation), "layer")
    version == 1 || refuse(where, "version '1' of layer '$operation'", "version $version", "layer")
    return row
end

"How many inputs a layer takes, in words."
arity(row::LayerDefinition) = row.most_inputs === nothing ? "$(row.least_inputs) or more inputs" :
                              "$(row.most_inputs) input" * "s"^(row.most_inputs > 1)

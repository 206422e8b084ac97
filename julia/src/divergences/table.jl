"By a divergence's name: its measure, of its attributes and the place of its class axis."
const MEASURES = Dict{String,Function}(
    "mse" => (attributes, place) -> SquaredError(),
    "mae" => (attributes, place) -> AbsoluteError(),
    "huber" => (attributes, place) -> HuberError(attribute(attributes, "delta", Float64)),
    "cross_entropy" => (attributes, place) -> CrossEntropy(attribute(attributes, "label_smoothing", Float64), place),
    "binary_cross_entropy" => (attributes, place) -> BinaryCrossEntropy(),
    "kl" => (attributes, place) -> KullbackLeibler(attribute(attributes, "temperature", Float64), place),
    "cosine" => (attributes, place) -> CosineDistance(place),
    "info_nce" => (attributes, place) -> InfoNce(
        attribute(attributes, "temperature", Float64), attribute(attributes, "symmetric", Bool), place,
    ),
)

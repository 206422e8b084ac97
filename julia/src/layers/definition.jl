# What a row of the table of layers says.

"Initial values drawn from the uniform distribution on [−bound, bound)."
struct UniformValues
    bound::Float64
end

"Initial values that are all the same."
struct ConstantValues
    value::Float64
end

"Initial values drawn from the normal distribution around 0; with `zero_row` ≥ 0 that row of a matrix is 0."
struct NormalValues
    deviation::Float64
    zero_row::Int
end

"""
A row of the table: `make(attributes)` is the native layer, `initial(attributes, name)` what a parameter or buffer starts
with. Everything else that is known of a layer are methods for the native one.
"""
struct LayerDefinition
    attributes::Vector{AttributeDefinition}
    make::Base.Callable
    initial::Function
end

LayerDefinition(make, attributes::AttributeDefinition...; initial = (_, _) -> ConstantValues(0)) =
    LayerDefinition(AttributeDefinition[attributes...], make, initial)

const Rows = Dict{String,LayerDefinition}

is_size(value) = value isa Int && 1 <= value <= MAX_SIZE

const SIZE = Constraint("a size from 1 to $MAX_SIZE", is_size)
const SIZES = Constraint("one or more sizes from 1 to $MAX_SIZE", value -> !isempty(value) && all(is_size, value))
const ANY_SIZES = Constraint("sizes from 1 to $MAX_SIZE", value -> all(is_size, value))
const FROM_LAST = Constraint("an axis counted from the last: -1, -2, …", value -> value < 0)
const SHARE = Constraint("a number from 0 to 1", value -> 0 <= value <= 1)

const AXIS = AttributeDefinition("axis", Int, -1, FROM_LAST)

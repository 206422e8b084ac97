# The divergences: which there are, their attributes, and which pairs of spaces each accepts. The formulas are in
# docs/semantics.md. A divergence with a class axis sums over it; its attribute `axis` names that axis, and "" is the only
# axis that left has. Canonical diagrams hold the name.

"""
A row of the table. `accepts(left, right, axes)` says what right has to be where it isn't, else `nothing`; `axes` are left's
without the class axis. `is_batch`: it compares a sample with the others of its batch.
"""
struct DivergenceDefinition
    name::String
    attributes::Vector{AttributeDefinition}
    accepts::Function
    has_class_axis::Bool
    is_batch::Bool
end

same_space(left::Space, right::Space, axes) = left == right ? nothing : show_space(left)

same_type(left::Space, right::Space, axes) =
    left.type == right.type && left.axes == right.axes ? nothing : space_text(left)

function distribution_or_index(left::Space, right::Space, axes)
    if !is_index(right)
        return same_type(left, right, axes) === nothing ? nothing : "a space of class indices, or $(space_text(left))"
    end
    class = left.axes[findfirst(axis -> !(axis in axes), left.axes)]
    right.axes == axes && right.classes == class.size && return nothing
    return "class indices $(axes_text(axes)) with $(class.size) classes"
end

const CLASS_AXIS = AttributeDefinition("axis", String, "")
const PROBABILITY = Constraint("a number from 0 to 1", value -> 0 <= value <= 1)

DivergenceDefinition(name, accepts, attributes...; is_batch = false) =
    DivergenceDefinition(name, AttributeDefinition[attributes...], accepts, CLASS_AXIS in attributes, is_batch)

"The rows, in the order in which an error lists them."
const DIVERGENCES = [
    DivergenceDefinition("mse", same_space),
    DivergenceDefinition("mae", same_space),
    DivergenceDefinition("huber", same_space, AttributeDefinition("delta", Float64, 1.0, POSITIVE)),
    DivergenceDefinition("cross_entropy", distribution_or_index,
                         AttributeDefinition("label_smoothing", Float64, 0.0, PROBABILITY), CLASS_AXIS),
    DivergenceDefinition("binary_cross_entropy", same_type),
    DivergenceDefinition("kl", same_type, AttributeDefinition("temperature", Float64, 1.0, POSITIVE), CLASS_AXIS),
    DivergenceDefinition("cosine", same_space, CLASS_AXIS),
    DivergenceDefinition("info_nce", same_space, AttributeDefinition("temperature", Float64, 0.07, POSITIVE),
                         AttributeDefinition("symmetric", Bool, false), CLASS_AXIS; is_batch = true),
]

"The row of a divergence; the refusal of an unknown one is about `where`."
function definition(divergence::Divergence, where)
    place = findfirst(row -> row.name == divergence.name, DIVERGENCES)
    place === nothing && refuse(where, "a divergence ($(listing([row.name for row in DIVERGENCES])))",
                                quoted(divergence.name), "divergence")
    return DIVERGENCES[place]
end

"""
    class_axis(divergence, left, where) -> Union{Int,Nothing}

The place among left's axes of the divergence's class axis, `nothing` for one that has none.
"""
function class_axis(divergence::Divergence, left::Space, where)
    definition(divergence, where).has_class_axis || return nothing
    name = attribute(divergence.attributes, "axis", String)
    for (place, axis) in enumerate(left.axes)
        (axis.name == name || isempty(name) && length(left.axes) == 1) && return place
    end
    refuse("$where, left: $(show_space(left))",
           "attribute 'axis' to name one of its axes ($(listing([axis.name for axis in left.axes])))", quoted(name),
           "divergence")
end

"The axes of what the divergence says of one sample: left's, without the class axis."
function element_axes(divergence::Divergence, left::Space, where = "divergence")
    class = class_axis(divergence, left, where)
    return class === nothing ? left.axes : Axis[left.axes[k] for k in 1:length(left.axes) if k != class]
end

"Refuse a divergence that is unknown, has wrong attributes, or does not accept this pair of spaces."
function check_divergence(divergence::Divergence, left::Space, right::Space, where)
    row = definition(divergence, where)
    check_attributes(inside(where, "divergence", row.name), row.attributes, divergence.attributes, "divergence")
    is_float(left.type) || refuse("$where, left", "a float space, for $(row.name)", show_space(left), "divergence")
    expected = row.accepts(left, right, element_axes(divergence, left, where))::Union{String,Nothing}
    expected === nothing || refuse("$where, right", "$expected, for $(row.name)", show_space(right), "parallel")
    return nothing
end

"The divergence with its class axis by name and its attributes sorted, as the canonical form has it."
function resolved(divergence::Divergence, left::Space)
    attributes = sorted(divergence.attributes)
    class = class_axis(divergence, left, element("divergence", divergence.name))
    if class !== nothing
        place = findfirst(pair -> first(pair) == "axis", attributes)
        attributes[place] = "axis" => left.axes[class].name
    end
    return Divergence(divergence.name, attributes)
end

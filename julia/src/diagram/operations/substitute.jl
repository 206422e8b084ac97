# Substitution: another component, or a whole model, in the place of a component.

"""
    substitute(diagram, component, by; inputs = nothing, outputs = nothing, prefix = nothing,
               has_parameters = true) -> Diagram

The diagram with something else in a component's place, in every arrow that names it.

`by` is a body (a layer, a layer graph, a `TorchReference` or a `JuliaReference`), which the component gets and keeps its
name and training; or another component, with its own name; or a model: a diagram with one source and without agreements and
commutes, whose columns `inputs` take what the arrow is applied to, and whose `outputs` are what it gives, in the order of
the arrow's spaces (by default the only column and the only output). A model's spaces, arrows and components become the
diagram's own; those at its boundary are the arrow's. Names that both have are refused, unless `prefix` is given: then the
model's get it in front. `has_parameters` is said of a reference.

Parameters of the component that is replaced are dropped.

Throws a `BridgeError` for what doesn't fit the arrows: other numbers of spaces, or spaces of another type.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; left = x, right = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(3, 3)); agree!(d, f(data.left), data.right; by = mse());

julia> deeper = substitute(build(d), "f", Layers.chain(Layers.linear(3, 8), Layers.tanh(), Layers.linear(8, 3)));

julia> deeper.components[1].body
linear(3, 8) → tanh → linear(8, 3)
```
"""
function substitute(d::Diagram, name::AbstractString, by; inputs = nothing, outputs = nothing,
                    prefix::Union{AbstractString,Nothing} = nothing, has_parameters::Bool = true)
    d = canonical(d)
    known_elements(d, "components" => name)
    by isa Diagram && return with_model(d, String(name), canonical(by), inputs, outputs, prefix)
    old = component(d, name)
    return with_component(d, old.name, in_place_of(d, old, by, has_parameters))
end

"The component that takes the place of the old one."
in_place_of(::Diagram, ::Component, by::Component, ::Bool) = by

function in_place_of(d::Diagram, old::Component, by::Union{PortableLayer,LayerGraph}, ::Bool)
    place = findfirst(arrow -> arrow.component == old.name, d.arrows)
    graph = Layers.as_graph(by, place === nothing ? nothing : length(d.arrows[place].sources))
    return Component(old.name, graph, has_parameters(graph), old.training)
end

in_place_of(::Diagram, old::Component, by::Union{TorchReference,JuliaReference}, has::Bool) =
    Component(old.name, by, has, old.training)

in_place_of(::Diagram, old::Component, by, ::Bool) =
    refuse(element("component", old.name), "a component, a layer, a layer graph, a reference or a diagram",
           article(string(typeof(by))), "component")

"The diagram with a component in the place of another."
function with_component(d::Diagram, old::String, new::Component)
    components = filter(component -> component.name != old, d.components)
    check_new("component", new.name, names_of(components))
    moved_arrow(a) = a.component == old ? Arrow(a.name, a.sources, a.targets, new.name) : a
    return with_tables(d, Component[components; new], Arrow[moved_arrow(a) for a in d.arrows])
end

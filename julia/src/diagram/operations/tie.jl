# Which arrows share parameters: tying components, and giving an arrow a component of its own.

"""
    tie(diagram, owner, others...) -> Diagram

The diagram with the arrows of some components interpreted by one, the owner, whose parameters they then share. The other
components are gone. All of them have to be trained alike, and to have the same layer graph, or all be PyTorch modules, or
all Julia components. Throws a `BridgeError` for unknown components and for those that differ.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("two"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; x = x);

julia> f, g = (arrow!(d, name, x, x, Layers.linear(3, 3)) for name in ("f", "g"));

julia> agree!(d, f(data.x), g(data.x); by = mse());

julia> join((arrow.component for arrow in tie(build(d), "f", "g").arrows), ", ")
"f, f"
```
"""
function tie(d::Diagram, owner::AbstractString, others::AbstractString...)
    d = canonical(d)
    known_elements(d, "components" => (owner, others...))
    for name in others
        name == owner && refuse(element("component", owner), "other components to tie to it", quoted(name), "component")
        check_alike(component(d, owner), component(d, name))
    end
    moved(a) = a.component in others ? Arrow(a.name, a.sources, a.targets, String(owner)) : a
    kept = Component[c for c in d.components if !(c.name in others)]
    return with_tables(d, kept, Arrow[moved(a) for a in d.arrows])
end

"Refuse components whose parameters can't be the same."
function check_alike(owner::Component, other::Component)
    where, named = element("component", other.name), "component $(quoted(owner.name))"
    other.training == owner.training ||
        refuse(where, "$(training_text(owner)), as $named is", training_text(other), "component")
    body_kind(other.body) == body_kind(owner.body) ||
        refuse(where, "$(body_kind(owner.body)), as $named has", body_kind(other.body), "component")
    same_graph(owner.body, other.body) || refuse(where, "the layer graph of $named", "another one", "component")
    other.has_parameters == owner.has_parameters ||
        refuse(where, "has_parameters to be $(quoted(owner.has_parameters)), as of $named", quoted(other.has_parameters),
               "component")
    return nothing
end

const TRAINING_TEXTS = ("trainable", "frozen", "frozen_train_mode")

training_text(component::Component) = TRAINING_TEXTS[Int(component.training) + 1]

body_kind(::LayerGraph) = "a layer graph"
body_kind(::TorchReference) = "a PyTorch module"
body_kind(::JuliaReference) = "a Julia component"

same_graph(a::LayerGraph, b::LayerGraph) = message(a) == message(b)
same_graph(::Body, ::Body) = true

"""
    untie(diagram, arrow, component = arrow) -> Diagram

The diagram with a component of its own, a copy, for an arrow that shares one. Throws a `BridgeError` for an unknown arrow,
one that shares nothing, and a name that a component has already.
"""
function untie(d::Diagram, name::AbstractString, own::AbstractString = name)
    d = canonical(d)
    known_elements(d, "arrows" => name)
    shared = component(d, arrow(d, name).component)
    count(a -> a.component == shared.name, d.arrows) > 1 ||
        refuse(element("arrow", name), "an arrow that shares its component",
               "component $(quoted(shared.name)) with this arrow alone", "component")
    haskey(components_by_name(d), own) &&
        refuse(element("component", own), "one component of that name", "two", "duplicate")
    copy = Component(String(own), shared.body, shared.has_parameters, shared.training)
    moved(a) = a.name == name ? Arrow(a.name, a.sources, a.targets, String(own)) : a
    return with_tables(d, Component[d.components; copy], Arrow[moved(a) for a in d.arrows])
end

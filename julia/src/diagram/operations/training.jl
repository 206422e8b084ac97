# Which components train: freezing and unfreezing.

"""
    freeze(diagram, components...; mode = "test") -> Diagram

The diagram with some components frozen: parameters are constants, gradients flow through to the inputs. They run in test
mode and their buffers never change; `mode = "train"` runs them in train mode. Throws a `BridgeError` for unknown components,
another mode, and where nothing would be left to train.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("two"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; x = x);

julia> f, g = (arrow!(d, name, x, x, Layers.linear(3, 3)) for name in ("f", "g"));

julia> agree!(d, f(data.x), g(data.x); by = mse());

julia> join((component.training for component in freeze(build(d), "g").components), ", ")
"TRAINABLE, FROZEN"
```
"""
function freeze(d::Diagram, components::AbstractString...; mode::AbstractString = "test")
    mode in ("test", "train") || refuse("mode", "'test' or 'train'", quoted(mode), "component")
    return with_training(d, components, mode == "test" ? FROZEN : FROZEN_TRAIN_MODE)
end

"""
    unfreeze(diagram, components...) -> Diagram

The diagram with some components trainable. Throws a `BridgeError` for unknown components.
"""
unfreeze(d::Diagram, components::AbstractString...) = with_training(d, components, TRAINABLE)

function with_training(d::Diagram, names, training::Training)
    d = canonical(d)
    isempty(names) && refuse(element("diagram", d.name), "the names of components", "none", "component")
    chosen = known_elements(d, "components" => names)["components"]
    changed(c) = c.name in chosen ? Component(c.name, c.body, c.has_parameters, training) : c
    return with_tables(d, Component[changed(c) for c in d.components], d.arrows)
end

"The diagram with other components and arrows, checked and canonical."
with_tables(d::Diagram, components::Vector{Component}, arrows::Vector{Arrow}) =
    canonical(Diagram(d.name, d.spaces, d.sources, components, arrows, d.terms, d.agreements, d.commutes, d.outputs, Memo()))

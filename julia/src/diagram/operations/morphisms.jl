# Morphisms: the ways to see one diagram in another.

"""
    Morphism

Where each element of one diagram goes in another, by name: its `spaces`, `sources`, `columns` (called `source.column`),
`components`, `arrows`, `agreements` and `commutes` are dictionaries. It preserves where things begin and end: f ↦ g
implies that f's spaces, component and so on go to g's. `after ∘ before` is the composite.
"""
struct Morphism
    spaces::Dict{String,String}
    sources::Dict{String,String}
    columns::Dict{String,String}
    components::Dict{String,String}
    arrows::Dict{String,String}
    agreements::Dict{String,String}
    commutes::Dict{String,String}
end

"The mapping of each kind."
kinds(m::Morphism) = map(field -> getfield(m, field), fieldnames(Morphism))

Base.:(==)(a::Morphism, b::Morphism) = kinds(a) == kinds(b)
Base.hash(m::Morphism, h::UInt) = hash(kinds(m), h)
Base.:∘(after::Morphism, before::Morphism) =
    Morphism((Dict(old => second[new] for (old, new) in first) for (first, second) in zip(kinds(before), kinds(after)))...)

"    is_injective(morphism) -> Bool\n\nWhether different elements go to different ones."
is_injective(m::Morphism) = all(names -> allunique(values(names)), kinds(m))

function Base.show(io::IO, m::Morphism)
    shown = ["$kind: $(join(("$old ↦ $(names[old])" for old in sort!(collect(keys(names)))), ", "))"
             for (kind, names) in zip(fieldnames(Morphism), kinds(m)) if !isempty(names)]
    print(io, "Morphism(", join(shown, "; "), ")")
end

"""
    morphisms(first, second; strict = false, injective = false, limit = 1000) -> Vector{Morphism}

Every map of the first diagram's spaces, sources, columns, components, arrows, agreements and commutes.

The maps preserve boundaries (the spaces and the component of an arrow, the source and the space of a column), the
divergence's kind and the terms left and right of an agreement and of its mask, and what commutes start at, lead to and list.
Names, weights, frozenness, attributes (of spaces, layers and divergences) and detach are ignored, unless `strict` is true or
names those that count: "names", "weights", "frozenness", "attributes", "detach". Outputs are left out. With `injective`,
only those that map different elements to different ones.

Throws a `BridgeError` where there are more than `limit`, and where the search takes too long.

```jldoctest
julia> using DiagramBridge

julia> function autoencoder(names...)
           d = Builder("autoencoder")
           x, z = space!(d, "x"; width = 3), space!(d, "z"; width = 2)
           data = source!(d, "data"; x = x)
           for name in names
               f = arrow!(d, name * "_in", x, z, Layers.linear(3, 2))
               g = arrow!(d, name * "_out", z, x, Layers.linear(2, 3))
               agree!(d, g(f(data.x)), data.x; by = mse())
           end
           return build(d)
       end;

julia> join((found.arrows["a_in"] for found in morphisms(autoencoder("a"), autoencoder("b", "c"))), ", ")
"b_in, c_in"
```
"""
function morphisms(first::Diagram, second::Diagram; strict = false, injective::Bool = false, limit::Integer = 1000)
    left, right = structures(first, second, strict)
    where, found = between(first, second), Morphism[]
    each_homomorphism(left, right, where; injective = injective) do images
        length(found) == limit && refuse(where, "at most $limit (limit=)", "more", "limit")
        push!(found, made_morphism(left, right, images))
        return true
    end
    return found
end

"""
    embeds(first, second; strict = false) -> Union{Morphism,Nothing}

A morphism that maps different elements to different ones, `nothing` where there is none. See `morphisms` for what it
preserves, and throws.
"""
function embeds(first::Diagram, second::Diagram; strict = false)
    left, right = structures(first, second, strict)
    found = Ref{Union{Morphism,Nothing}}(nothing)
    each_homomorphism(left, right, between(first, second); injective = true) do images
        found[] = made_morphism(left, right, images)
        return false
    end
    return found[]
end

"""
    isomorphic(first, second; strict = false) -> Union{Morphism,Nothing}

A morphism that has an inverse, `nothing` where there is none: then the diagrams differ in more than what is ignored. See
`morphisms` for what it preserves. Throws a `BridgeError` where the search takes too long.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x"; width = 3); data = source!(d, "data"; x = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(3, 3)); agree!(d, f(data.x), data.x; by = mse(), name = "same");

julia> isomorphic(build(d), rename(build(d); arrows = "f" => "g")).arrows["f"]
"g"
```
"""
function isomorphic(first::Diagram, second::Diagram; strict = false)
    left, right = structures(first, second, strict)
    images = find_isomorphism(left, right, element("diagram", first.name))
    return images === nothing ? nothing : made_morphism(left, right, images)
end

function structures(first::Diagram, second::Diagram, strict)
    counted = aspects(strict)
    return structure(canonical(first), counted), structure(canonical(second), counted)
end

between(first::Diagram, second::Diagram) =
    "morphisms from diagram $(quoted(first.name)) to diagram $(quoted(second.name))"

"The morphism that maps some vertices to others."
function made_morphism(left::Structure, right::Structure, images::Vector{Int})
    names = Dict(kind => Dict{String,String}() for kind in VERTEX_KINDS)
    for (vertex, image) in enumerate(images)
        old, new = left.elements[vertex], right.elements[image]
        old === nothing || !(first(old) in VERTEX_KINDS) || (names[first(old)][last(old)] = last(new)) # no term, no variable
    end
    return Morphism((names[kind] for kind in VERTEX_KINDS)...)
end

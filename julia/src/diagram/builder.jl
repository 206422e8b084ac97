# Writing a diagram down, so that it reads like the mathematics.

"""
    Builder(name = "diagram")

Writes one diagram. Names are unique for each kind of element; mistakes are refused where they are made, or by `build`.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("digits");

julia> image = space!(d, "image", Float32; row = 8, column = 8); logits = space!(d, "logits", Float32; klass = 10);

julia> digits = source!(d, "digits"; image = image, label = index!(d, "label"; classes = 10));

julia> student = arrow!(d, "student", image, logits, Layers.chain(Layers.flatten(), Layers.linear(64, 10)));

julia> student(digits.image)
student(digits.image)

julia> agree!(d, student(digits.image), digits.label; by = cross_entropy())

julia> println(build(d))
Diagram("digits"): 3 spaces, 1 arrow, 3 terms, 1 agreement
```
"""
struct Builder
    name::String
    spaces::Vector{Space}
    sources::Vector{Source}
    components::Vector{Component}
    arrows::Vector{Arrow}
    table::TermTable
    term_sources::Vector{Union{String,Nothing}}
    term_spaces::Vector{Space}
    agreements::Vector{Agreement}
    commutes::Vector{Tuple{Commute,Bool}} # with: whether all arrows are meant
    outputs::Vector{Output}
    places::Dict{Tuple{String,String},Int} # of an element in its table, by kind and name
end

function Builder(name::AbstractString = "diagram")
    check_label("diagram", name)
    return Builder(name, Space[], Source[], Component[], Arrow[], TermTable(), Union{String,Nothing}[], Space[], Agreement[],
                   Tuple{Commute,Bool}[], Output[], Dict{Tuple{String,String},Int}())
end

Base.show(io::IO, d::Builder) = print(io, "Builder(", repr(d.name), ")")

"A composite: a column, one output of an arrow applied to terms, or `detach` of a term."
struct TermHandle
    builder::Builder
    place::Int
end

space(t::TermHandle) = t.builder.term_spaces[t.place]
source_of(t::TermHandle) = t.builder.term_sources[t.place]

"A source of a builder: `digits.image` and `digits[\"image\"]` are its columns as terms."
struct SourceHandle
    builder::Builder
    name::String
    columns::Vector{Pair{String,TermHandle}}
end

function Base.getindex(s::SourceHandle, column::AbstractString)
    columns = getfield(s, :columns)
    place = findfirst(pair -> first(pair) == column, columns)
    place === nothing && refuse_unknown("source $(quoted(getfield(s, :name)))", "column", column, first.(columns))
    return columns[place].second
end

Base.getproperty(s::SourceHandle, column::Symbol) = s[String(column)]
Base.propertynames(s::SourceHandle, private::Bool = false) = map(pair -> Symbol(first(pair)), getfield(s, :columns))
Base.show(io::IO, s::SourceHandle) =
    print(io, "<source ", getfield(s, :name), ": ", join(map(first, getfield(s, :columns)), ", "), ">")

"A component of a builder. Arrows that are given the same one share its parameters."
struct ComponentHandle
    builder::Builder
    name::String
end

Base.show(io::IO, c::ComponentHandle) = print(io, "<component ", c.name, ">")

"An arrow of a builder: called on terms it gives a term, or a tuple of terms where it has several targets."
struct ArrowHandle
    builder::Builder
    name::String
end

has(d::Builder, kind, name) = haskey(d.places, (kind, name))
space(d::Builder, name::AbstractString) = d.spaces[d.places[("space", name)]]
component(d::Builder, name::AbstractString) = d.components[d.places[("component", name)]]

arrow_of(f::ArrowHandle) = f.builder.arrows[f.builder.places[("arrow", f.name)]]

"    component(arrow)\n\nWhat interprets an arrow of a builder, to be given to another arrow."
component(f::ArrowHandle) = ComponentHandle(f.builder, arrow_of(f).component)

Base.show(io::IO, f::ArrowHandle) = print(io, "<arrow ", f.name, ": ", boundary(arrow_of(f)), ">")

const DTYPES = (Float32 => FLOAT32, Float64 => FLOAT64, Int32 => INT32, Int64 => INT64, Bool => BOOLEAN)

function data_type(where, dtype)
    for (T, type) in DTYPES
        (dtype === T || dtype == type_name(type) || dtype === type) && return type
    end
    refuse(where, "a dtype ($(listing(collect(ELEMENT_TYPE_NAMES))))", quoted(string(dtype)), "space")
end

axis_of(name, size::Integer) = Axis(String(name), whole(size))
axis_of(name, size) = Axis(String(name), String(size))

add_axes(axes, sizes) = Axis[axis_of(name, size) for (name, size) in Iterators.flatten((axes, sizes))]

"Refuse a name that is none, or that an element of that kind has already."
function check_free(d::Builder, kind, name)
    kind in ("space", "source", "component", "arrow") ? check_name(kind, name) : check_label(kind, name)
    has(d, kind, name) && refuse(element(kind, name), "one $kind of that name", "two", "duplicate")
    return nothing
end

function add_new!(d::Builder, kind, elements::Vector, new)
    check_free(d, kind, new.name)
    push!(elements, new)
    d.places[(kind, new.name)] = length(elements)
    return new
end

function add_space!(d::Builder, space::Space)
    check_name("space", space.name)
    check_space(space)
    return add_new!(d, "space", d.spaces, space)
end

"""
    space!(d, name, type = Float32; axes = (), sizes...) -> Space

A new space. Each keyword is an axis with its size, or with the name of a variable that batches bind, in row-major order;
`axes` takes pairs instead, for axes whose names are no Julia names.
"""
space!(d::Builder, name::AbstractString, type = Float32; axes = (), sizes...) =
    add_space!(d, Space(name, data_type(element("space", name), type), add_axes(axes, sizes), 0))

"""
    index!(d, name; classes, type = Int64, axes = (), sizes...) -> Space

A new space of class indices 0 … classes−1, without axes unless some are given.
"""
function index!(d::Builder, name::AbstractString; classes::Integer, type = Int64, axes = (), sizes...)
    classes >= 1 || refuse(element("space", name), "at least one class", string(classes), "space")
    return add_space!(d, Space(name, data_type(element("space", name), type), add_axes(axes, sizes), whole(classes)))
end

"The space of a builder, by itself or by its name."
function space_of(d::Builder, where, wanted::Union{Space,AbstractString})
    name = wanted isa Space ? wanted.name : wanted
    has(d, "space", name) || refuse_unknown(where, "space", name, [space.name for space in d.spaces])
    known = space(d, name)
    wanted isa Space && wanted != known && refuse(where, show_space(known), show_space(wanted), "type")
    return known
end

"The one handle of a term."
function term!(d::Builder, term::Term, space::Space, source)
    place = intern!(d.table, term)
    if place > length(d.term_spaces)
        push!(d.term_spaces, space)
        push!(d.term_sources, source)
    end
    return TermHandle(d, place)
end

"""
    source!(d, name, columns = (); more...) -> SourceHandle

A new source with its columns, each into a space: `digits = source!(d, "digits"; image = image)`. The columns are terms,
`digits.image` or `digits["image"]`.
"""
function source!(d::Builder, name::AbstractString, columns = (); more...)
    where = element("source", name)
    made = Pair{String,Space}[]
    for (column, space) in Iterators.flatten((columns, more))
        check_name("column", String(column), "$where, a column's name")
        push!(made, String(column) => space_of(d, element("column", "$name.$column"), space))
    end
    isempty(made) && refuse(where, "at least one column", "none", "limit")
    add_new!(d, "source", d.sources, Source(name, [Column(column, space.name) for (column, space) in made]))
    terms = [column => term!(d, ColumnTerm(name, column), space, String(name)) for (column, space) in made]
    return SourceHandle(d, name, terms)
end

training(frozen::Union{Bool,Nothing}) = frozen === true ? FROZEN : TRAINABLE
training(frozen) = Symbol(frozen) == :train ? FROZEN_TRAIN_MODE :
                   refuse("frozen", "true, false or :train", quoted(string(frozen)), "component")

"""
    component!(d, name, body; frozen = false, has_parameters = nothing) -> ComponentHandle

A new component, to be given to several arrows, which then share its parameters. `body` is a layer or layer graph of
`Layers`, a `TorchReference` or a `JuliaReference`. `frozen` makes its parameters constants and runs it in test mode, or with
`:train` in train mode. A reference has parameters unless `has_parameters` says otherwise.
"""
component!(d::Builder, name::AbstractString, body; frozen = false, has_parameters = nothing) =
    add_component!(d, name, body, frozen, has_parameters, nothing)

function add_component!(d::Builder, name, body::Union{PortableLayer,LayerGraph}, frozen, given, inputs)
    graph = Layers.as_graph(body, inputs)
    return add_component!(d, name, graph, training(frozen), given === nothing ? has_parameters(graph) : given)
end

add_component!(d::Builder, name, body::Union{TorchReference,JuliaReference}, frozen, given, inputs) =
    add_component!(d, name, body, training(frozen), given === nothing ? true : given)

function add_component!(d::Builder, name, body::Body, training::Training, has_parameters::Bool)
    add_new!(d, "component", d.components, Component(name, body, has_parameters, training))
    return ComponentHandle(d, name)
end

"""
    arrow!(d, name, sources, targets, body; frozen = nothing, has_parameters = nothing) -> ArrowHandle

A new arrow from its source spaces to its target spaces, each one space or several. `body` is what `component!` takes, and
makes a component with the arrow's name; or a component, which then is shared.
"""
function arrow!(d::Builder, name::AbstractString, sources, targets, body; frozen = nothing, has_parameters = nothing)
    where = element("arrow", name)
    made = [spaces_of(d, where, spaces) for spaces in (sources, targets)]
    check_free(d, "arrow", name)
    used = body isa ComponentHandle ? shared(d, where, body, frozen) :
                add_component!(d, name, body, frozen, has_parameters, length(made[1]))
    add_new!(d, "arrow", d.arrows, Arrow(name, made[1], made[2], used.name))
    return ArrowHandle(d, name)
end

function shared(d::Builder, where, handle::ComponentHandle, frozen)
    handle.builder === d || refuse(where, "a component of this builder", string(handle), "component")
    known = component(d, handle.name)
    frozen === nothing || training(frozen) == known.training ||
        refuse(where, "a shared component to be frozen for all of its arrows",
               "frozen=$frozen for component $(quoted(known.name)), which is $(lowercase(string(known.training)))",
               "component")
    return handle
end

spaces_of(d::Builder, where, space::Union{Space,AbstractString}) = [space_of(d, where, space).name]
spaces_of(d::Builder, where, spaces) = String[space_of(d, where, space).name for space in spaces]

function (f::ArrowHandle)(arguments::TermHandle...)
    d, arrow, where = f.builder, arrow_of(f), element("arrow", f.name)
    length(arguments) == length(arrow.sources) ||
        refuse(where, "$(length(arrow.sources)) arguments", string(length(arguments)), "type")
    for (place, (argument, wanted)) in enumerate(zip(arguments, arrow.sources))
        require_own(d, inside(where, "argument $(place - 1)"), argument)
        space(argument).name == wanted ||
            refuse(inside(where, "argument $(place - 1)"), show_space(space(d, wanted)), show_space(space(argument)), "type")
    end
    below = unique(source_of(argument) for argument in arguments if source_of(argument) !== nothing)
    length(below) > 1 && refuse(where, "arguments of one source", "columns of $(listing(below))", "source")
    places = Int[argument.place for argument in arguments]
    outputs = [term!(d, OutputTerm(f.name, places, output), space(d, target), isempty(below) ? nothing : below[1])
               for (output, target) in enumerate(arrow.targets)]
    return length(outputs) == 1 ? outputs[1] : Tuple(outputs)
end

function require_own(d::Builder, where, term::TermHandle)
    term.builder === d || refuse(where, "a term of builder $(quoted(d.name))", "$term of another one", "type")
    return term.place
end

require_own(::Builder, where, terms::Tuple) =
    refuse(where, "one term (an arrow with several targets gives a tuple)", "a tuple of $(length(terms))", "type")

"    detach(term)\n\nThe term's value, with no gradient to anything below it."
Base.detach(t::TermHandle) = term!(t.builder, DetachTerm(t.place), space(t), source_of(t))

"""
    agree!(d, left, right; by, weight = 1, name = "", where = nothing)

Two terms should agree; left is the prediction, right the target, and gradients flow into both. `by` measures how far they
are apart, `weight` multiplies it in the total, and `where` is a mask: a non-negative number per sample, or per element
without the class axis. The name is `left~right` unless it is given.
"""
function agree!(d::Builder, left, right; by::Divergence, weight = 1.0, name = "", where = nothing)
    called = labelled(d, "agreement", name, length(d.agreements))
    sides = [require_own(d, inside(called, side), term) for (side, term) in (("left", left), ("right", right))]
    mask = where === nothing ? nothing : require_own(d, inside(called, "mask"), where)
    isempty(name) || (d.places[("agreement", name)] = length(d.agreements) + 1)
    push!(d.agreements, Agreement(name, sides[1], sides[2], by, Float64(weight), mask))
    return nothing
end

"How an error calls a new agreement or commute, whose label is checked if it has one."
function labelled(d::Builder, kind, name, place)
    isempty(name) && return Where(nothing, "$kind $place", nothing, "")
    check_free(d, kind, name)
    return element(kind, name)
end

"""
    commute!(d, start, target; by, weight = 1, pairing = :star, max_length = 0, max_paths = 4096, arrows = nothing,
             name = "")

Every path from the start to the target space should agree: with the first (`:star`), or all with all (`:all`). `start` is a
term, or a source: paths then begin with any of its columns. Paths follow `arrows`, by default all of the diagram that have
one source and one target space; their order there, by default of declaration, orders the paths. `max_length` bounds the
arrows of a path, and is needed where a cycle lies on some path.
"""
function commute!(d::Builder, start::Union{SourceHandle,TermHandle}, target; by::Divergence, weight = 1.0, pairing = :star,
                  max_length = 0, max_paths = 4096, arrows = nothing, name = "")
    called = labelled(d, "commute", name, length(d.commutes))
    from = start isa SourceHandle ? getfield(start, :name) : require_own(d, inside(called, "start"), start)
    pairs = Dict("star" => STAR, "all" => ALL)
    haskey(pairs, string(pairing)) || refuse(inside(called, "pairing"), "'star' or 'all'", quoted(string(pairing)), "type")
    listed = arrows === nothing ? String[] : String[a isa ArrowHandle ? a.name : a for a in arrows]
    commute = Commute(name, from, space_of(d, inside(called, "target"), target).name, listed, by, Float64(weight),
                      pairs[string(pairing)], max_length, max_paths)
    isempty(name) || (d.places[("commute", name)] = length(d.commutes) + 1)
    push!(d.commutes, (commute, arrows === nothing))
    return nothing
end

"    output!(d, name, term)\n\nA term that is wanted by name, such as a prediction."
function output!(d::Builder, name::AbstractString, term)
    add_new!(d, "output", d.outputs, Output(name, require_own(d, element("output", name), term)))
    return nothing
end

"    build(d::Builder) -> Diagram\n\nThe diagram, checked and in canonical form."
function build(d::Builder)
    every = String[a.name for a in d.arrows if length(a.sources) == length(a.targets) == 1]
    commutes = [is_all ? with_arrows(commute, every) : commute for (commute, is_all) in d.commutes]
    return canonical(Diagram(d.name, copy(d.spaces), copy(d.sources), copy(d.components), copy(d.arrows),
                             copy(d.table.terms), copy(d.agreements), commutes, copy(d.outputs), Memo()))
end

with_arrows(c::Commute, arrows) =
    Commute(c.name, c.start, c.target, arrows, c.divergence, c.weight, c.pairing, c.max_length, c.max_paths)

divergence(name::String, attributes::Pair...) =
    Divergence(name, resolve("divergence '$name'", definition(Divergence(name, Attributes()), name).attributes, attributes,
                             "divergence"))

# Formulas in docs/semantics.md; names and arguments as in Python, where each may be given by its name too.
mse() = divergence("mse")
mae() = divergence("mae")
huber(d = 1.0; delta = d) = divergence("huber", "delta" => delta)
cross_entropy(s = 0.0, a = ""; label_smoothing = s, axis = a) =
    divergence("cross_entropy", "label_smoothing" => label_smoothing, "axis" => string(axis))
binary_cross_entropy() = divergence("binary_cross_entropy")
kl(t = 1.0, a = ""; temperature = t, axis = a) = divergence("kl", "temperature" => temperature, "axis" => string(axis))
cosine(a = ""; axis = a) = divergence("cosine", "axis" => string(axis))
info_nce(t = 0.07, s = false, a = ""; temperature = t, symmetric = s, axis = a) =
    divergence("info_nce", "temperature" => temperature, "symmetric" => symmetric, "axis" => string(axis))

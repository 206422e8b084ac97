# The diagram in memory: plain data that knows nothing of files or engines. Elements name each other; terms, values of layer
# graphs and outputs of arrows are referred to by their places, which count from 1 here and from 0 in files and errors.

@enum ElementType::UInt8 FLOAT32 FLOAT64 INT32 INT64 BOOLEAN

const ELEMENT_TYPE_NAMES = ("float32", "float64", "int32", "int64", "bool")

type_name(type::ElementType) = ELEMENT_TYPE_NAMES[Int(type) + 1]
is_float(type::ElementType) = type == FLOAT32 || type == FLOAT64

"""
    Axis(name, size)

A named axis of a sample: a size, or the name of a variable that each batch binds.
"""
struct Axis
    name::String
    size::Size
end

"""
    Space(name, type, axes = [], classes = 0)

The type of one sample: element type, named axes in row-major order (no batch axis), and `classes` > 0 for an index space,
whose values are 0 … classes−1 in files and batches.
"""
struct Space
    name::String
    type::ElementType
    axes::Vector{Axis}
    classes::Int
end

Space(name, type, axes = Axis[]) = Space(name, type, axes, 0)

is_index(space::Space) = space.classes > 0
shape(space::Space) = SampleShape([axis.size for axis in space.axes])

"An arrow out of a source into a space."
struct Column
    name::String
    space::String
end

"A data set with its columns."
struct Source
    name::String
    columns::Vector{Column}
end

"Whether a component's parameters train, and which mode it runs in: frozen ones are constants, in test mode."
@enum Training::UInt8 TRAINABLE FROZEN FROZEN_TRAIN_MODE

"""
    PortableLayer(operation, version, attributes)

An operation of the portable layer set with its resolved attributes: data, of which `build` makes the native `Layer`.
"""
struct PortableLayer
    operation::String
    version::Int
    attributes::Attributes
end

"A layer applied to values of its graph; it makes `outputs` new values. `name` is the first part of its parameters' paths."
struct Node
    name::String
    layer::PortableLayer
    inputs::Vector{Int}
    outputs::Int
end

"""
A straight-line program of layers. Values are numbered: inputs first, then each node's outputs in order. `ties` are paths: a
parameter or buffer, and its owner, the one before it that it is.
"""
struct LayerGraph
    inputs::Int
    nodes::Vector{Node}
    outputs::Vector{Int}
    ties::Vector{Pair{String,String}}
end

LayerGraph(inputs, nodes, outputs) = LayerGraph(inputs, nodes, outputs, Pair{String,String}[])

"A PyTorch module, by a name that the caller binds or a `module:Name` that the caller trusts."
struct TorchReference
    name::String
end

"A Flux model or a native component of the user's, by a name registered in Julia."
struct JuliaReference
    name::String
end

const Body = Union{LayerGraph,TorchReference,JuliaReference}

"What interprets an arrow. Arrows that name the same component share its parameters."
struct Component
    name::String
    body::Body
    has_parameters::Bool
    training::Training
end

is_frozen(component::Component) = component.training != TRAINABLE
trains(component::Component) = component.has_parameters && !is_frozen(component)

"An edge from the product of its source spaces to the product of its target spaces."
struct Arrow
    name::String
    sources::Vector{String}
    targets::Vector{String}
    component::String
end

"A column of a source."
struct ColumnTerm
    source::String
    column::String
end

"One output of an arrow applied to terms."
struct OutputTerm
    arrow::String
    arguments::Vector{Int}
    output::Int
end

"The value of a term, without a gradient to anything below it."
struct DetachTerm
    argument::Int
end

"A composite: a column, one output of an arrow applied to terms, or the detach of a term."
const Term = Union{ColumnTerm,OutputTerm,DetachTerm}

const NO_ARGUMENTS = Int[]

"The terms that a term is made of, left to right."
arguments(term::OutputTerm) = term.arguments
arguments(term::DetachTerm) = [term.argument]
arguments(::ColumnTerm) = NO_ARGUMENTS

"How far apart two values are: a row of `DIVERGENCES` with its resolved attributes."
struct Divergence
    name::String
    attributes::Attributes
end

"Two parallel terms that should agree; left is the prediction, right the target."
struct Agreement
    name::String
    left::Int
    right::Int
    divergence::Divergence
    weight::Float64
    mask::Union{Int,Nothing}
end

"Which paths of a commute are compared: path k against path 1, or each with each."
@enum Pairing::UInt8 STAR ALL

"""
Every path from the start (a source's name, or a term) to the target space agrees. `arrows` are in declaration order,
which orders the paths. `max_length` counts arrows after the start; 0 is no bound.
"""
struct Commute
    name::String
    start::Union{String,Int}
    target::String
    arrows::Vector{String}
    divergence::Divergence
    weight::Float64
    pairing::Pairing
    max_length::Int
    max_paths::Int
end

"A term that is wanted by name, such as a prediction."
struct Output
    name::String
    term::Int
end

"A diagram's terms followed by those that commutes add, and its agreements followed by those of each commute."
struct Expansion
    terms::Vector{Term}
    agreements::Vector{Agreement}
end

"What is computed from a diagram once; no part of its value."
mutable struct Memo
    checked::Bool
    canonical::Bool
    spaces::Union{Nothing,Dict{String,Space}}
    sources::Union{Nothing,Dict{String,Source}}
    columns::Union{Nothing,Dict{Tuple{String,String},Column}}
    components::Union{Nothing,Dict{String,Component}}
    arrows::Union{Nothing,Dict{String,Arrow}}
    term_spaces::Union{Nothing,Vector{String}}
    term_sources::Union{Nothing,Vector{Union{String,Nothing}}}
    expansion::Union{Nothing,Expansion}
    bytes::Union{Nothing,Vector{UInt8}}
end

Memo() = Memo(false, false, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)

"""
    Diagram(name; spaces, sources, components, arrows, terms, agreements, commutes, outputs)

A learning diagram: which spaces there are, which components map between them, and which composites have to agree. One that
came from a `Builder` or a file is checked and in canonical form. Its tables are not to be changed.
"""
struct Diagram
    name::String
    spaces::Vector{Space}
    sources::Vector{Source}
    components::Vector{Component}
    arrows::Vector{Arrow}
    terms::Vector{Term}
    agreements::Vector{Agreement}
    commutes::Vector{Commute}
    outputs::Vector{Output}
    memo::Memo
end

Diagram(name; spaces = Space[], sources = Source[], components = Component[], arrows = Arrow[], terms = Term[],
        agreements = Agreement[], commutes = Commute[], outputs = Output[]) =
    Diagram(name, spaces, sources, components, arrows, terms, agreements, commutes, outputs, Memo())

const Plain = Union{Axis,Space,Column,Source,PortableLayer,Node,LayerGraph,TorchReference,JuliaReference,Component,Arrow,
                    ColumnTerm,OutputTerm,DetachTerm,Divergence,Agreement,Commute,Output}

Base.:(==)(a::T, b::T) where {T<:Plain} = all(i -> isequal(getfield(a, i), getfield(b, i)), 1:fieldcount(T))
Base.hash(value::Plain, h::UInt) =
    foldl((h, i) -> hash(getfield(value, i), h), 1:nfields(value); init = hash(typeof(value), h))

# The keys of large tables, written out: the general ones look fields up as the program runs.
Base.:(==)(a::OutputTerm, b::OutputTerm) = a.arrow == b.arrow && a.output == b.output && a.arguments == b.arguments
Base.hash(t::OutputTerm, h::UInt) = hash(t.arrow, foldl((h, k) -> hash(k, h), t.arguments; init = hash(t.output, h)))
Base.:(==)(a::ColumnTerm, b::ColumnTerm) = a.source == b.source && a.column == b.column
Base.hash(t::ColumnTerm, h::UInt) = hash(t.source, hash(t.column, h ⊻ 0x5c))
Base.:(==)(a::DetachTerm, b::DetachTerm) = a.argument == b.argument
Base.hash(t::DetachTerm, h::UInt) = hash(t.argument, h ⊻ 0xd7)

Base.:(==)(a::Diagram, b::Diagram) =
    a === b || all(i -> isequal(getfield(a, i), getfield(b, i)), 1:(fieldcount(Diagram) - 1))
Base.hash(d::Diagram, h::UInt) = hash(d.name, hash(d.terms, hash(d.agreements, h ⊻ 0xd1)))

by_name(elements::Vector{T}) where {T} = Dict{String,T}(element.name => element for element in elements)

# Tables by name, made at the first look-up.
function spaces_by_name(d::Diagram)
    known = d.memo.spaces
    return known === nothing ? (d.memo.spaces = by_name(d.spaces))::Dict{String,Space} : known
end

function sources_by_name(d::Diagram)
    known = d.memo.sources
    return known === nothing ? (d.memo.sources = by_name(d.sources))::Dict{String,Source} : known
end

function components_by_name(d::Diagram)
    known = d.memo.components
    return known === nothing ? (d.memo.components = by_name(d.components))::Dict{String,Component} : known
end

function arrows_by_name(d::Diagram)
    known = d.memo.arrows
    return known === nothing ? (d.memo.arrows = by_name(d.arrows))::Dict{String,Arrow} : known
end

function columns_by_name(d::Diagram)
    known = d.memo.columns
    known === nothing || return known
    columns = Dict{Tuple{String,String},Column}((s.name, c.name) => c for s in d.sources for c in s.columns)
    return d.memo.columns = columns
end

space(d::Diagram, name::AbstractString) = spaces_by_name(d)[name]
component(d::Diagram, name::AbstractString) = components_by_name(d)[name]
arrow(d::Diagram, name::AbstractString) = arrows_by_name(d)[name]
component_of(d::Diagram, term::OutputTerm) = component(d, arrow(d, term.arrow).component)

"Axes with their sizes: `(row=8, step=length)`."
axes_text(axes) = string('(', join(("$(a.name)=$(a.size)" for a in axes), ", "), ')')

"What a space is, without its name: `int64 () with 10 classes`."
space_text(s::Space) = string(type_name(s.type), ' ', axes_text(s.axes), is_index(s) ? " with $(s.classes) classes" : "")

"A space by name, with what it is."
show_space(s::Space) = "space $(quoted(s.name)) ($(space_text(s)))"

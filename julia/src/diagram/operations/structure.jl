# A diagram as a structure of sets and functions, which is what morphisms preserve.
#
# Its vertices are the spaces, sources, columns, components, arrows, agreements and commutes, and the terms that agreements
# and commutes are made of. Each vertex has a label and a row of edges, functions to other vertices: a column has its source
# and its space, an arrow its component and its spaces, a term its arrow and its arguments, an agreement its sides. The term
# that is a column is the column. Outputs only give names to terms and are left out. Where attributes count, the variables of
# axes are vertices too. Labels hold the kind of a vertex, how many edges of which meaning it has, and a divergence's name;
# names, weights, frozenness and attributes are in them, and detached terms are vertices, where they are asked for.

"What morphisms ignore unless they are strict about it."
const ASPECTS = ("names", "weights", "frozenness", "attributes", "detach")

"The kinds of vertices that are elements, in the order in which they are listed."
const VERTEX_KINDS = ("spaces", "sources", "columns", "components", "arrows", "agreements", "commutes")

"The aspects that `strict` names: all of them for true, none for false."
aspects(strict::Bool) = Set{String}(strict ? ASPECTS : ())

function aspects(strict)
    named = name_set(strict)
    for name in sort!(collect(setdiff(named, ASPECTS)))
        refuse("strict", "True, False or some of $(listing(collect(ASPECTS)))", quoted(name), "diagram")
    end
    return named
end

const Label = Vector{Any}

"Vertices by number: their labels, their edges, and for those that are elements the kind and name."
struct Structure
    labels::Vector{Label}
    edges::Vector{Vector{Int}}
    elements::Vector{Union{Tuple{String,String},Nothing}}
end

Base.length(s::Structure) = length(s.labels)

"A structure that is being made: the aspects that count, and the number of each element's vertex. Ends of edges come first."
struct StructureMaker
    strict::Set{String}
    made::Structure
    places::Dict{Tuple{String,String},Int}
end

"The structure of a canonical diagram, with the aspects that count."
function structure(d::Diagram, strict::Set{String})
    m = StructureMaker(strict, Structure(Label[], Vector{Int}[], []), Dict{Tuple{String,String},Int}())
    add_spaces!(m, d)
    for source in d.sources
        add!(m, "sources", source.name, Int[])
        for column in source.columns
            add!(m, "columns", column_name(source.name, column.name),
                 [m.places[("sources", source.name)], m.places[("spaces", column.space)]])
        end
    end
    for c in d.components
        add!(m, "components", c.name, Int[],
             Any[where_counts(m, "attributes", c.body, c.has_parameters); where_counts(m, "frozenness", c.training)])
    end
    for a in d.arrows
        edges = Int[m.places[("components", a.component)]]
        append!(edges, Int[m.places[("spaces", space)] for spaces in (a.sources, a.targets) for space in spaces])
        add!(m, "arrows", a.name, edges, Any[length(a.sources), length(a.targets)])
    end
    place = add_terms!(m, d)
    foreach(agreement -> add!(m, agreement, place), d.agreements)
    foreach(commute -> add!(m, commute, place), d.commutes)
    return m.made
end

"The values where an aspect counts, else nothing."
where_counts(m::StructureMaker, aspect, values...) = aspect in m.strict ? Any[values...] : Any[]

"One more vertex, which is an element."
function add!(m::StructureMaker, kind::String, name::String, edges::Vector{Int}, label::Label = Any[])
    own = kind == "columns" ? last(split_column(name)) : name
    add_vertex!(m, Any[kind; label; where_counts(m, "names", own)], edges, (kind, name))
    m.places[(kind, name)] = length(m.made)
    return nothing
end

function add_vertex!(m::StructureMaker, label::Label, edges::Vector{Int}, element)
    push!(m.made.labels, label)
    push!(m.made.edges, edges)
    push!(m.made.elements, element)
    return length(m.made)
end

function add_spaces!(m::StructureMaker, d::Diagram)
    counts = "attributes" in m.strict
    variables = counts ? sort!(collect(all_elements(d)["variables"])) : String[]
    foreach(name -> add!(m, "variables", name, Int[]), variables)
    for space in d.spaces
        axes = [(axis.name, axis.size isa Int ? axis.size : 0) for axis in space.axes] # 0: a variable
        edges = Int[m.places[("variables", axis.size)] for axis in space.axes if counts && axis.size isa String]
        add!(m, "spaces", space.name, edges, where_counts(m, "attributes", space.type, axes, space.classes))
    end
    return nothing
end

function add!(m::StructureMaker, a::Agreement, place::Vector{Int})
    sides = a.mask === nothing ? [a.left, a.right] : [a.left, a.right, a.mask]
    label = Any[a.divergence.name, length(sides), where_counts(m, "attributes", a.divergence.attributes)...,
                where_counts(m, "weights", a.weight)...]
    return add!(m, "agreements", a.name, place[sides], label)
end

function add!(m::StructureMaker, c::Commute, place::Vector{Int})
    start = c.start isa String ? m.places[("sources", c.start)] : place[c.start]
    edges = Int[start, m.places[("spaces", c.target)], (m.places[("arrows", name)] for name in c.arrows)...]
    label = Any[c.divergence.name, c.pairing, c.start isa String, length(c.arrows), where_counts(m, "weights", c.weight)...,
                where_counts(m, "attributes", c.divergence.attributes, c.max_length, c.max_paths)...]
    return add!(m, "commutes", c.name, edges, label)
end

"The vertex of each term that is needed, 0 for others; equal ones have the same."
function add_terms!(m::StructureMaker, d::Diagram)
    found, place = Dict{Tuple{Label,Vector{Int}},Int}(), zeros(Int, length(d.terms))
    for number in below(d.terms, roots(d.agreements, d.commutes, Output[]))
        place[number] = vertex!(m, d.terms[number], place, found)
    end
    return place
end

vertex!(m::StructureMaker, term::ColumnTerm, ::Vector{Int}, found) =
    m.places[("columns", column_name(term.source, term.column))]

vertex!(m::StructureMaker, term::OutputTerm, place::Vector{Int}, found) =
    term_vertex!(m, found, Any["terms", term.output, length(term.arguments)],
                 Int[m.places[("arrows", term.arrow)]; place[term.arguments]])

vertex!(m::StructureMaker, term::DetachTerm, place::Vector{Int}, found) =
    "detach" in m.strict ? term_vertex!(m, found, Any["terms", "detach"], [place[term.argument]]) : place[term.argument]

term_vertex!(m::StructureMaker, found, label::Label, edges::Vector{Int}) =
    get!(() -> add_vertex!(m, label, edges, nothing), found, (label, edges))

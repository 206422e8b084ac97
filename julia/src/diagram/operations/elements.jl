# Sets of a diagram's elements by kind, and what elements need. A column is called `source.column` here. An element *needs*
# what it is made of: an arrow its component and its spaces, a column its source and its space, a space the variables of its
# axes, an agreement, a commute or an output the columns and arrows of its terms.

const ElementNames = Dict{String,Set{String}}

"Each kind of element: the word for several, and for one."
const KINDS = ("spaces" => "space", "variables" => "variable", "sources" => "source", "columns" => "column",
               "components" => "component", "arrows" => "arrow", "agreements" => "agreement", "commutes" => "commute",
               "outputs" => "output")

word_of(kind::String) = KINDS[findfirst(pair -> first(pair) == kind, KINDS)].second

column_name(source::String, column::String) = "$source.$column"

function split_column(name::String)
    source, column = split(name, '.'; limit = 2)
    return String(source), String(column)
end

column(d::Diagram, name::String) = columns_by_name(d)[split_column(name)]

"The names of everything in a diagram."
all_elements(d::Diagram) = ElementNames(
    "spaces" => names_of(d.spaces),
    "variables" => Set{String}(axis.size for space in d.spaces for axis in space.axes if axis.size isa String),
    "sources" => names_of(d.sources),
    "columns" => Set{String}(column_name(source.name, column.name) for source in d.sources for column in source.columns),
    "components" => names_of(d.components),
    "arrows" => names_of(d.arrows),
    "agreements" => names_of(d.agreements),
    "commutes" => names_of(d.commutes),
    "outputs" => names_of(d.outputs))

names_of(elements::Vector) = Set{String}(element.name for element in elements)

# One name may be given as it is, and kinds as a named tuple, a dictionary or pairs.
name_set(name::AbstractString) = Set{String}((String(name),))
name_set(names) = Set{String}(names)
by_kind(given::NamedTuple) = Dict{String,Any}(String(kind) => names for (kind, names) in pairs(given))
by_kind(given::Pair) = Dict{String,Any}(String(first(given)) => last(given))
by_kind(given) = Dict{String,Any}(String(kind) => names for (kind, names) in given)

"The names that were given for some kinds, as sets; unknown kinds and names are refused."
function known_elements(d::Diagram, given)
    known, chosen, where = all_elements(d), ElementNames(), element("diagram", d.name)
    for (kind, names) in sort!(collect(by_kind(given)); by = first)
        haskey(known, kind) ||
            refuse(where, "kinds of elements ($(listing(collect(map(first, KINDS)))))", quoted(kind), "diagram")
        chosen[kind] = name_set(names)
        for name in sort!(collect(setdiff(chosen[kind], known[kind])))
            refuse_unknown(where, word_of(kind), name, sort!(collect(known[kind])))
        end
    end
    return chosen
end

"The columns with which the paths of a commute that starts at a source begin, in the order of the paths."
columns_of(d::Diagram, commute::Commute) =
    String[column_name(start.source, start.column) for (start, _) in find_routes(d, commute).starts if start isa ColumnTerm]

"Refuse a diagram in which the paths of a commute begin with other columns than before, or in another order."
function same_paths(d::Diagram, commute::Commute, wanted::Vector{String})
    found = columns_of(d, commute)
    found == wanted ||
        refuse(element("commute", commute.name), "the paths to begin with columns $(listing(wanted)), in that order",
               listing(found), "paths")
    return nothing
end

"The chosen elements of a sound diagram and all that they need, for every kind."
function with_needs(d::Diagram, chosen::ElementNames)
    found = ElementNames(kind => Set{String}(get(chosen, kind, String[])) for (kind, _) in KINDS)
    commutes = filter(commute -> commute.name in found["commutes"], d.commutes)
    named = roots(filter(agreement -> agreement.name in found["agreements"], d.agreements), commutes,
                  filter(output -> output.name in found["outputs"], d.outputs))
    for place in below(d.terms, named)
        term = d.terms[place]
        term isa ColumnTerm && push!(found["columns"], column_name(term.source, term.column))
        term isa OutputTerm && push!(found["arrows"], term.arrow)
    end
    for commute in commutes
        union!(found["arrows"], commute.arrows)
        push!(found["spaces"], commute.target)
        commute.start isa String || continue
        push!(found["sources"], commute.start)
        union!(found["columns"], columns_of(d, commute))
    end
    for name in found["arrows"]
        known = arrow(d, name)
        push!(found["components"], known.component)
        union!(found["spaces"], known.sources, known.targets)
    end
    for name in found["columns"]
        push!(found["sources"], first(split_column(name)))
        push!(found["spaces"], column(d, name).space)
    end
    for name in found["spaces"], axis in space(d, name).axes
        axis.size isa String && push!(found["variables"], axis.size)
    end
    return found
end

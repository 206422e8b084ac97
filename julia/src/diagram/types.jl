# The type of each term: its space, and the one source of the columns below it. One pass over the table each.

"The space of each term of a diagram whose references are sound."
function term_spaces(d::Diagram)
    known = d.memo.term_spaces
    known === nothing || return known
    spaces = String[]
    sizehint!(spaces, length(d.terms))
    for term in d.terms
        push!(spaces, term isa ColumnTerm ? columns_by_name(d)[(term.source, term.column)].space :
                      term isa OutputTerm ? arrow(d, term.arrow).targets[term.output] : spaces[term.argument])
    end
    return d.memo.term_spaces = spaces
end

"The source of each term, `nothing` where no column is below it; two sources below one term are refused."
function term_sources(d::Diagram)
    known = d.memo.term_sources
    known === nothing || return known
    sources = Union{String,Nothing}[]
    sizehint!(sources, length(d.terms))
    for (place, term) in enumerate(d.terms)
        push!(sources, term isa ColumnTerm ? term.source : source_below(d, term, place, sources))
    end
    return d.memo.term_sources = sources
end

function source_below(d::Diagram, term::Union{OutputTerm,DetachTerm}, place::Int, sources)
    found = nothing
    for argument in arguments(term)
        source = sources[argument]
        (source === nothing || source == found) && continue
        found === nothing || refuse_sources(d, term, place, sources)
        found = source
    end
    return found
end

@noinline function refuse_sources(d, term, place, sources)
    names = unique(filter(s -> s !== nothing, sources[arguments(term)]))
    refuse(term_element(term, place), "columns of one source below it", "columns of $(join(map(quoted, names), " and "))",
           "source")
end

"Whether a trainable parameter is at or below each term, with no detach in between."
function term_trains(d::Diagram, terms::Vector{Term})
    found = falses(length(terms))
    for (place, term) in enumerate(terms)
        term isa OutputTerm || continue
        found[place] = trains(component_of(d, term)) || any(k -> found[k], term.arguments)
    end
    return found
end

"How an error calls a term, which has no name: by its place and what it is made of first."
term_element(term::ColumnTerm, place) = "term $(place - 1) (column $(quoted("$(term.source).$(term.column)")))"
term_element(term::OutputTerm, place) = "term $(place - 1) (arrow $(quoted(term.arrow)))"
term_element(::DetachTerm, place) = "term $(place - 1) (detach)"

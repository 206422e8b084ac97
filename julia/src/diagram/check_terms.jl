# The part of the checker that looks at terms (see check.jl).

"Terms refer to what there is, and to terms before them."
function check_terms(d::Diagram)
    for (place, term) in enumerate(d.terms)
        check_references(d, term, place)
        for argument in arguments(term)
            1 <= argument < place ||
                refuse(term_element(term, place), "arguments that come before it", "term $(argument - 1)", "unknown")
        end
    end
    return nothing
end

check_references(::Diagram, ::DetachTerm, ::Int) = nothing

function check_references(d::Diagram, term::ColumnTerm, place::Int)
    haskey(columns_by_name(d), (term.source, term.column)) && return nothing
    where = term_element(term, place)
    source = findfirst(source -> source.name == term.source, d.sources)
    source === nothing && refuse_unknown(where, "source", term.source, [source.name for source in d.sources])
    refuse_unknown(where, "column of source $(quoted(term.source))", term.column,
                   [column.name for column in d.sources[source].columns])
end

function check_references(d::Diagram, term::OutputTerm, place::Int)
    known = get(arrows_by_name(d), term.arrow, nothing)
    known === nothing && refuse_unknown(term_element(term, place), "arrow", term.arrow, [arrow.name for arrow in d.arrows])
    outputs, inputs = length(known.targets), length(known.sources)
    1 <= term.output <= outputs ||
        refuse(term_element(term, place), "an output from 0 to $(outputs - 1)", "output $(term.output - 1)", "unknown")
    length(term.arguments) == inputs ||
        refuse(term_element(term, place), "$inputs arguments", string(length(term.arguments)), "type")
    return nothing
end

"Each argument lies in the space that its arrow wants there, and all columns below a term are of one source."
function check_composition(d::Diagram)
    spaces = term_spaces(d)
    for (place, term) in enumerate(d.terms)
        term isa OutputTerm || continue
        for (position, (argument, wanted)) in enumerate(zip(term.arguments, arrow(d, term.arrow).sources))
            spaces[argument] == wanted ||
                refuse("$(term_element(term, place)), argument $(position - 1)", show_space(space(d, wanted)),
                       show_space(space(d, spaces[argument])), "type")
        end
    end
    term_sources(d)
    return nothing
end

"Refuse the number of a term that there isn't."
require_term(d::Diagram, term::Int, where) =
    1 <= term <= length(d.terms) ? nothing : refuse(where, "one of $(length(d.terms)) terms", "term $(term - 1)", "unknown")

"Outputs are terms."
check_outputs(d::Diagram) = foreach(output -> require_term(d, output.term, element("output", output.name)), d.outputs)

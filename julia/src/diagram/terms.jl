# Tables of terms: equal terms are one, and arguments come before the terms that use them.

"A growing table of terms in which equal terms are one."
struct TermTable
    terms::Vector{Term}
    places::Dict{Term,Int}
end

TermTable() = TermTable(Term[], Dict{Term,Int}())

function TermTable(terms::Vector{Term})
    table = TermTable(copy(terms), Dict{Term,Int}())
    sizehint!(table.places, length(terms))
    foreach(k -> table.places[terms[k]] = k, 1:length(terms))
    return table
end

"The place of a term whose arguments are in the table."
function intern!(table::TermTable, term::Term)
    place = get!(table.places, term, length(table.terms) + 1)
    place > length(table.terms) && push!(table.terms, term)
    return place
end

"The term with its arguments at their new places."
moved(term::OutputTerm, place::Vector{Int}) = OutputTerm(term.arrow, place[term.arguments], term.output)
moved(term::DetachTerm, place::Vector{Int}) = DetachTerm(place[term.argument])
moved(term::ColumnTerm, ::Vector{Int}) = term

# What names terms, with them at their new places.
moved(a::Agreement, place::Vector{Int}) =
    Agreement(a.name, place[a.left], place[a.right], a.divergence, a.weight, a.mask === nothing ? nothing : place[a.mask])
moved(c::Commute, place::Vector{Int}) =
    Commute(c.name, c.start isa Int ? place[c.start] : c.start, c.target, c.arrows, c.divergence, c.weight, c.pairing,
            c.max_length, c.max_paths)
moved(output::Output, place::Vector{Int}) = Output(output.name, place[output.term])

"The places of some terms and of all that they are made of, ascending: arguments first."
function below(terms::Vector{Term}, places)
    found = Set{Int}(places)
    stack = collect(found)
    while !isempty(stack)
        for argument in arguments(terms[pop!(stack)])
            argument in found && continue
            push!(found, argument)
            push!(stack, argument)
        end
    end
    return sort!(collect(found))
end

"""
    post_order(terms, roots) -> (terms, place)

The terms that the roots reach, arguments first and each once, and for every old place the new one, or 0.
"""
function post_order(terms::Vector{Term}, roots::Vector{Int})
    table, place, stack = TermTable(), zeros(Int, length(terms)), Int[]
    for root in roots
        push!(stack, root)
        while !isempty(stack)
            here = last(stack)
            if place[here] == 0
                pending = length(stack)
                below = arguments(terms[here])
                for k in length(below):-1:1
                    place[below[k]] == 0 && push!(stack, below[k])
                end
                length(stack) > pending && continue
                place[here] = intern!(table, moved(terms[here], place))
            end
            pop!(stack)
        end
    end
    return table.terms, place
end

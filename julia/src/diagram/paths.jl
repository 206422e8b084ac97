# What commutes stand for: agreements between paths, in an order that every engine has. Paths are ordered by their columns
# (by name), then element by element by the place of the arrow in the commute's list, a proper prefix first.

"""
A path, or the beginning of one: a start, or another trail with one more arrow. `place` is that of its term once it was
followed, else 0.
"""
mutable struct Trail
    last::Union{ColumnTerm,Int,String}
    before::Union{Trail,Nothing}
    place::Int
end

Trail(last, before = nothing) = Trail(last, before, 0)

"The paths in order. Trails that begin alike share their beginning, and each belongs to some path."
function list_paths(routes::Routes, max_length::Int)
    bound, paths = max_length == 0 ? typemax(Int) : max_length, Trail[]
    for (start, space) in routes.starts
        routes.distance[space] <= bound && list_paths!(paths, routes, bound, Trail(start), space)
    end
    return paths
end

function list_paths!(paths::Vector{Trail}, routes::Routes, bound::Int, start::Trail, space::String)
    trails, following, next = [start], [routes.steps[space]], [1]
    space == routes.target && push!(paths, start)
    while !isempty(following)
        steps, k = last(following), last(next)
        if k > length(steps)
            pop!(following), pop!(next), pop!(trails)
            continue
        end
        next[end] += 1
        passage = steps[k]
        length(trails) + routes.distance[passage.target] <= bound || continue
        push!(trails, Trail(passage.arrow, last(trails)))
        push!(following, routes.steps[passage.target])
        push!(next, 1)
        passage.target == routes.target && push!(paths, last(trails))
    end
    return nothing
end

number_of_pairs(paths::Int, pairing::Pairing) = pairing == STAR ? paths - 1 : paths * (paths - 1) ÷ 2

"The place of a trail's term, and how many trails were followed for the first time."
function follow!(table::TermTable, trail::Trail)
    following = Trail[]
    here = trail
    while here !== nothing && here.place == 0
        push!(following, here)
        here = here.before
    end
    for here in Iterators.reverse(following)
        last, before = here.last, here.before
        here.place = last isa Int ? last : last isa ColumnTerm ? intern!(table, last) :
                     intern!(table, OutputTerm(last, [before.place], 1))
    end
    return trail.place, length(following)
end

"""
    expand(diagram) -> Expansion

Write the commutes of a sound diagram out as agreements, named `name#1`, `name#2`, …. The terms that they add follow the
diagram's own, in the order of the agreements, left before right, arguments first.
"""
function expand(d::Diagram)
    known = d.memo.expansion
    known === nothing || return known
    isempty(d.commutes) && return d.memo.expansion = Expansion(d.terms, d.agreements)
    table, agreements, listed = TermTable(d.terms), copy(d.agreements), length(d.terms)
    for commute in d.commutes
        where = element("commute", commute.name)
        paths = list_paths(find_routes(d, commute), commute.max_length)
        pairs = number_of_pairs(length(paths), commute.pairing)
        check_total(where, "agreements", length(agreements) + pairs, MAX_AGREEMENTS)
        number = 0
        for right in 1:(commute.pairing == STAR ? 1 : length(paths)), left in (right + 1):length(paths)
            number += 1
            left_term, new_left = follow!(table, paths[left])
            right_term, new_right = follow!(table, paths[right])
            listed += new_left + new_right
            push!(agreements, Agreement("$(commute.name)#$number", left_term, right_term, commute.divergence, commute.weight,
                                        nothing))
        end
        check_total(where, "terms", listed, MAX_TERMS)
    end
    return d.memo.expansion = Expansion(table.terms, agreements)
end

"Refuse more terms or agreements in all than there may be."
check_total(where, what, count, limit) = count <= limit ? nothing :
    refuse(where, "at most $limit $what in all, with those of commutes", string(count), "limit")

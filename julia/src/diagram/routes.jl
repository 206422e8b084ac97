# The paths of a commute, counted before any is listed. A path begins at the start term, or at any column of the start
# source, and follows arrows of the commute's list. Counting is dynamic programming over spaces: it takes one step per arrow,
# however many paths there are, or one per arrow and length where a cycle makes a bound on the length count.

# Counting with a bound on the length goes on for so many steps where there are too many paths to be listed, to say how many.
const COUNTING_STEPS = 1_000_000

# Counts above this are shown as "more than" it: they can have any number of digits.
const LARGEST_SHOWN = 10^18

"An arrow, and the space that it leads to."
struct Passage
    arrow::String
    target::String
end

"""
The part of a commute's graph of spaces that lies on some path. `starts` are the possible beginnings, in order, with their
spaces; `steps` are, for each space, the arrows that leave it towards the target, in the commute's order; `distance` is the
least number of arrows from a space to the target, and has exactly the spaces that lie on some path.
"""
struct Routes
    starts::Vector{Tuple{Union{ColumnTerm,Int},String}}
    steps::Dict{String,Vector{Passage}}
    distance::Dict{String,Int}
    target::String
end

"The spaces and arrows that lie on some path of a commute whose names are known."
function find_routes(d::Diagram, commute::Commute)
    starts = beginnings(d, commute.start)
    forward, ahead, backward = Dict{String,Vector{Passage}}(), Dict{String,Vector{String}}(), Dict{String,Vector{String}}()
    for name in commute.arrows
        known = arrow(d, name)
        source, target = known.sources[1], known.targets[1]
        push!(get!(Vector{Passage}, forward, source), Passage(name, target))
        push!(get!(Vector{String}, ahead, source), target)
        push!(get!(Vector{String}, backward, target), source)
    end
    reached = distances(ahead, [space for (_, space) in starts])
    distance = filter(pair -> haskey(reached, first(pair)), distances(backward, [commute.target]))
    steps = Dict{String,Vector{Passage}}(
        space => filter(passage -> haskey(distance, passage.target), get(forward, space, Passage[]))
        for space in keys(distance))
    return Routes(filter(start -> haskey(distance, start[2]), starts), steps, distance, commute.target)
end

beginnings(d::Diagram, start::Int) = Tuple{Union{ColumnTerm,Int},String}[(start, term_spaces(d)[start])]

function beginnings(d::Diagram, start::String)
    source = sources_by_name(d)[start]
    return Tuple{Union{ColumnTerm,Int},String}[(ColumnTerm(start, c.name), c.space) for c in sorted(source.columns)]
end

"The least number of steps from any start to each space that can be reached (breadth first)."
function distances(following::Dict{String,Vector{String}}, starts::Vector{String})
    queue = unique(starts)
    found = Dict{String,Int}(space => 0 for space in queue)
    for space in queue # which grows meanwhile
        for target in get(following, space, String[])
            haskey(found, target) && continue
            found[target] = found[space] + 1
            push!(queue, target)
        end
    end
    return found
end

"The spaces in an order in which arrows lead forward, without those on a cycle or behind one (Kahn)."
function topological(routes::Routes)
    pending = Dict{String,Int}(space => 0 for space in keys(routes.distance))
    for steps in values(routes.steps), passage in steps
        pending[passage.target] += 1
    end
    order = sort!([space for (space, count) in pending if count == 0])
    for space in order, passage in routes.steps[space]
        (pending[passage.target] -= 1) == 0 && push!(order, passage.target)
    end
    return order
end

"The arrows of a cycle, where there is one: backwards from a space that has no place in the order."
function find_cycle(routes::Routes, order::Vector{String})
    placed = Set(order)
    left_over = sort!([space for space in keys(routes.distance) if !(space in placed)])
    before = Dict{String,Tuple{String,String}}()
    for space in left_over, passage in routes.steps[space]
        before[passage.target] = (passage.arrow, space)
    end
    spaces, arrows, place, space = String[], String[], Dict{String,Int}(), left_over[1]
    while !haskey(place, space)
        push!(spaces, space)
        place[space] = length(spaces)
        arrow, space = before[space]
        push!(arrows, arrow)
    end
    return reverse!(arrows[place[space]:end])
end

"""
How many paths there are, and how many paths and beginnings of paths: as many terms they need. Both end at
`LARGEST_SHOWN` + 1. If the count is not exact there are at least so many.
"""
struct PathCount
    paths::Int
    terms::Int
    exact::Bool
end

plus(a::Int, b::Int) = min(a + b, LARGEST_SHOWN + 1)

"Paths of any length: for each space, in topological order, how many ways lead to it."
function count_acyclic(routes::Routes, order::Vector{String})
    ways = Dict{String,Int}(space => 0 for space in order)
    foreach(start -> ways[start[2]] += 1, routes.starts)
    for space in order, passage in routes.steps[space]
        ways[passage.target] = plus(ways[passage.target], ways[space])
    end
    return PathCount(get(ways, routes.target, 0), reduce(plus, values(ways); init = 0), true)
end

"""
Paths of at most `max_length` arrows: for each length and space, how many ways lead there. Only spaces from which the target
is still near enough count, so that each way is the beginning of some path.
"""
function count_bounded(routes::Routes, max_length::Int)
    ways = Dict{String,Int}()
    for (_, space) in routes.starts
        routes.distance[space] <= max_length && (ways[space] = get(ways, space, 0) + 1)
    end
    paths, terms, work = get(ways, routes.target, 0), reduce(plus, values(ways); init = 0), 0
    for left in (max_length - 1):-1:0
        isempty(ways) && break
        terms > MAX_TERMS && work > COUNTING_STEPS && return PathCount(max(paths, maximum(values(ways))), terms, false)
        following = Dict{String,Int}()
        for (space, number) in ways, passage in routes.steps[space]
            work += 1
            routes.distance[passage.target] <= left || continue
            following[passage.target] = plus(get(following, passage.target, 0), number)
        end
        ways = following
        paths = plus(paths, get(ways, routes.target, 0))
        terms = plus(terms, reduce(plus, values(ways); init = 0))
    end
    return PathCount(paths, terms, true)
end

"""
    count_paths(diagram, commute, where) -> Int

The number of paths of a commute whose names are known, without listing any. Refused are a cycle on some path where there is
no `max_length`, fewer than two paths, more than `max_paths`, and more terms than there may be.
"""
function count_paths(d::Diagram, commute::Commute, where)
    routes = find_routes(d, commute)
    order = topological(routes)
    has_cycle = length(order) < length(routes.distance)
    has_cycle && commute.max_length == 0 &&
        refuse(where, "max_length, since a cycle lies on some path",
               "none, and a cycle of arrows $(listing(find_cycle(routes, order)))", "cycle")
    bounded = has_cycle || 0 < commute.max_length < length(order) - 1
    count = bounded ? count_bounded(routes, commute.max_length) : count_acyclic(routes, order)
    count.paths > commute.max_paths &&
        refuse(where, "at most $(commute.max_paths) paths (max_paths)", count_text(count), "paths")
    count.terms > MAX_TERMS && refuse(where, "paths of at most $MAX_TERMS terms in all", "$(count.terms) terms", "limit")
    if count.paths < 2
        start = commute.start isa String ? "source $(quoted(commute.start))" : "term $(commute.start - 1)"
        refuse(where, "at least two paths from $start to space $(quoted(commute.target))", string(count.paths), "paths")
    end
    return count.paths
end

"A count of paths as an error shows it."
count_text(count::PathCount) = count.paths > LARGEST_SHOWN ? "more than $LARGEST_SHOWN" :
                               count.exact ? string(count.paths) : "at least $(count.paths)"

# Isomorphism, decided by colour refinement and, where colours don't tell vertices apart, by search.
#
# The colours of both structures' vertices are refined together: vertices of one colour come to have edges to, and from,
# vertices of the same colours. If a colour then has different numbers of vertices in the two there is no isomorphism; if
# every colour has one in each, they correspond. Otherwise a vertex is given a new colour together with each of its possible
# images in turn (McKay and Piperno, Practical graph isomorphism II, arXiv 1301.1493, without its pruning).

"Vertices that are looked at before the search gives up."
const MAX_REFINEMENT_STEPS = 20_000_000

"A colouring of the vertices of two structures, the second's counted after the first's."
mutable struct Colours
    first::Int # how many vertices the first structure has
    edges::Vector{Vector{Int}}
    back::Vector{Vector{Tuple{Int,Int}}} # which edge of which vertex ends here
    colour::Vector{Int}
    members::Vector{Set{Int}}
    steps::Int
end

function Colours(left::Structure, right::Structure)
    edges = [left.edges; [targets .+ length(left) for targets in right.edges]]
    back = [Tuple{Int,Int}[] for _ in edges]
    for (vertex, targets) in enumerate(edges), (place, target) in enumerate(targets)
        push!(back[target], (place, vertex))
    end
    colours = Colours(length(left), edges, back, zeros(Int, length(edges)), Set{Int}[], 0)
    labels = [left.labels; right.labels]
    foreach(members -> new_colour!(colours, members), grouped(vertex -> labels[vertex], 1:length(edges)))
    return colours
end

"The vertices with equal keys, in the order in which the keys come first."
function grouped(key, vertices)
    places, groups = Dict{Any,Int}(), Set{Int}[]
    for vertex in vertices
        place = get!(places, key(vertex), length(groups) + 1)
        place > length(groups) && push!(groups, Set{Int}())
        push!(groups[place], vertex)
    end
    return groups
end

is_balanced(c::Colours, members::Set{Int}) = 2 * count(vertex -> vertex <= c.first, members) == length(members)

"Give some vertices a new colour; whether it has as many in both structures."
function new_colour!(c::Colours, members::Set{Int})
    push!(c.members, members)
    foreach(vertex -> c.colour[vertex] = length(c.members), members)
    return is_balanced(c, members)
end

"What colours a vertex has edges to and from."
signature(c::Colours, vertex::Int) =
    (c.colour[c.edges[vertex]], sort!([(place, c.colour[start]) for (place, start) in c.back[vertex]]))

"""
Refine until vertices of one colour have the same signatures, where only some vertices' colours are new. False as soon as a
colour has more vertices in one structure than in the other.
"""
function refine!(c::Colours, changed)
    waiting = Set{Int}(changed)
    while !isempty(waiting)
        near = Set{Int}()
        for vertex in waiting
            union!(near, c.edges[vertex], (start for (_, start) in c.back[vertex]))
        end
        c.steps += length(near)
        waiting = Set{Int}()
        # In the order of the vertices: the numbers of colours depend on it, and with them the isomorphism that is found.
        several = filter(vertex -> length(c.members[c.colour[vertex]]) > 1, sort!(collect(near)))
        split = [(vertices, grouped(vertex -> signature(c, vertex), sort!(collect(vertices))))
                 for vertices in grouped(vertex -> c.colour[vertex], several)]
        all(((vertices, parts),) -> split_colour!(c, vertices, parts, waiting), split) || return false
    end
    return true
end

"Give the parts of some vertices of one colour different colours; what gets a new one is waiting then."
function split_colour!(c::Colours, vertices::Set{Int}, parts::Vector{Set{Int}}, waiting::Set{Int})
    colour = c.colour[first(vertices)]
    # The largest part keeps the colour, so that least has to be looked at.
    length(vertices) == length(c.members[colour]) && deleteat!(parts, argmax(map(length, parts)))
    for part in parts
        setdiff!(c.members[colour], part)
        union!(waiting, part)
        new_colour!(c, part) || return false
    end
    return isempty(parts) || is_balanced(c, c.members[colour])
end

"A colour with several vertices in each structure, as few as possible; 0 where there is none."
function open_colour(c::Colours)
    several = [(length(members), colour) for (colour, members) in enumerate(c.members) if length(members) > 2]
    return isempty(several) ? 0 : minimum(several)[2]
end

"The image of each vertex of the first structure, where each colour has one in each."
function images(c::Colours)
    found = zeros(Int, c.first)
    for members in c.members
        isempty(members) && continue
        vertex, other = sort!(collect(members))
        found[vertex] = other - c.first
    end
    return found
end

"What was tried: the colouring before, a vertex, and images to try, the last one first."
struct Trial
    colour::Vector{Int}
    members::Vector{Set{Int}}
    vertex::Int
    images::Vector{Int}
end

"""
    find_isomorphism(left, right, where)

The images of the left structure's vertices under some isomorphism, `nothing` where there is none. Throws a `BridgeError`
about `where` where the search takes more than `MAX_REFINEMENT_STEPS`.
"""
function find_isomorphism(left::Structure, right::Structure, where)
    length(left) == length(right) || return nothing
    c = Colours(left, right)
    all(members -> is_balanced(c, members), c.members) && refine!(c, 1:(2 * length(left))) || return nothing
    trials = Trial[]
    while true
        chosen = open_colour(c)
        chosen == 0 && return images(c)
        members = sort!(collect(c.members[chosen]))
        others = filter(vertex -> vertex > c.first, reverse(members))
        push!(trials, Trial(copy(c.colour), map(copy, c.members), members[1], others))
        while !try_next!(c, trials)
            isempty(trials) && return nothing
            c.steps > MAX_REFINEMENT_STEPS &&
                refuse(where, "an isomorphism to be decided in $MAX_REFINEMENT_STEPS steps", "more", "limit")
        end
    end
end

"Map the vertex chosen last to its next image; whether that can be. Without another image it is given up."
function try_next!(c::Colours, trials::Vector{Trial})
    trial = last(trials)
    if isempty(trial.images)
        pop!(trials)
        return false
    end
    c.colour, c.members = copy(trial.colour), map(copy, trial.members)
    c.steps += 1
    pair = Set{Int}((trial.vertex, pop!(trial.images)))
    setdiff!(c.members[c.colour[trial.vertex]], pair)
    new_colour!(c, pair)
    return refine!(c, pair)
end

# The maps between two structures that preserve labels and edges, by search with arc consistency.
#
# A vertex's domain is the images that it can still have. Arc consistency (Mackworth's AC-3) takes away what has no support
# across some edge; since edges are functions, one pass over a domain revises both ends. Then a vertex with fewest images
# left is given one, and what follows is taken back before the next.

"Domains that are revised before a search gives up."
const MAX_SEARCH_STEPS = 1_000_000

"The images that each vertex can still have, and how to take changes back. Sets are replaced, never changed."
mutable struct Domains
    left::Structure
    right::Structure
    injective::Bool
    where::String
    of::Vector{BitSet}
    users::Vector{Vector{Int}} # the vertices with an edge to each
    alike::Dict{Label,Vector{Int}} # the vertices that could have the same image
    trail::Vector{Tuple{Int,BitSet}}
    steps::Int
end

function Domains(left::Structure, right::Structure, injective::Bool, where::String)
    images, none = Dict{Label,BitSet}(), BitSet()
    foreach(vertex -> push!(get!(BitSet, images, right.labels[vertex]), vertex), 1:length(right))
    users, alike = [Int[] for _ in 1:length(left)], Dict{Label,Vector{Int}}()
    for (vertex, label) in enumerate(left.labels)
        foreach(target -> push!(users[target], vertex), unique(left.edges[vertex]))
        push!(get!(Vector{Int}, alike, label), vertex)
    end
    domains = BitSet[get(images, label, none) for label in left.labels]
    return Domains(left, right, injective, where, domains, users, alike, Tuple{Int,BitSet}[], 0)
end

"Vertices whose domains became smaller, each once; the last comes first."
struct Waiting
    stack::Vector{Int}
    is_there::BitSet
end

Waiting(vertices) = Waiting(collect(Int, vertices), BitSet(vertices))

function Base.push!(w::Waiting, vertex::Int)
    vertex in w.is_there && return w
    push!(w.is_there, vertex)
    push!(w.stack, vertex)
    return w
end

function Base.pop!(w::Waiting)
    vertex = pop!(w.stack)
    delete!(w.is_there, vertex)
    return vertex
end

"Let a vertex have no other images than these, which are some of those it had."
function narrow!(domains::Domains, vertex::Int, images::BitSet)
    push!(domains.trail, (vertex, domains.of[vertex]))
    domains.of[vertex] = images
    return nothing
end

"Take back what was narrowed since the trail had this length."
function back_to!(domains::Domains, length_then::Int)
    while length(domains.trail) > length_then
        vertex, images = pop!(domains.trail)
        domains.of[vertex] = images
    end
    return nothing
end

"Take away all images without support, after some domains became smaller; false where a vertex has none left."
function propagate!(domains::Domains, changed)
    waiting = Waiting(changed)
    while !isempty(waiting.stack)
        vertex = pop!(waiting)
        isempty(domains.of[vertex]) && return false
        foreach(user -> revise!(domains, user, waiting), domains.users[vertex])
        isempty(domains.left.edges[vertex]) || revise!(domains, vertex, waiting)
        domains.injective && length(domains.of[vertex]) == 1 && take_image!(domains, vertex, waiting)
        domains.steps > MAX_SEARCH_STEPS &&
            refuse(domains.where, "morphisms that are found in $MAX_SEARCH_STEPS steps", "more", "limit")
    end
    return true
end

"Make a vertex' domain and those of what it has edges to consistent; what became smaller is waiting then."
function revise!(domains::Domains, vertex::Int, waiting::Waiting)
    edges, targets = domains.left.edges[vertex], domains.right.edges
    domains.steps += 1
    kept = filter(image -> all(k -> targets[image][k] in domains.of[edges[k]], 1:length(edges)), domains.of[vertex])
    if length(kept) < length(domains.of[vertex])
        narrow!(domains, vertex, kept)
        push!(waiting, vertex)
    end
    for (place, target) in enumerate(edges)
        supported = intersect(domains.of[target], BitSet(targets[image][place] for image in kept))
        length(supported) < length(domains.of[target]) || continue
        narrow!(domains, target, supported)
        push!(waiting, target)
    end
    return nothing
end

"No other vertex has the only image of this one."
function take_image!(domains::Domains, vertex::Int, waiting::Waiting)
    image = first(domains.of[vertex])
    for other in domains.alike[domains.left.labels[vertex]]
        other != vertex && image in domains.of[other] || continue
        narrow!(domains, other, setdiff(domains.of[other], BitSet(image)))
        push!(waiting, other)
    end
    return nothing
end

"A vertex with several images, as few as possible; 0 where all have one."
function open_vertex(domains::Domains)
    fewest, chosen = typemax(Int), 0
    for (vertex, images) in enumerate(domains.of)
        count = length(images)
        1 < count < fewest && ((fewest, chosen) = (count, vertex))
    end
    return chosen
end

"""
    each_homomorphism(f, left, right, where; injective = false)

Call `f` with every map of the left structure's vertices to the right's that preserves labels and edges, until it returns
false. Throws a `BridgeError` about `where` where the search takes more than `MAX_SEARCH_STEPS`.
"""
function each_homomorphism(f, left::Structure, right::Structure, where::String; injective::Bool = false)
    domains = Domains(left, right, injective, where)
    propagate!(domains, 1:length(left)) || return nothing
    tries = Tuple{Int,Int,Vector{Int}}[] # the trail's length, a vertex, images to try, the last one first
    while true
        chosen = open_vertex(domains)
        if chosen == 0
            f(Int[first(images) for images in domains.of]) || return nothing
        else
            named = left.elements[chosen] # an image of the same name is tried first
            images = sort!(collect(domains.of[chosen]); by = image -> (right.elements[image] == named, -image))
            push!(tries, (length(domains.trail), chosen, images))
        end
        try_next!(domains, tries) || return nothing
    end
end

"Give the vertex chosen last its next image that can be, or an earlier one; false where there are no more."
function try_next!(domains::Domains, tries::Vector{Tuple{Int,Int,Vector{Int}}})
    while !isempty(tries)
        length_then, vertex, images = last(tries)
        back_to!(domains, length_then)
        if isempty(images)
            pop!(tries)
            continue
        end
        narrow!(domains, vertex, BitSet(pop!(images)))
        propagate!(domains, (vertex,)) && return true
    end
    return false
end

# The names that agreements and commutes without one get.

"The outermost part of a term: `source.column`, an arrow (`arrow.k` if it has several targets), or `detach(…)` of that."
function head(d::Diagram, term::Int)
    node, detached = d.terms[term], false
    while node isa DetachTerm # however many are nested, the head says so once
        node, detached = d.terms[node.argument], true
    end
    return detached ? "detach($(head(d, node)))" : head(d, node)
end

head(::Diagram, term::ColumnTerm) = "$(term.source).$(term.column)"
head(d::Diagram, term::OutputTerm) =
    length(arrow(d, term.arrow).targets) > 1 ? "$(term.arrow).$(term.output - 1)" : term.arrow

default_name(d::Diagram, agreement::Agreement) = "$(head(d, agreement.left))~$(head(d, agreement.right))"
default_name(d::Diagram, commute::Commute) =
    "$(commute.start isa String ? commute.start : head(d, commute.start))->$(commute.target)"

named(a::Agreement, name) = Agreement(name, a.left, a.right, a.divergence, a.weight, a.mask)
named(c::Commute, name) =
    Commute(name, c.start, c.target, c.arrows, c.divergence, c.weight, c.pairing, c.max_length, c.max_paths)

"Those without a name with their default ones, with the first of `#2`, `#3`, … that makes it new where it is taken."
function fill_names(d::Diagram, items::Vector{T}) where {T<:Union{Agreement,Commute}}
    used = Set{String}(item.name for item in items if !isempty(item.name))
    following = Dict{String,Int}()
    return T[isempty(item.name) ? named(item, new_name!(used, following, default_name(d, item))) : item for item in items]
end

function new_name!(used::Set{String}, following::Dict{String,Int}, name::String)
    free = name
    while free in used
        following[name] = get(following, name, 1) + 1
        free = "$name#$(following[name])"
    end
    push!(used, free)
    return free
end

"The diagram with the agreements and commutes that have no name given their default ones, in table order."
function with_names(d::Diagram)
    all(item -> !isempty(item.name), d.agreements) && all(item -> !isempty(item.name), d.commutes) && return d
    return Diagram(d.name, d.spaces, d.sources, d.components, d.arrows, d.terms, fill_names(d, d.agreements),
                   fill_names(d, d.commutes), d.outputs, shared_memo(d.memo))
end

# The names of agreements and commutes are no part of these tables.
shared_memo(m::Memo) =
    Memo(false, false, m.spaces, m.sources, m.columns, m.components, m.arrows, m.term_spaces, m.term_sources, nothing,
         nothing)

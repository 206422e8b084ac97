# Gluing: the pushout of two diagrams along what they share.

"""
    glue(left, right, along = (); prefix = nothing, name = nothing) -> Diagram

Both diagrams as one, in which what they share is there once: their pushout along the shared part.

`along` names the shared elements of each kind (`spaces`, `variables`, `sources`, `columns` as `source.column`, `components`,
`arrows`, `agreements`, `commutes`, `outputs`), which have these names in both, as a named tuple, a dictionary or pairs. They
are shared with all that they need: an arrow with its component and its spaces, a column with its space and its source, and a
source with all columns that it has in both. A component that is shared keeps its parameters of the left diagram.

Other names that both diagrams have are refused, unless `prefix` is given: then the right one's get it in front. The result
is named as the left diagram is, or `name`.

Throws a `BridgeError` for names that are not in both, for shared elements that differ, for names that collide, and where a
commute would get paths that it didn't have.

```jldoctest
julia> using DiagramBridge

julia> function task(name)
           d = Builder(name)
           x, y = space!(d, "x"; width = 3), space!(d, name; width = 2)
           data = source!(d, "data", ["x" => x, name => y])
           backbone = arrow!(d, "backbone", x, x, Layers.linear(3, 3))
           head = arrow!(d, name * "_head", x, y, Layers.linear(3, 2))
           agree!(d, head(backbone(data.x)), data[name]; by = mse())
           return build(d)
       end;

julia> both = glue(task("depth"), task("colour"), (arrows = "backbone", sources = "data"));

julia> join((arrow.name for arrow in both.arrows), ", ")
"backbone, colour_head, depth_head"
```
"""
function glue(left::Diagram, right::Diagram, along = (); prefix::Union{AbstractString,Nothing} = nothing,
              name::Union{AbstractString,Nothing} = nothing)
    left, right = canonical(left), canonical(right)
    shared = shared_elements(left, right, along)
    right = without_collisions(left, right, shared, prefix)
    table, place = TermTable(left.terms), Int[]
    foreach(term -> push!(place, intern!(table, moved(term, place))), right.terms)
    theirs = Diagram(right.name, right.spaces, right.sources, right.components, right.arrows, table.terms,
                     Agreement[moved(agreement, place) for agreement in right.agreements],
                     Commute[moved(commute, place) for commute in right.commutes],
                     Output[moved(output, place) for output in right.outputs], Memo())
    check_shared(left, theirs, shared)
    made = canonical(Diagram(name === nothing ? left.name : String(name), both(left.spaces, theirs.spaces),
                             glued_sources(left.sources, theirs.sources), both(left.components, theirs.components),
                             both(left.arrows, theirs.arrows), theirs.terms, both(left.agreements, theirs.agreements),
                             both(left.commutes, theirs.commutes), both(left.outputs, theirs.outputs), Memo()))
    commutes = by_name(made.commutes)
    for part in (left, right), commute in part.commutes
        commute.start isa String && same_paths(made, commutes[commute.name], columns_of(part, commute))
    end
    return made
end

"What the diagrams share: the elements that are named, in both, with all that they need."
function shared_elements(left::Diagram, right::Diagram, along)
    shared = with_needs(left, known_elements(left, along))
    for name in intersect(all_elements(left)["columns"], all_elements(right)["columns"])
        first(split_column(name)) in shared["sources"] && push!(shared["columns"], name)
    end
    shared = with_needs(left, shared)
    known_elements(right, shared)
    return shared
end

"The right diagram with other names for what it doesn't share."
function without_collisions(left::Diagram, right::Diagram, shared::ElementNames, prefix)
    taken, own, changes = all_elements(left), all_elements(right), NameChanges()
    kinds = filter(pair -> first(pair) != "columns", collect(KINDS)) # those of one source are shared with it
    for (kind, word) in kinds, name in sort!(collect(setdiff(intersect(taken[kind], own[kind]), shared[kind])))
        prefix === nothing &&
            refuse(element(word, name), "one $word of that name, or to have it in along=, or a prefix=", "two", "duplicate")
        get!(Dict{String,String}, changes, kind)[name] = string(prefix, name)
    end
    isempty(changes) && return right
    for (kind, word) in kinds, (old, new) in sort!(collect(get(changes, kind, Dict{String,String}())); by = first)
        new in taken[kind] && refuse_prefixed(word, old, new, prefix)
    end
    return canonical(with_names_changed(right, changes))
end

@noinline refuse_prefixed(word, old, new, prefix) =
    refuse(element(word, new), "no $word of that name, which $(quoted(old)) gets with the prefix $(quoted(prefix))", "one",
           "duplicate")

"Refuse elements that are shared and differ. The terms of both are places in one table."
function check_shared(left::Diagram, right::Diagram, shared::ElementNames)
    for kind in ("spaces", "components", "arrows", "agreements", "commutes", "outputs")
        ours, theirs = by_name(getfield(left, Symbol(kind))), by_name(getfield(right, Symbol(kind)))
        for name in sort!(collect(shared[kind]))
            ours[name] == theirs[name] ||
                refuse(element(word_of(kind), name), "the $(word_of(kind)) of diagram $(quoted(left.name))",
                       "one with another $(join(differing(ours[name], theirs[name]), " and "))", "shared")
        end
    end
    for name in sort!(collect(shared["columns"]))
        ours, theirs = column(left, name).space, column(right, name).space
        ours == theirs ||
            refuse(element("column", name), "space $(quoted(ours)), as in diagram $(quoted(left.name))", quoted(theirs),
                   "shared")
    end
    return nothing
end

"The fields in which two elements of a kind differ."
differing(ours::T, theirs::T) where {T} =
    [field == :type ? "data_type" : string(field) for field in fieldnames(T)
     if !isequal(getfield(ours, field), getfield(theirs, field))]

"The elements of both; those of the same name are the same."
function both(ours::Vector{T}, theirs::Vector{T}) where {T}
    known = names_of(ours)
    return T[ours; filter(element -> !(element.name in known), theirs)]
end

"The sources of both, each with the columns of both."
function glued_sources(ours::Vector{Source}, theirs::Vector{Source})
    more = by_name(theirs)
    glued(source) = haskey(more, source.name) ? Source(source.name, both(source.columns, more[source.name].columns)) : source
    return both(map(glued, ours), theirs)
end

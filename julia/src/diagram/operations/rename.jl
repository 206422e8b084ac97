# Renaming: a functor on names. Nothing but names changes, and different elements keep different names.

"For each kind, new names by old ones."
const NameChanges = Dict{String,Dict{String,String}}

# In the order in which they are checked.
const RENAMED = ("spaces" => "space", "axes" => "axis", KINDS[2:end]...)

"""
    rename(diagram; name = nothing, spaces = (), axes = (), variables = (), sources = (), columns = (), components = (),
           arrows = (), agreements = (), commutes = (), outputs = ()) -> Diagram

The diagram with other names: for each kind a pair `old => new`, several, or a dictionary; all others stay. A column's old
name is `source.column` and its new one the column's alone. Axes and variables are renamed wherever they are. Names may be
exchanged; agreements keep their names, also where they were made of names that change. Parameters go by component, so a
trained component's parameters are found under its new name.

Throws a `BridgeError` for names that the diagram doesn't have, for two elements of a kind that would have the same name, and
where columns would change the order of a commute's paths.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; left = x, right = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(3, 3)); agree!(d, f(data.left), data.right; by = mse());

julia> renamed = rename(build(d); arrows = "f" => "g", columns = "data.left" => "input");

julia> [arrow.name for arrow in renamed.arrows], [column.name for column in renamed.sources[1].columns]
(["g"], ["input", "right"])
```
"""
function rename(d::Diagram; name::Union{AbstractString,Nothing} = nothing, spaces = (), axes = (), variables = (),
                sources = (), columns = (), components = (), arrows = (), agreements = (), commutes = (), outputs = ())
    given = map(name_pairs, (spaces, axes, variables, sources, columns, components, arrows, agreements, commutes, outputs))
    return renamed(canonical(d), NameChanges(zip(map(first, RENAMED), given)), name === nothing ? d.name : String(name))
end

"The diagram with other names, checked and canonical."
function renamed(d::Diagram, changes::NameChanges, name::String)
    check_injective(d, changes)
    changed = with_names_changed(d, changes, name)
    made = canonical(changed)
    for (before, after) in zip(d.commutes, changed.commutes)
        before.start isa String &&
            same_paths(made, after, String[new_column(column, changes) for column in columns_of(d, before)])
    end
    return made
end

name_pairs(pair::Pair) = Dict{String,String}(pair)
name_pairs(pairs) = Dict{String,String}(String(old) => String(new) for (old, new) in pairs)

"Old names are known, and no two elements of a kind get the same name."
function check_injective(d::Diagram, changes::NameChanges)
    known = all_elements(d)
    known["axes"] = Set{String}(axis.name for space in d.spaces for axis in space.axes)
    for (kind, word) in RENAMED
        isempty(changes[kind]) && continue
        for old in sort!(collect(keys(changes[kind])))
            old in known[kind] || refuse_unknown(element("diagram", d.name), word, old, sort!(collect(known[kind])))
        end
        taken = Set{String}()
        for old in sort!(collect(known[kind]))
            new = kind == "columns" ? new_column(old, changes) : get(changes[kind], old, old)
            check_new(word, new, taken)
            push!(taken, new)
        end
    end
    return nothing
end

"The new `source.column` of an old one."
function new_column(name::String, changes::NameChanges)
    source, own = split_column(name)
    return column_name(get(changes["sources"], source, source), get(changes["columns"], name, own))
end

"The diagram with other names for some kinds, its tables in their old order, not checked."
function with_names_changed(d::Diagram, some::NameChanges, name::String = d.name)
    changes = merge(NameChanges(kind => Dict{String,String}() for (kind, _) in RENAMED), some)
    new(kind, old) = get(changes[kind], old, old)
    spaces_of(names) = String[new("spaces", space) for space in names]
    return Diagram(
        name,
        Space[renamed(space, changes) for space in d.spaces],
        Source[renamed(source, changes) for source in d.sources],
        Component[Component(new("components", c.name), c.body, c.has_parameters, c.training) for c in d.components],
        Arrow[Arrow(new("arrows", a.name), spaces_of(a.sources), spaces_of(a.targets), new("components", a.component))
              for a in d.arrows],
        Term[renamed(term, changes) for term in d.terms],
        Agreement[Agreement(new("agreements", a.name), a.left, a.right, renamed(a.divergence, changes), a.weight, a.mask)
                  for a in d.agreements],
        Commute[renamed(commute, changes) for commute in d.commutes],
        Output[Output(new("outputs", output.name), output.term) for output in d.outputs],
        Memo())
end

function renamed(space::Space, changes::NameChanges)
    size_of(size) = size isa String ? get(changes["variables"], size, size) : size
    axes = Axis[Axis(get(changes["axes"], axis.name, axis.name), size_of(axis.size)) for axis in space.axes]
    return Space(get(changes["spaces"], space.name, space.name), space.type, axes, space.classes)
end

function renamed(source::Source, changes::NameChanges)
    columns = Column[Column(get(changes["columns"], column_name(source.name, column.name), column.name),
                            get(changes["spaces"], column.space, column.space)) for column in source.columns]
    return Source(get(changes["sources"], source.name, source.name), columns)
end

function renamed(commute::Commute, changes::NameChanges)
    start, arrows = commute.start, changes["arrows"]
    return Commute(get(changes["commutes"], commute.name, commute.name),
                   start isa String ? get(changes["sources"], start, start) : start,
                   get(changes["spaces"], commute.target, commute.target),
                   String[get(arrows, name, name) for name in commute.arrows], renamed(commute.divergence, changes),
                   commute.weight, commute.pairing, commute.max_length, commute.max_paths)
end

renamed(term::ColumnTerm, changes::NameChanges) =
    ColumnTerm(get(changes["sources"], term.source, term.source),
               get(changes["columns"], column_name(term.source, term.column), term.column))
renamed(term::OutputTerm, changes::NameChanges) =
    OutputTerm(get(changes["arrows"], term.arrow, term.arrow), term.arguments, term.output)
renamed(term::DetachTerm, ::NameChanges) = term

"A divergence with the new name of its class axis."
renamed(divergence::Divergence, changes::NameChanges) =
    Divergence(divergence.name, Attributes([name => name == "axis" ? get(changes["axes"], value, value) : value
                                            for (name, value) in divergence.attributes]))

# A model in the place of a component: its terms are put between what the component's arrows are applied to and give.

"The diagram with a model's terms in the place of a component's applications."
function with_model(d::Diagram, name::String, model::Diagram, inputs, outputs, prefix)
    arrows = filter(arrow -> arrow.component == name, d.arrows)
    replaced = names_of(arrows)
    for commute in d.commutes
        followed = sort!(collect(intersect(replaced, commute.arrows)))
        isempty(followed) ||
            refuse(element("component", name), "a component in its place",
                   "a diagram, and commute $(quoted(commute.name)) that follows $(listing(followed))", "component")
    end
    columns, wanted = model_boundary(model, inputs, outputs)
    given = by_name(model.outputs)
    results = Int[given[name].term for name in wanted]
    spaces = model_spaces(model, columns, results)
    identified = Dict{String,String}()
    foreach(arrow -> identify!(identified, d, arrow, model, spaces), arrows)
    rest = Diagram(d.name; spaces = d.spaces, components = filter(c -> c.name != name, d.components),
                   arrows = filter(arrow -> !(arrow.name in replaced), d.arrows))
    model = without_names_of(rest, model, identified, prefix)
    terms, place = spliced(d, model, replaced, columns, results)
    return canonical(Diagram(d.name, both(d.spaces, model.spaces), d.sources, Component[rest.components; model.components],
                             Arrow[rest.arrows; model.arrows], terms,
                             Agreement[moved(agreement, place) for agreement in d.agreements],
                             Commute[moved(commute, place) for commute in d.commutes],
                             Output[moved(output, place) for output in d.outputs], Memo()))
end

"The columns and the outputs of a model, in order; what is no model is refused."
function model_boundary(model::Diagram, inputs, outputs)
    where = element("diagram", model.name)
    isempty(model.agreements) && isempty(model.commutes) ||
        refuse(where, "a model, without agreements and commutes",
               "$(length(model.agreements)) and $(length(model.commutes))", "component")
    length(model.sources) == 1 || refuse(where, "a model with one source", string(length(model.sources)), "source")
    return in_order(where, "inputs", "column", inputs, names_of(model.sources[1].columns)),
           in_order(where, "outputs", "output", outputs, names_of(model.outputs))
end

"The names that were given in order, or the only one there is."
function in_order(where, what, kind, names, known::Set{String})
    if names === nothing
        length(known) == 1 ||
            refuse(where, "$what= to name its $(kind)s in order", "$(length(known)) $(kind)s", "component")
        return collect(known)
    end
    given = names isa AbstractString ? String[names] : String[name for name in names]
    for name in given
        name in known || refuse_unknown("$where, $what", kind, name, sort!(collect(known)))
    end
    return given
end

"The spaces of a model's inputs and outputs. Outputs that read another column than the inputs are refused."
function model_spaces(model::Diagram, columns::Vector{String}, results::Vector{Int})
    source = model.sources[1].name
    for place in below(model.terms, results)
        term = model.terms[place]
        term isa ColumnTerm && !(term.column in columns) &&
            refuse(inside(element("diagram", model.name), "inputs"),
                   "column $(quoted(term.column)), which an output reads", listing(columns), "component")
    end
    spaces = term_spaces(model)
    return Space[space(model, columns_by_name(model)[(source, name)].space) for name in columns],
           Space[space(model, spaces[result]) for result in results]
end

"Identify the spaces at a model's boundary with an arrow's; those that differ are refused."
function identify!(identified::Dict{String,String}, d::Diagram, arrow::Arrow, model::Diagram, spaces)
    where = "$(element("diagram", model.name)) in the place of arrow $(quoted(arrow.name))"
    for (what, wanted, found) in (("input", arrow.sources, spaces[1]), ("output", arrow.targets, spaces[2]))
        length(wanted) == length(found) || refuse(where, "$(length(wanted)) $(what)s", string(length(found)), "type")
        for (place, (name, inner)) in enumerate(zip(wanted, found))
            outer, here = space(d, name), "$where, $what $(place - 1)"
            Space(name, inner.type, inner.axes, inner.classes) == outer ||
                refuse(here, show_space(outer), show_space(inner), "type")
            first_one = get!(identified, inner.name, name)
            first_one == name ||
                refuse(here, "space $(quoted(inner.name)) in the place of space $(quoted(first_one)) alone",
                       "space $(quoted(name))", "type")
        end
    end
    return nothing
end

"The model with the names of the spaces it is put between, and with no other names of the diagram."
function without_names_of(d::Diagram, model::Diagram, identified::Dict{String,String}, prefix)
    taken, own = all_elements(d), all_elements(model)
    at_boundary = String[axis.size for name in keys(identified) for axis in space(model, name).axes if axis.size isa String]
    changes = NameChanges("spaces" => copy(identified))
    for (kind, shared) in ("spaces" => keys(identified), "variables" => at_boundary, "components" => (), "arrows" => ())
        word = word_of(kind)
        for name in sort!(collect(setdiff(intersect(taken[kind], own[kind]), shared)))
            prefix === nothing &&
                refuse(element(word, name), "one $word of that name, or a prefix=", "two", "duplicate")
            new = string(prefix, name)
            (new in taken[kind] || new in own[kind]) && refuse_prefixed(word, name, new, prefix)
            get!(Dict{String,String}, changes, kind)[name] = new
        end
    end
    return with_names_changed(model, changes)
end

"The diagram's terms with the model's in the place of some arrows', and the new place of each old one."
function spliced(d::Diagram, model::Diagram, replaced::Set{String}, columns::Vector{String}, results::Vector{Int})
    table, needed, copies, place = TermTable(), below(model.terms, results), Dict{Vector{Int},Vector{Int}}(), Int[]
    for term in d.terms
        if !(term isa OutputTerm && term.arrow in replaced)
            push!(place, intern!(table, moved(term, place)))
            continue
        end
        given = place[term.arguments]
        copied = get!(() -> copy_terms!(table, model.terms, needed, columns, given), copies, given)
        push!(place, copied[results[term.output]])
    end
    return table.terms, place
end

"The places at which a model's terms are, where its columns are some terms."
function copy_terms!(table::TermTable, terms::Vector{Term}, needed::Vector{Int}, columns::Vector{String}, given::Vector{Int})
    place = zeros(Int, length(terms))
    for inner in needed
        term = terms[inner]
        place[inner] = term isa ColumnTerm ? given[findfirst(isequal(term.column), columns)] :
                       intern!(table, moved(term, place))
    end
    return place
end

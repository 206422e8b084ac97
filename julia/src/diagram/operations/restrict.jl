# Restriction: the sub-diagram on some elements, with what they need. It takes a model, or a training setup, apart.

"""
    restrict(diagram; spaces, sources, columns, components, arrows, agreements, commutes, outputs, name) -> Diagram

The sub-diagram on the elements that are named (one name or several for a kind; columns as `source.column`), with all that
they need. `name` is the diagram's new name.

A kind that is not named follows the others. What is built on a named kind stays where it uses nothing else of that kind: of
spaces the columns and arrows between them, of sources their columns, of columns and arrows the agreements and commutes, of
all of them the outputs. What is below the named kinds stays where it is needed. So the one arrow of `restrict(d; arrows =
"student")` comes with its component, its spaces, and every agreement that it alone is in; `arrows = "student", agreements =
()` is the model alone, and `outputs = "prediction"` what computes a prediction. Without any names the diagram is returned as
it is.

Throws a `BridgeError` for names that the diagram doesn't have, and where no agreement that stays has a trainable component
below it.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("two"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; left = x, right = x);

julia> f, g = (arrow!(d, name, x, x, Layers.linear(3, 3)) for name in ("f", "g"));

julia> agree!(d, f(data.left), data.right; by = mse()); agree!(d, g(data.left), f(data.right); by = mse());

julia> println(restrict(build(d); arrows = "f"))
Diagram("two"): 1 space, 1 arrow, 3 terms, 1 agreement
```
"""
restrict(d::Diagram; spaces = nothing, sources = nothing, columns = nothing, components = nothing, arrows = nothing,
         agreements = nothing, commutes = nothing, outputs = nothing, name::Union{AbstractString,Nothing} = nothing) =
    restricted(canonical(d), given_kinds(("spaces" => spaces, "sources" => sources, "columns" => columns,
                                          "components" => components, "arrows" => arrows, "agreements" => agreements,
                                          "commutes" => commutes, "outputs" => outputs)),
               name === nothing ? d.name : String(name))

# Compiled once, and not for every combination of keywords.
given_kinds(given) = Dict{String,Any}(kind => names for (kind, names) in given if names !== nothing)

function restricted(d::Diagram, given::Dict{String,Any}, name::String)
    named = known_elements(d, given)
    if isempty(named)
        name == d.name && return d
        return canonical(Diagram(name, d.spaces, d.sources, d.components, d.arrows, d.terms, d.agreements, d.commutes,
                                 d.outputs, Memo()))
    end
    kept = with_needs(d, fitting(d, named))
    haskey(named, "outputs") || (kept["outputs"] = fitting_outputs(d, kept))
    return part(d, kept, name)
end

"""
The elements of kinds that are not named, and are built on kinds that are, which use none but the named ones. The kinds that
are named, or bounded in this way by those that are, are in the answer; no others.
"""
function fitting(d::Diagram, named::ElementNames)
    bounds = copy(named)
    is_within(kind, names) = !haskey(bounds, kind) || all(name -> name in bounds[kind], names)
    if !haskey(named, "columns") && (haskey(bounds, "sources") || haskey(bounds, "spaces"))
        bounds["columns"] = Set{String}(column_name(source.name, column.name) for source in d.sources
                                        for column in source.columns
                                        if is_within("sources", (source.name,)) && is_within("spaces", (column.space,)))
    end
    if !haskey(named, "arrows") && (haskey(bounds, "components") || haskey(bounds, "spaces"))
        bounds["arrows"] = Set{String}(arrow.name for arrow in d.arrows
                                       if is_within("components", (arrow.component,)) &&
                                          is_within("spaces", arrow.sources) && is_within("spaces", arrow.targets))
    end
    haskey(bounds, "columns") || haskey(bounds, "arrows") || return bounds
    terms = fitting_terms(d, bounds)
    commute_fits(c) = is_within("arrows", c.arrows) && is_within("spaces", (c.target,)) && begins_within(c, c.start)
    begins_within(commute, start::Int) = terms[start]
    begins_within(commute, start::String) =
        is_within("sources", (start,)) && is_within("columns", columns_of(d, commute))
    agreement_fits(a) = terms[a.left] && terms[a.right] && (a.mask === nothing || terms[a.mask])
    haskey(named, "agreements") || (bounds["agreements"] = names_of(filter(agreement_fits, d.agreements)))
    haskey(named, "commutes") || (bounds["commutes"] = names_of(filter(commute_fits, d.commutes)))
    return bounds
end

"Whether each term uses none but the columns and arrows of some bounds."
function fitting_terms(d::Diagram, bounds::ElementNames)
    columns, arrows = get(bounds, "columns", nothing), get(bounds, "arrows", nothing)
    fits_itself(term::ColumnTerm) = columns === nothing || column_name(term.source, term.column) in columns
    fits_itself(term::OutputTerm) = arrows === nothing || term.arrow in arrows
    fits_itself(term::DetachTerm) = true
    found = Bool[]
    for term in d.terms
        push!(found, fits_itself(term) && all(argument -> found[argument], arguments(term)))
    end
    return found
end

"The outputs that use none but the columns and arrows that are kept."
function fitting_outputs(d::Diagram, kept::ElementNames)
    terms = fitting_terms(d, kept)
    return names_of(filter(output -> terms[output.term], d.outputs))
end

"The diagram of the elements that are kept, which need no others."
function part(d::Diagram, kept::ElementNames, name::String)
    those(kind, elements) = filter(element -> element.name in kept[kind], elements)
    columns_kept(source) = filter(column -> column_name(source.name, column.name) in kept["columns"], source.columns)
    agreements, commutes = those("agreements", d.agreements), those("commutes", d.commutes)
    outputs = those("outputs", d.outputs)
    terms, place = post_order(d.terms, roots(agreements, commutes, outputs))
    return canonical(Diagram(name, those("spaces", d.spaces),
                             Source[Source(source.name, columns_kept(source)) for source in those("sources", d.sources)],
                             those("components", d.components), those("arrows", d.arrows), terms,
                             Agreement[moved(agreement, place) for agreement in agreements],
                             Commute[moved(commute, place) for commute in commutes],
                             Output[moved(output, place) for output in outputs], Memo()))
end

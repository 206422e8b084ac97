# The part of the checker that looks at agreements and commutes (see check.jl).

"How an error calls an agreement or commute, which may not have its name yet."
agreement_element(agreement::Agreement, place) =
    isempty(agreement.name) ? Where(nothing, "agreement $(place - 1)", nothing, "") : element("agreement", agreement.name)
agreement_element(commute::Commute, place) =
    isempty(commute.name) ? Where(nothing, "commute $(place - 1)", nothing, "") : element("commute", commute.name)

"Weights are finite; zero and negative ones are allowed."
check_weight(weight::Float64, where) =
    isfinite(weight) ? nothing : refuse(where, "a finite weight", quoted(weight), "weight")

"Sides are parallel, fit the divergence, and have a source; masks fit."
function check_agreements(d::Diagram)
    for (place, agreement) in enumerate(d.agreements)
        where, mask = agreement_element(agreement, place), agreement.mask
        require_term(d, agreement.left, inside(where, "left"))
        require_term(d, agreement.right, inside(where, "right"))
        mask === nothing || require_term(d, mask, inside(where, "mask"))
        check_weight(agreement.weight, where)
        check_same_source(d, agreement, where)
        spaces = term_spaces(d)
        left, right = space(d, spaces[agreement.left]), space(d, spaces[agreement.right])
        check_divergence(agreement.divergence, left, right, where)
        mask === nothing ||
            check_mask(space(d, spaces[mask]), element_axes(agreement.divergence, left, where), inside(where, "mask"))
    end
    return nothing
end

"Each side has a source, the left one's."
function check_same_source(d::Diagram, agreement::Agreement, where)
    sources, mask = term_sources(d), agreement.mask
    check_side_source(sources, agreement.left, agreement.left, where, "left")
    check_side_source(sources, agreement.left, agreement.right, where, "right")
    mask === nothing || check_side_source(sources, agreement.left, mask, where, "mask")
    return nothing
end

function check_side_source(sources, left::Int, term::Int, where, side::String)
    wanted, found = sources[left], sources[term]
    found === nothing && refuse_sourceless("$where, $side")
    found == wanted ||
        refuse("$where, $side", "a term of source $(quoted(wanted)), left's", "one of source $(quoted(found))",
               side == "mask" ? "mask" : "parallel")
    return nothing
end

@noinline refuse_sourceless(where) = refuse(where, "a term with a column below it", "a term without columns", "source")

"A number or truth value per sample, or per element without the class axis."
function check_mask(mask::Space, axes::Vector{Axis}, where)
    is_index(mask) || !(isempty(mask.axes) || mask.axes == axes) || return nothing
    shapes = isempty(axes) ? "no axes" : "no axes, or the axes $(axes_text(axes))"
    refuse(where, "a space of numbers or truth values with $shapes", show_space(mask), "mask")
end

"Starts and targets exist, arrows have one source and one target, and the numbers of paths are right."
function check_commutes(d::Diagram)
    for (place, commute) in enumerate(d.commutes)
        where = agreement_element(commute, place)
        check_start(d, commute.start, where)
        check_weight(commute.weight, where)
        haskey(spaces_by_name(d), commute.target) ||
            refuse_unknown("$where, target", "space", commute.target, [space.name for space in d.spaces])
        target = space(d, commute.target)
        check_divergence(commute.divergence, target, target, where)
        check_commute_arrows(d, commute, where)
        0 <= commute.max_length <= MAX_TERMS ||
            refuse("$where, max_length", "0 (no bound) to $MAX_TERMS", string(commute.max_length), "limit")
        2 <= commute.max_paths <= MAX_PATHS ||
            refuse("$where, max_paths", "2 to $MAX_PATHS", string(commute.max_paths), "limit")
        count_paths(d, commute, where)
    end
    return nothing
end

"The start is a source, or a term with a source."
check_start(d::Diagram, start::String, where) = haskey(sources_by_name(d), start) ? nothing :
    refuse_unknown("$where, start", "source", start, [source.name for source in d.sources])

function check_start(d::Diagram, start::Int, where)
    require_term(d, start, inside(where, "start"))
    term_sources(d)[start] === nothing && refuse_sourceless("$where, start")
    return nothing
end

"The arrows exist, are listed once, and can be on a path."
function check_commute_arrows(d::Diagram, commute::Commute, where)
    for name in commute.arrows
        known = get(arrows_by_name(d), name, nothing)
        known === nothing && refuse_unknown("$where, arrows", "arrow", name, [arrow.name for arrow in d.arrows])
        sources, targets = length(known.sources), length(known.targets)
        sources == targets == 1 ||
            refuse("$where, arrows", "arrows with one source and one target space",
                   "arrow $(quoted(name)) with $sources and $targets", "type")
    end
    check_unique(inside(where, "arrows"), "arrows listed once", commute.arrows)
end

"Refuse a name that comes twice."
function check_unique(where, expected, names::Vector{String})
    seen = Set{String}()
    for name in names
        name in seen && refuse(where, expected, "$(quoted(name)) twice", "duplicate")
        push!(seen, name)
    end
    return nothing
end

"""
The agreements that commutes stand for have names of their own, and some agreement trains something. A diagram without
agreements and commutes is a model, not a training setup, and may be all frozen.
"""
function check_expansion(d::Diagram)
    named = with_names(d)
    foreach(agreement -> check_label("agreement", agreement.name), named.agreements)
    foreach(commute -> check_label("commute", commute.name), named.commutes)
    expansion = expand(named)
    where = element("diagram", d.name)
    check_unique(where, "agreements with different names", [agreement.name for agreement in expansion.agreements])
    trained = term_trains(named, expansion.terms)
    if !isempty(expansion.agreements) && !any(a -> trained[a.left] || trained[a.right], expansion.agreements)
        refuse(where, "an agreement with a trainable component below it and no detach in between",
               "trainable components: $(listing([c.name for c in d.components if trains(c)]))", "trainable")
    end
    return nothing
end

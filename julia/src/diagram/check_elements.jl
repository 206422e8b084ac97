# The part of the checker that looks at spaces, sources, components and arrows (see check.jl).

"There are not too many elements."
function check_limits(d::Diagram)
    for table in (:spaces, :sources, :components, :arrows, :terms, :agreements, :commutes, :outputs)
        limit = table == :terms ? MAX_TERMS : table == :agreements ? MAX_AGREEMENTS : MAX_ELEMENTS
        count = length(getfield(d, table))
        count <= limit || refuse(element("diagram", d.name), "at most $limit $table", string(count), "limit")
    end
    return nothing
end

"Names are of the right form, and different within one kind."
function check_names(d::Diagram)
    check_label("diagram", d.name)
    check_names("space", [e.name for e in d.spaces])
    check_names("source", [e.name for e in d.sources])
    check_names("component", [e.name for e in d.components])
    check_names("arrow", [e.name for e in d.arrows])
    check_labels("agreement", [e.name for e in d.agreements if !isempty(e.name)])
    check_labels("commute", [e.name for e in d.commutes if !isempty(e.name)])
    check_labels("output", [e.name for e in d.outputs])
    return nothing
end

check_names(kind, names::Vector{String}) = (foreach(name -> check_name(kind, name), names); check_different(kind, names))
check_labels(kind, names::Vector{String}) = (foreach(name -> check_label(kind, name), names); check_different(kind, names))

"Refuse two elements of one kind with the same name."
function check_different(kind, names::Vector{String})
    seen = Set{String}()
    for name in names
        check_new(kind, name, seen)
        push!(seen, name)
    end
    return nothing
end

"Refuse a name that an element of that kind has already."
check_new(kind, name, taken) =
    name in taken ? refuse(element(kind, name), "one $kind of that name", "two", "duplicate") : nothing

check_spaces(d::Diagram) = foreach(check_space, d.spaces)

"Refuse a space that means nothing: axes have different names and sizes of at least 1, and indices are integers."
function check_space(space::Space)
    where = element("space", space.name)
    length(space.axes) <= MAX_SPACE_AXES ||
        refuse(where, "at most $MAX_SPACE_AXES axes", string(length(space.axes)), "limit")
    for (k, axis) in enumerate(space.axes)
        check_axis(axis, where)
        any(j -> space.axes[j].name == axis.name, 1:(k - 1)) &&
            refuse(where, "axes with different names", "two named $(quoted(axis.name))", "duplicate")
    end
    bounded_product(Int[axis.size for axis in space.axes if axis.size isa Int]) <= MAX_VALUES ||
        refuse(where, "at most $MAX_VALUES numbers in a sample", shape_text(shape(space)), "limit")
    0 <= space.classes <= MAX_CLASSES || refuse(where, "0 to $MAX_CLASSES classes", string(space.classes), "limit")
    is_index(space) && !(space.type in (INT32, INT64)) &&
        refuse(where, "int32 or int64, for class indices", type_name(space.type), "space")
    return nothing
end

"Refuse an axis with a wrong name, size or variable."
function check_axis(axis::Axis, where)
    is_name(axis.name) || check_name("axis", axis.name, "$where, an axis' name")
    size = axis.size
    if size isa String
        is_name(size) || check_name("variable", size, "$where, axis $(quoted(axis.name)), its variable")
    elseif !(1 <= size <= MAX_SIZE)
        refuse("$where, axis $(quoted(axis.name))", "a size from 1 to $MAX_SIZE, or a variable", string(size), "space")
    end
    return nothing
end

"Sources have columns with different names, in known spaces."
function check_sources(d::Diagram)
    for source in d.sources
        where, count = element("source", source.name), length(source.columns)
        1 <= count <= MAX_ELEMENTS || refuse(where, "1 to $MAX_ELEMENTS columns", string(count), "limit")
        names = Set{String}()
        for column in source.columns
            is_name(column.name) || check_name("column", column.name, "$where, a column's name")
            column.name in names && refuse(where, "columns with different names", "two $(quoted(column.name))", "duplicate")
            push!(names, column.name)
            haskey(spaces_by_name(d), column.space) ||
                refuse_unknown(element("column", "$(source.name).$(column.name)"), "space", column.space,
                               sort!(collect(keys(spaces_by_name(d)))))
        end
    end
    return nothing
end

"Bodies are sound, and `has_parameters` is true of portable ones."
check_components(d::Diagram) = foreach(c -> check_component(c, c.body), d.components)

function check_component(component::Component, graph::LayerGraph)
    where = element("component", component.name)
    check_graph(graph, where)
    has = has_parameters(graph)
    component.has_parameters == has ||
        refuse(where, "has_parameters to be $(quoted(has))",
               "$(quoted(component.has_parameters)), of a layer graph with$(has ? "" : "out") parameters", "component")
    return nothing
end

function check_component(component::Component, reference::Union{TorchReference,JuliaReference})
    is_label(reference.name) ||
        check_label("reference", reference.name, "$(element("component", component.name)), its reference")
    return nothing
end

"Spaces and components are known, and portable components map their samples as the arrow says."
function check_arrows(d::Diagram)
    seen = Dict{String,Arrow}() # the first arrow of each portable component
    for arrow in d.arrows
        check_boundary(d, arrow)
        component = components_by_name(d)[arrow.component]
        graph = component.body
        graph isa LayerGraph || continue
        check_portable(d, arrow, component, graph)
        first_one = get!(seen, component.name, arrow)
        type, expected = space(d, arrow.targets[1]).type, space(d, first_one.targets[1]).type
        type == expected ||
            refuse("$(element("arrow", arrow.name)), of component $(quoted(component.name))",
                   "$(type_name(expected)), as in arrow $(quoted(first_one.name))", type_name(type), "component")
    end
    return nothing
end

"What an arrow names is there, and not too much of it."
function check_boundary(d::Diagram, arrow::Arrow)
    where, sources, targets = element("arrow", arrow.name), length(arrow.sources), length(arrow.targets)
    sources <= MAX_ARITY && 1 <= targets <= MAX_ARITY ||
        refuse(where, "at most $MAX_ARITY source spaces and 1 to $MAX_ARITY targets", "$sources and $targets", "limit")
    for spaces in (arrow.sources, arrow.targets), name in spaces
        haskey(spaces_by_name(d), name) ||
            refuse_unknown(where, "space", name, sort!(collect(keys(spaces_by_name(d)))))
    end
    haskey(components_by_name(d), arrow.component) ||
        refuse_unknown(where, "component", arrow.component, sort!(collect(keys(components_by_name(d)))))
    return nothing
end

"""
A layer graph takes and makes as many values as the arrow, of the spaces' shapes. They are float of one dtype, but for inputs
that its nodes take as indices, lengths or masks.
"""
function check_portable(d::Diagram, arrow::Arrow, component::Component, graph::LayerGraph)
    where = inside(element("arrow", arrow.name), "component", component.name)
    sources, targets = [space(d, name) for name in arrow.sources], [space(d, name) for name in arrow.targets]
    graph.inputs == length(sources) ||
        refuse(where, "$(graph.inputs) source spaces, one for each of its inputs", string(length(sources)), "type")
    length(graph.outputs) == length(targets) ||
        refuse(where, "$(length(graph.outputs)) target spaces, one for each of its outputs", string(length(targets)), "type")
    for (space, (kind, node)) in zip(sources, graph_input_kinds(graph))
        if kind.name == FLOATS.name
            check_float(space, targets[1], where)
        elseif !is_of(space, kind)
            refuse(node_element(where, node::Node), kind.text, show_space(space), "type")
        end
    end
    foreach(space -> check_float(space, targets[1], where), targets)
    shapes = infer_shapes(graph, map(shape, sources), where)
    for (place, (made, target)) in enumerate(zip(shapes, targets))
        made == shape(target) ||
            refuse("$where, output $(place - 1)",
                   "shape $(shape_text(shape(target))), of space $(quoted(target.name)) ($(space_text(target)))",
                   "shape $(shape_text(made))", "type")
    end
    return nothing
end

"Refuse a space of a portable component that is not float, or not of the dtype of its first target."
function check_float(space::Space, target::Space, where)
    is_float(space.type) || refuse(where, "float spaces, for portable layers", show_space(space), "type")
    space.type == target.type || refuse(where, "one dtype, $(type_name(target.type))", show_space(space), "type")
    return nothing
end

"Whether a space has values of a kind that is not float."
function is_of(space::Space, kind::InputKind)
    kind.name == "mask" && return space.type == BOOLEAN
    space.type in (INT32, INT64) || return false
    return kind.name == "length" || 1 <= space.classes <= kind.classes
end

# Diagrams, terms and layer graphs as text for a person.

const SHOWN_CHARACTERS = 200
const SHOWN_NODES = 16
const SHOWN_ROWS = 20
const WIDEST = 40 # cells are padded to the widest of their column, but not further

boundary(a::Arrow) = string(isempty(a.sources) ? "1" : join(a.sources, " × "), " → ", join(a.targets, " × "))

"A term written out, cut off where it gets long; arrows with several targets have an output number, from 0."
function term_text(terms::Vector{Term}, place::Int, several)
    io, parts = IOBuffer(), Union{Int,String}[place]
    while !isempty(parts)
        part = pop!(parts)
        if part isa String
            print(io, part)
            continue
        end
        position(io) > SHOWN_CHARACTERS && return string(String(take!(io)), '…')
        term = terms[part]
        if term isa ColumnTerm
            print(io, term.source, '.', term.column)
        elseif term isa OutputTerm
            print(io, term.arrow, '(')
            push!(parts, term.arrow in several ? ")[$(term.output - 1)]" : ")")
            for k in length(term.arguments):-1:1
                push!(parts, term.arguments[k])
                k > 1 && push!(parts, ", ")
            end
        else
            print(io, "detach(")
            push!(parts, ")", term.argument)
        end
    end
    return String(take!(io))
end

with_several_targets(arrows) = Set{String}(a.name for a in arrows if length(a.targets) > 1)

Base.show(io::IO, t::TermHandle) =
    print(io, term_text(t.builder.table.terms, t.place, with_several_targets(t.builder.arrows)))

number_text(value::Float64) = isinteger(value) && abs(value) < 1e15 ? string(Int(value)) : string(value)
number_text(value::Vector{Int}) = join(value, '×')
number_text(value) = string(value)

function Base.show(io::IO, layer::PortableLayer)
    rows = definition(layer.operation, layer.version, "layer").attributes
    values = [(row, value_of(layer.attributes, row.name)) for row in rows]
    shown = [number_text(value) for (row, value) in values if row.default === nothing]
    append!(shown, ["$(row.name)=$(number_text(value))" for (row, value) in values if !(row.default in (nothing, value))])
    print(io, layer.operation, isempty(shown) ? "" : "($(join(shown, ", ")))")
end

value_of(attributes::Attributes, name) = attribute(attributes, name, AttributeValue)

"A layer graph's layers: with arrows between them where each takes the value before it, else in their order."
function Base.show(io::IO, graph::LayerGraph)
    straight = graph.inputs == 1 && graph.outputs == [length(graph.nodes) + 1] &&
               all(k -> graph.nodes[k].inputs == [k], 1:length(graph.nodes))
    shown = [string(node.layer) for node in Iterators.take(graph.nodes, SHOWN_NODES)]
    length(graph.nodes) > SHOWN_NODES && push!(shown, "… ($(length(graph.nodes)) layers in all)")
    print(io, join(shown, straight ? " → " : ", "))
end

Base.show(io::IO, s::Space) = print(io, show_space(s))

counted(n, what) = "$n $what$(n == 1 ? "" : "s")"

Base.show(io::IO, d::Diagram) =
    print(io, "Diagram(", repr(d.name), "): ", join((counted(length(d.spaces), "space"), counted(length(d.arrows), "arrow"),
          counted(length(d.terms), "term"), counted(length(d.agreements) + length(d.commutes), "agreement")), ", "))

options(divergence::Divergence, axis_is_clear::Bool) =
    ["$(row.name)=$(number_text(value_of(divergence.attributes, row.name)))" for row in definition(divergence, "").attributes
     if value_of(divergence.attributes, row.name) != row.default && !(row.name == "axis" && axis_is_clear)]

function formula(d::Diagram, a::Agreement, several)
    left = space(d, term_spaces(d)[a.left])
    sides = [term_text(d.terms, a.left, several); term_text(d.terms, a.right, several);
             options(a.divergence, length(left.axes) == 1)]
    mask = a.mask === nothing ? "" : " where $(term_text(d.terms, a.mask, several))"
    return "$(a.divergence.name)($(join(sides, ", "))) · $(number_text(a.weight))$mask"
end

function formula(d::Diagram, c::Commute, several)
    start = c.start isa String ? c.start : term_text(d.terms, c.start, several)
    sides = ["path"; "path"; options(c.divergence, length(space(d, c.target).axes) == 1)]
    bound = c.max_length == 0 ? "" : " of at most $(c.max_length) arrows"
    return "$(c.divergence.name)($(join(sides, ", "))) · $(number_text(c.weight)), paths from $start to $(c.target)$bound"
end

"Rows in columns, indented, under their name."
function print_table(io::IO, name::String, elements::Vector, cells)
    isempty(elements) && return nothing
    print(io, "\n\n", name)
    rows = get(io, :limit, false) ? SHOWN_ROWS : length(elements)
    shown = [cells(element) for element in Iterators.take(elements, rows)]
    widths = [min(maximum(length(row[k]) for row in shown), WIDEST) for k in 1:length(shown[1])]
    for row in shown
        print(io, "\n  ", rstrip(join((rpad(cell, width) for (cell, width) in zip(row, widths)), "  ")))
    end
    length(elements) > rows && print(io, "\n  … and $(length(elements) - rows) more")
    return nothing
end

trained(c::Component) = !c.has_parameters ? "no parameters" : c.training == TRAINABLE ? "trains" :
                        c.training == FROZEN ? "frozen" : "frozen, in train mode"

body_text(body::LayerGraph) = string(body)
body_text(body::TorchReference) = "PyTorch module $(quoted(body.name))"
body_text(body::JuliaReference) = "Julia component $(quoted(body.name))"

function Base.show(io::IO, ::MIME"text/plain", d::Diagram)
    show(io, d)
    d.memo.canonical || return nothing # what means nothing has no formulas
    print(io, "\nidentity ", identity(d))
    several = with_several_targets(d.arrows)
    print_table(io, "spaces", d.spaces, s -> (s.name, space_text(s)))
    print_table(io, "sources", d.sources, s -> (s.name, join(("$(c.name): $(c.space)" for c in s.columns), ", ")))
    print_table(io, "components", d.components, c -> (c.name, trained(c), body_text(c.body)))
    print_table(io, "arrows", d.arrows, a -> (a.name, boundary(a), a.component == a.name ? "" : "component $(a.component)"))
    print_table(io, "agreements", d.agreements, a -> (a.name, formula(d, a, several)))
    print_table(io, "commutes", d.commutes, c -> (c.name, formula(d, c, several)))
    print_table(io, "outputs", d.outputs, o -> (o.name, term_text(d.terms, o.term, several)))
end

"""
    canonical(diagram) -> Diagram

The one diagram that stands for all ways of writing the same one down, checked. Tables are sorted by name (UTF-8 bytes);
agreements and commutes have names, divergences their axis, −0.0 is 0.0. Terms are those that agreements (by name; left,
right, mask), then commutes, then outputs reach, in post-order, each once.
"""
function canonical(d::Diagram)
    d.memo.canonical && return d
    check(d)
    d = with_names(d)
    agreements, commutes, outputs = sorted(d.agreements), sorted(d.commutes), sorted(d.outputs)
    terms, place = post_order(d.terms, roots(agreements, commutes, outputs))
    spaces = term_spaces(d)
    made = Diagram(d.name, sorted(d.spaces), sorted([Source(s.name, sorted(s.columns)) for s in d.sources]),
                   sorted([resolved(component, component.body) for component in d.components]), sorted(d.arrows), terms,
                   [resolved(d, agreement, spaces, place) for agreement in agreements],
                   [resolved(d, commute, place) for commute in commutes],
                   [Output(output.name, place[output.term]) for output in outputs], Memo())
    made.memo.checked = made.memo.canonical = true
    return made
end

sorted(elements::Vector) = sort(elements; by = element -> element.name)

function roots(agreements, commutes, outputs)
    found = Int[]
    for agreement in agreements
        push!(found, agreement.left, agreement.right)
        agreement.mask === nothing || push!(found, agreement.mask)
    end
    append!(found, Int[commute.start for commute in commutes if commute.start isa Int])
    return append!(found, Int[output.term for output in outputs])
end

function resolved(d::Diagram, a::Agreement, spaces::Vector{String}, place::Vector{Int})
    divergence = resolved(a.divergence, space(d, spaces[a.left]))
    return Agreement(a.name, place[a.left], place[a.right], divergence, a.weight + 0.0,
                     a.mask === nothing ? nothing : place[a.mask])
end

function resolved(d::Diagram, c::Commute, place::Vector{Int})
    divergence, start = resolved(c.divergence, space(d, c.target)), c.start
    return Commute(c.name, start isa Int ? place[start] : start, c.target, c.arrows, divergence, c.weight + 0.0, c.pairing,
                   c.max_length, c.max_paths)
end

resolved(component::Component, ::Union{TorchReference,JuliaReference}) = component

function resolved(component::Component, graph::LayerGraph)
    nodes = [Node(node.name, PortableLayer(node.layer.operation, node.layer.version, sorted(node.layer.attributes)),
                  node.inputs, node.outputs) for node in graph.nodes]
    body = LayerGraph(graph.inputs, nodes, graph.outputs, sort(graph.ties, by = first))
    return Component(component.name, body, component.has_parameters, component.training)
end

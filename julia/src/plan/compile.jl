"""
    plan(diagram, placement = (), driver = TORCH) -> Plan

The program that computes every agreement of a diagram once, and their weighted sum. `placement` has pairs of a portable
component's name and a runtime; those not in it are on `TORCH`. Throws a `BridgeError` of kind "binding" where the placement
is impossible.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float32; k = 3); data = source!(d, "data"; x = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(3, 3)); agree!(d, f(data.x), data.x; by = mse());

julia> plan(build(d), ["f" => JULIA])
Plan driven by 'torch': 4 instructions, 4 registers, 1 island
```
"""
function plan(d::Diagram, placement = (), driver::Runtime = TORCH)
    placed = place(d, placement)
    expansion = expand(d)
    roots = Iterators.flatten(sides(agreement) for agreement in expansion.agreements)
    steps = add_agreements!(steps_of_terms(d, expansion.terms, roots, placed, driver), expansion.agreements, driver)
    allocation = allocate(d, expansion.terms, schedule(steps, driver))
    total = last(allocation.instructions)
    agreements = [PlannedAgreement(a.name, a.divergence, a.weight) for a in expansion.agreements]
    return assemble(d, placed, driver, allocation, Set{Int}(vcat(total.inputs, total.outputs)), agreements)
end

"""
    plan_outputs(diagram, names, placement = (), driver = TORCH) -> (plan, registers)

The program that computes only some named outputs of a diagram, and the register of each of them.
"""
function plan_outputs(d::Diagram, names::Vector{String}, placement = (), driver::Runtime = TORCH)
    placed = place(d, placement)
    known = Dict{String,Int}(output.name => output.term for output in d.outputs)
    for name in names
        haskey(known, name) ||
            refuse_unknown(element("output", name), "output", name, [output.name for output in d.outputs])
    end
    steps = steps_of_terms(d, d.terms, Int[known[name] for name in names], placed, driver)
    allocation = allocate(d, d.terms, schedule(steps, driver))
    registers = Int[allocation.of_term[known[name]] for name in names]
    return assemble(d, placed, driver, allocation, Set{Int}(registers), PlannedAgreement[]), registers
end

"The runtime of every component of a diagram."
function place(d::Diagram, placement)
    wanted = Dict{String,Runtime}()
    for (name, runtime) in placement
        haskey(components_by_name(d), name) ||
            refuse("placement of $(quoted(name))", "one of $(listing([c.name for c in sorted(d.components)]))",
                   "no such component", "binding")
        wanted[name] = runtime
    end
    return Dict{String,Runtime}(c.name => runtime_of(c, get(wanted, c.name, nothing)) for c in sorted(d.components))
end

function runtime_of(component::Component, wanted::Union{Runtime,Nothing})
    body = component.body
    fixed = body isa TorchReference ? TORCH : body isa JuliaReference ? JULIA : nothing
    fixed === nothing && return wanted === nothing ? TORCH : wanted
    wanted === nothing || wanted == fixed ||
        refuse(element("component", component.name),
               "$(runtime_name(fixed)), since it is a $(fixed == TORCH ? "PyTorch module" : "Julia component")",
               "a placement on $(runtime_name(wanted))", "binding")
    return fixed
end

function assemble(d::Diagram, placed, driver, allocation::Allocation, kept::Set{Int}, agreements)
    instructions = bury!(allocation.instructions, allocation.registers, kept)
    placements = sort!([name => runtime for (name, runtime) in placed]; by = first)
    return Plan(digest(d), driver, placements, allocation.registers, instructions, agreements,
                islands(d, instructions, allocation.registers, driver, kept))
end

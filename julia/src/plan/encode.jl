# Plans and fragments as canonical bytes (plan.proto), which count from 0.

const PLAN_FORMAT = "diagram_bridge.plan"
const SCHEMA_VERSION = 1

from_zero(numbers::Vector{Int}) = UInt32[number - 1 for number in numbers]

runtime_message(runtime::Runtime) = Schema.Runtime(Int32(runtime) + 1)

instruction_message(i::Instruction) = Schema.Instruction(
    operation = Schema.Operation(Int32(i.operation) + 1), runtime = runtime_message(i.runtime), inputs = from_zero(i.inputs),
    outputs = from_zero(i.outputs), dead = from_zero(i.dead), tape = i.tape, source = i.source, column = i.column,
    arrow = i.arrow, application = i.application, agreement = i.agreement - 1)

island_message(i::Island) = Schema.Island(first = i.first - 1, count = i.count, inputs = from_zero(i.inputs),
                                          outputs = from_zero(i.outputs), components = i.components)

"""
    write_bytes(plan) -> Vector{UInt8}

The canonical bytes of a plan, the same in every language.
"""
function write_bytes(p::Plan)
    return encode(Schema.Plan(
        format = PLAN_FORMAT, schema_version = SCHEMA_VERSION, diagram = p.diagram, driver = runtime_message(p.driver),
        placements = [Schema.Placement(component = name, runtime = runtime_message(runtime))
                      for (name, runtime) in p.placements],
        registers = p.registers, instructions = map(instruction_message, p.instructions),
        agreements = [Schema.PlannedAgreement(name = a.name, divergence = message(a.divergence), weight = a.weight)
                      for a in p.agreements],
        islands = map(island_message, p.islands)))
end

"""
    fragment(plan, diagram, island) -> Schema.Fragment

What crosses to the other runtime for an island: its instructions, and the elements that they name. Arrows are in order of
first use, spaces sorted by name, components as in the island.
"""
fragment(p::Plan, d::Diagram, i::Island) = fragment(p, d, p.instructions[places(i)], i.inputs, i.outputs, i.components)

function fragment(
    p::Plan, d::Diagram, instructions::Vector{Instruction}, inputs::Vector{Int}, outputs::Vector{Int}, components,
)
    without_columns = sourceless(p)
    arrows = [arrow(d, name) for name in unique(step.arrow for step in instructions if step.operation == APPLY)]
    spaces = Set{String}(name for arrow in arrows for name in vcat(arrow.sources, arrow.targets))
    return Schema.Fragment(
        components = [message(component(d, name)) for name in components], arrows = map(message, arrows),
        spaces = [message(space) for space in d.spaces if space.name in spaces],
        instructions = map(instruction_message, instructions), inputs = from_zero(inputs), outputs = from_zero(outputs),
        sourceless = from_zero(filter(register -> register in without_columns, inputs)))
end

"""
    whole(plan, diagram, outputs = those that agreements compare) -> (Schema.Fragment, columns)

All applications of a plan as one fragment, where one language runs all of them, and the `(source, column)` of each input.
"""
function whole(p::Plan, d::Diagram, outputs::Vector{Int} = compared(p))
    loads = filter(i -> i.operation == LOAD, p.instructions)
    inside = filter(i -> i.operation in (APPLY, DETACH), p.instructions)
    components = unique(arrow(d, i.arrow).component for i in inside if i.operation == APPLY)
    made = fragment(p, d, inside, Int[only(i.outputs) for i in loads], outputs, collect(String, components))
    return made, [(i.source, i.column) for i in loads]
end

"The registers that agreements compare."
compared(p::Plan) = sort!(unique(register for i in p.instructions if i.operation == DIVERGE for register in i.inputs))

"The space of each register, but for those of divergences."
function register_spaces(p::Plan, d::Diagram)
    found = Dict{Int,Space}()
    for i in p.instructions
        if i.operation == LOAD
            found[only(i.outputs)] = space(d, columns_by_name(d)[i.source, i.column].space)
        elseif i.operation == APPLY
            foreach((register, name) -> found[register] = space(d, name), i.outputs, arrow(d, i.arrow).targets)
        elseif i.operation == DETACH
            found[only(i.outputs)] = found[only(i.inputs)]
        end
    end
    return found
end

"The registers that hold a term below which no column lies."
function sourceless(p::Plan)
    found = Set{Int}()
    for i in p.instructions
        i.operation in (APPLY, DETACH) && all(register -> register in found, i.inputs) && union!(found, i.outputs)
    end
    return found
end

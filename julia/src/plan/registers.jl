# Registers, tapes, deaths and islands: from an order of steps to instructions.

"Instructions whose registers are assigned, and the register that holds each term, or 0."
struct Allocation
    instructions::Vector{Instruction}
    registers::Int
    of_term::Vector{Int}
end

"Number registers in schedule order, and find what needs a tape."
function allocate(d::Diagram, terms::Vector{Term}, order::Vector{Step})
    of_term, taped, instructions = zeros(Int, length(terms)), Bool[], Instruction[]
    diverged = Dict{Int,Int}() # the register of each agreement
    for step in order
        inputs = step.operation == SUM ? [diverged[k] for k in 1:length(diverged)] : of_term[step.terms]
        tape, count = step.operation != DETACH && any(k -> taped[k], inputs), 1
        if step.operation == APPLY
            applied = arrow(d, step.arrow)
            count = length(applied.targets)
            tape |= trains(component(d, applied.component))
        end
        outputs = collect((length(taped) + 1):(length(taped) + count))
        append!(taped, fill(tape, count))
        step.operation == DIVERGE && (diverged[step.agreement] = outputs[1])
        push!(instructions, Instruction(step.operation, step.runtime, inputs, outputs, Int[], tape, step.source, step.column,
                                        step.arrow, step.operation == APPLY ? step.id - 1 : 0, step.agreement))
        for k in step.computes
            term = terms[k]
            of_term[k] = outputs[term isa OutputTerm ? term.output : 1]
        end
    end
    return Allocation(instructions, length(taped), of_term)
end

"Fill in `dead`: where each register is read last, or made if nothing reads it. Those in `kept` never die."
function bury!(instructions::Vector{Instruction}, registers::Int, kept::Set{Int})
    last_use = zeros(Int, registers)
    for (k, i) in enumerate(instructions), list in (i.outputs, i.inputs), register in list
        last_use[register] = k
    end
    for register in 1:registers
        register in kept || push!(instructions[last_use[register]].dead, register)
    end
    return instructions
end

"The maximal runs on the runtime that is not the driver; registers in `kept` are read after the end."
function islands(d::Diagram, instructions::Vector{Instruction}, registers::Int, driver::Runtime, kept::Set{Int})
    last_use = zeros(Int, registers)
    for (k, i) in enumerate(instructions), register in i.inputs
        last_use[register] = k
    end
    foreach(register -> last_use[register] = length(instructions) + 1, kept)
    found, k = Island[], 1
    while k <= length(instructions)
        if instructions[k].runtime == driver
            k += 1
            continue
        end
        stop = k
        while stop < length(instructions) && instructions[stop + 1].runtime != driver
            stop += 1
        end
        push!(found, island(d, instructions, k, stop, last_use))
        k = stop + 1
    end
    return found
end

function island(d::Diagram, instructions::Vector{Instruction}, first::Int, last::Int, last_use::Vector{Int})
    made, read, components = Set{Int}(), Set{Int}(), String[]
    for k in first:last
        i = instructions[k]
        union!(made, i.outputs)
        union!(read, i.inputs)
        i.operation == APPLY && push!(components, arrow(d, i.arrow).component)
    end
    outputs = [register for register in made if last_use[register] > last]
    return Island(first, last - first + 1, sort!(collect(setdiff(read, made))), sort!(outputs), unique(components))
end

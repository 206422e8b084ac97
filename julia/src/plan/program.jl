# A plan in memory, as plain data. Registers are assigned once, in schedule order; they, terms and agreements are counted
# from 1 here and from 0 in files.

"Who runs an instruction, and who drives the loop."
@enum Runtime::UInt8 TORCH JULIA

runtime_name(runtime::Runtime) = runtime == TORCH ? "'torch'" : "'julia'"

@enum Operation::UInt8 LOAD APPLY DETACH DIVERGE SUM

"""
One step of a plan. `inputs` and `outputs` are registers; `dead` are those, ascending, that nothing reads after this step.
`tape` says that a trainable parameter is at or below it, with no detach in between. Which of the other fields count depends
on the operation: `source` and `column` for a load, `arrow` and `application` for an apply, `agreement` for a diverge. The
application is the smallest canonical id, from 0, of its terms: part of the counter of random numbers, whatever the
placement.
"""
struct Instruction
    operation::Operation
    runtime::Runtime
    inputs::Vector{Int}
    outputs::Vector{Int}
    dead::Vector{Int}
    tape::Bool
    source::String
    column::String
    arrow::String
    application::Int
    agreement::Int
end

"What a diverge measures; a commute is expanded into several."
struct PlannedAgreement
    name::String
    divergence::Divergence
    weight::Float64
end

"""
A maximal run of `count` instructions, from `first`, on the runtime that is not the driver: one crossing, one tape. `inputs`
and `outputs` are registers, ascending; `components` are in order of first use.
"""
struct Island
    first::Int
    count::Int
    inputs::Vector{Int}
    outputs::Vector{Int}
    components::Vector{String}
end

"A straight-line program; `diagram` is the SHA-256 of the diagram's canonical form, `placements` are sorted by component."
struct Plan
    diagram::Vector{UInt8}
    driver::Runtime
    placements::Vector{Pair{String,Runtime}}
    registers::Int
    instructions::Vector{Instruction}
    agreements::Vector{PlannedAgreement}
    islands::Vector{Island}
end

places(island::Island) = island.first:(island.first + island.count - 1)

function Base.show(io::IO, p::Plan)
    count(n, what) = "$n $what$("s"^(n != 1))"
    print(io, "Plan driven by ", runtime_name(p.driver), ": ", count(length(p.instructions), "instruction"), ", ",
          count(p.registers, "register"), ", ", count(length(p.islands), "island"))
end

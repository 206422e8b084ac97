# The order in which a plan computes its terms: Kahn's algorithm, reluctant to change runtime (docs/semantics.md). While a
# ready step has the current runtime, the one with the smallest id is next; otherwise the ready step with the smallest id of
# all. The driver's runtime is current at the start. A step's id is the smallest id among its terms; agreements come after
# all terms, in their order, and the sum after them. Applications of a component whose state may change wait for each other
# in canonical order, so that the state does not depend on the placement.

"""
An instruction before it has registers. `terms` are what it reads, `computes` what it makes; `agreement` is what it measures.
`after` are the steps that wait for this one, each as often as it reads a value of it; `waits` counts the reads.
"""
mutable struct Step
    id::Int
    operation::Operation
    runtime::Runtime
    terms::Vector{Int}
    computes::Vector{Int}
    source::String
    column::String
    arrow::String
    agreement::Int
    waits::Int
    after::Vector{Int}
end

Step(id, operation, runtime, terms; source = "", column = "", arrow = "", agreement = 1) =
    Step(id, operation, runtime, terms, Int[], source, column, arrow, agreement, 0, Int[])

"Steps by id, and the step that makes each term."
struct Steps
    by_id::Vector{Union{Step,Nothing}}
    of_term::Vector{Union{Step,Nothing}}
end

function wait_for!(step::Step, other::Step)
    push!(other.after, step.id)
    step.waits += 1
    return nothing
end

"Whether a root is built on each term. Arguments come before the terms that use them."
function reachable(terms::Vector{Term}, roots)
    flags = falses(length(terms))
    foreach(root -> flags[root] = true, roots)
    for k in length(terms):-1:1
        flags[k] || continue
        for argument in arguments(terms[k])
            flags[argument] = true
        end
    end
    return flags
end

"The step of each term of a table that a root is built on. The outputs of one application share theirs."
function steps_of_terms(d::Diagram, terms::Vector{Term}, roots, placed::Dict{String,Runtime}, driver::Runtime)
    needed = reachable(terms, roots)
    applications = Dict{OutputTerm,Step}() # by the term of the first output, which need not be one that is needed
    steps = Steps(fill!(Vector{Union{Step,Nothing}}(undef, length(terms)), nothing),
                  fill!(Vector{Union{Step,Nothing}}(undef, length(terms)), nothing))
    for (k, term) in enumerate(terms)
        if term isa OutputTerm
            key = OutputTerm(term.arrow, term.arguments, 1)
            step = get(applications, key, nothing)
            if step === nothing
                runtime = placed[arrow(d, term.arrow).component]
                step = applications[key] = Step(k, APPLY, runtime, term.arguments; arrow = term.arrow)
            end
            needed[k] && isempty(step.computes) &&
                foreach(a -> wait_for!(step, steps.of_term[a]::Step), term.arguments)
        elseif needed[k]
            step = first_step(term, k, steps, driver)
        end
        needed[k] || continue
        step = step::Step
        push!(step.computes, k)
        steps.by_id[step.id] = steps.of_term[k] = step
    end
    keep_order!(steps, d)
    return steps
end

"Let applications of a component whose state may change wait for each other, in the order of their ids."
function keep_order!(steps::Steps, d::Diagram)
    changing, latest = Set{String}(c.name for c in d.components if changes(c)), Dict{String,Step}()
    for step in steps.by_id
        step !== nothing && step.operation == APPLY || continue
        name = arrow(d, step.arrow).component
        name in changing || continue
        haskey(latest, name) && wait_for!(step, latest[name])
        latest[name] = step
    end
end

"Whether applying a component may change its state: portable ones say so, others may."
changes(c::Component) = !is_frozen(c) && !(c.body isa LayerGraph && !has_buffers(c.body))

first_step(term::ColumnTerm, k::Int, ::Steps, driver::Runtime) =
    Step(k, LOAD, driver, Int[]; source = term.source, column = term.column)

function first_step(term::DetachTerm, k::Int, steps::Steps, ::Runtime)
    below = steps.of_term[term.argument]::Step
    step = Step(k, DETACH, below.runtime, [term.argument])
    wait_for!(step, below)
    return step
end

sides(a::Agreement) = a.mask === nothing ? [a.left, a.right] : [a.left, a.right, a.mask]

"Add a step for each agreement, and the sum."
function add_agreements!(steps::Steps, agreements::Vector{Agreement}, driver::Runtime)
    terms = length(steps.of_term)
    total = Step(terms + length(agreements) + 1, SUM, driver, Int[])
    for (k, agreement) in enumerate(agreements)
        step = Step(terms + k, DIVERGE, driver, sides(agreement); agreement = k)
        foreach(side -> wait_for!(step, steps.of_term[side]::Step), step.terms)
        wait_for!(total, step)
        push!(steps.by_id, step)
    end
    push!(steps.by_id, total)
    return steps
end

"Order steps by Kahn's algorithm as described above."
function schedule(steps::Steps, driver::Runtime)
    ready = (Int[], Int[]) # heaps, by runtime
    heap(runtime) = ready[runtime == TORCH ? 1 : 2]
    for step in steps.by_id
        step === nothing || step.waits == 0 && push_heap!(heap(step.runtime), step.id)
    end
    order, current = Step[], driver
    while !all(isempty, ready)
        if isempty(heap(current))
            current = current == TORCH ? JULIA : TORCH
        end
        step = steps.by_id[pop_heap!(heap(current))]::Step
        push!(order, step)
        for id in step.after
            other = steps.by_id[id]::Step
            (other.waits -= 1) == 0 && push_heap!(heap(other.runtime), id)
        end
    end
    return order
end

"Add a number to a binary heap, whose first element is its smallest."
function push_heap!(heap::Vector{Int}, number::Int)
    push!(heap, number)
    k = length(heap)
    while k > 1 && heap[k ÷ 2] > number
        heap[k] = heap[k ÷ 2]
        k ÷= 2
    end
    heap[k] = number
    return nothing
end

"Take the smallest number out of a heap."
function pop_heap!(heap::Vector{Int})
    smallest, number = heap[1], pop!(heap)
    isempty(heap) && return smallest
    k = 1
    while 2k <= length(heap)
        below = 2k < length(heap) && heap[2k + 1] < heap[2k] ? 2k + 1 : 2k
        heap[below] < number || break
        heap[k] = heap[below]
        k = below
    end
    heap[k] = number
    return smallest
end

# What is known of an island's memory before it runs: which results the caller can give room for, and what a tape reads.

"""
Facts about the values of an island. `root` is the value whose memory a value shares (itself, unless it is a view);
`uses` counts the steps and places in which a value is an input; `passes_to` is the one view that a value's gradient comes
back through unchanged, or 0; `learns` says that a trainable parameter is at or below it, with no detach in between.
"""
struct Places
    root::Vector{Int}
    uses::Vector{Int}
    passes_to::Vector{Int}
    learns::Vector{Bool}
    maker::Vector{Union{Step,Nothing}}
    users::Vector{Vector{Step}}
end

function Places(steps::Vector{Step}, n::Int)
    root, uses, passes_to = collect(1:n), zeros(Int, n), zeros(Int, n)
    maker = Vector{Union{Step,Nothing}}(nothing, n)
    users = [Step[] for _ in 1:n]
    for step in steps
        for v in step.inputs
            uses[v] += 1
            push!(users[v], step)
        end
        foreach(v -> maker[v] = step, step.outputs)
        if is_view(step.operation) || step.operation isa Detach
            root[step.outputs[1]] = root[step.inputs[1]]
        end
    end
    learns = fill(false, n)
    for step in steps
        step.operation isa Detach && continue
        (is_trained(step) || any(v -> learns[v], step.inputs)) && foreach(v -> learns[v] = true, step.outputs)
    end
    for step in steps
        is_view(step.operation) && uses[step.inputs[1]] == 1 && (passes_to[step.inputs[1]] = step.outputs[1])
    end
    return Places(root, uses, passes_to, learns, maker, users)
end

"Whether a step has parameters that are not frozen."
is_trained(step::Step) = !isempty(step.parameters) && step.mode == FOLLOW && is_trained(step.operation)
is_trained(::Any) = true

is_filling(step::Union{Step,Nothing}) = step !== nothing && fills(step.operation)

"""
The values that the caller gives room for, output by output; 0 where the result's place is not ours to say: what a
component of the user's returns, an input itself, memory that two outputs share.
"""
function output_places(p::Places, outputs::Vector{Int})
    return [is_filling(p.maker[p.root[v]]) && count(o -> p.root[o] == p.root[v], outputs) == 1 ? p.root[v] : 0
            for v in outputs]
end

"Whether the gradient of an input ends in memory that the caller gives: some layer writes or sums it."
function gradient_is_placed(p::Places, input::Int, outputs::Vector{Int})
    v = input
    while p.passes_to[v] != 0 && !(v in outputs)
        v = p.passes_to[v]
    end
    ends = p.uses[v] + count(==(v), outputs)
    ends > 1 && return true
    return ends == 1 && p.uses[v] == 1 && is_filling(p.users[v][1]) && !hands_on(p.users[v][1].operation)
end

"""
Which inputs (then parameters and buffers) and which outputs a tape refers to after forward has returned. What the way back
needs of a buffer is in the residual: the buffer itself may change.
"""
function retained(steps::Vector{Step}, p::Places, inputs::Int, parameters::Int, buffers::Int, outputs::Vector{Int})
    kept, kept_parameters = falses(length(p.root)), falses(parameters)
    for step in steps
        what = reads(step.operation)
        what.inputs && foreach(v -> kept[p.root[v]] = true, step.inputs)
        what.values && foreach(v -> kept[p.root[v]] = true, step.outputs)
        for (j, read) in zip(step.parameters, what.parameters)
            kept_parameters[j] |= read
        end
    end
    return vcat(kept[1:inputs], kept_parameters, falses(buffers)), [kept[p.root[v]] for v in outputs]
end

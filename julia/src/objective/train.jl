# The training loop, and going on from a checkpoint.

"""
    History

What `train!` did: the losses before each step (`total`, and each agreement's own by name), its optimizer, and how many steps
were made, with those before its start.
"""
mutable struct History
    total::Vector{Float64}
    agreements::Dict{String,Vector{Float64}}
    optimizer::Optimizer
    steps::Int
    steps_of_epoch::Int
    seed::UInt64
end

History(optimizer::Optimizer, steps_of_epoch::Int, seed::UInt64) =
    History(Float64[], Dict{String,Vector{Float64}}(), optimizer, 0, steps_of_epoch, seed)

function Base.push!(h::History, losses::Losses)
    push!(h.total, losses.total)
    for (name, value) in losses.agreements
        push!(get!(() -> Float64[], h.agreements, name), value)
    end
    return h
end

"""
    step!(objective, optimizer, batch; seed = rand(UInt64)) -> Losses

One step of training: the losses on a batch, and the optimizer's step against their gradients.
"""
function step!(o::Objective, optimizer::Optimizer, batch; seed::Integer = rand(UInt64))
    losses, _ = with_gradients(o, batch, true, seed) do v, gradient
        step!(optimizer, ((v.component, v.path, v.array, gradient),))
    end
    return losses
end

"""
    train!(objective, data; epochs, optimizer = "adam", batch_size = 32, seed = 0, start = nothing, callback = nothing, options...)
        -> History

Train on whole data sets `(source = (column = array, …), …)`. `optimizer` is an `Optimizer`, or the name of one with torch's
`options` (`lr = 0.01`, …). `seed` gives the order of the samples, the same as in Python. `callback(step, losses)` is called
after each step, counted from 0 over all epochs; training stops where it returns `true`.

With `start`, a checkpoint that `load_checkpoint!` returned, an interrupted training goes on where it was. `epochs` counts
those before it; optimizer, options and seed are the checkpoint's unless they are given.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("line"); x = space!(d, "x", Float64; k = 1); data = source!(d, "data"; x = x, y = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(1, 1; init = "zeros")); agree!(d, f(data.x), data.y; by = mse());

julia> samples = (data = (x = [0.0 1.0 2.0 3.0], y = [1.0 3.0 5.0 7.0]),);

julia> objective = compile(d);

julia> history = train!(objective, samples; optimizer = "sgd", lr = 0.1, epochs = 200, batch_size = 4);

julia> history.total[end] < 1e-6
true
```
"""
function train!(
    o::Objective, data; epochs::Integer, optimizer::Union{Optimizer,AbstractString,Nothing} = nothing, batch_size = 32,
    seed::Union{Integer,Nothing} = nothing, start::Union{Checkpoint,Nothing} = nothing, callback = nothing, options...,
)
    chosen = chosen_optimizer(optimizer, start, options)
    feed = Feed(data, batch_size, seed !== nothing ? seed : start === nothing ? 0 : start.seed)
    position = start === nothing ? 0 : start.position
    position < feed.steps ||
        throw(BridgeError("start, position", "a number below the $(feed.steps) steps of an epoch", string(position)))
    first = start === nothing ? 0 : start.epoch * feed.steps + position
    history = History(chosen, feed.steps, feed.seed)
    for number in first:(epochs * feed.steps - 1)
        losses = step!(o, chosen, batch(feed, number))
        history.steps = number + 1
        push!(history, losses)
        callback === nothing || callback(number, losses) === true && break
    end
    return history
end

function chosen_optimizer(given, start::Union{Checkpoint,Nothing}, options)
    if given isa Optimizer
        isempty(options) || throw(BridgeError("the optimizer", "its options in the optimizer itself",
                                              "also $(listing(sort!([string(name) for name in keys(options)])))"))
        return given
    end
    (start === nothing || start.optimizer == "") && return Optimizer(given === nothing ? "adam" : given; options...)
    saved = Optimizer(start)
    given === nothing || given == start.optimizer || throw(BridgeError("the optimizer", "'$(start.optimizer)', as in the checkpoint", "'$given'"))
    changed = merge(rule_options(saved.rule), Dict{String,Any}(string(name) => value for (name, value) in options))
    return Optimizer(rule(start.optimizer, changed), saved.states)
end

"""
    save_checkpoint(path, objective, history::History)
    save_checkpoint(path, objective, optimizer = nothing; epoch = 0, position = 0, seed = 0)

Save parameters and buffers, the optimizer's state, and where in the data the training is, in a file that Python reads too:
`position` counts the steps made in `epoch`, both from 0. The file is replaced as a whole or not at all.
"""
save_checkpoint(path::AbstractString, o::Objective, h::History) =
    save_checkpoint(path, o, h.optimizer; epoch = h.steps ÷ h.steps_of_epoch, position = h.steps % h.steps_of_epoch, seed = h.seed)

function save_checkpoint(path::AbstractString, o::Objective, optimizer::Union{Optimizer,Nothing} = nothing;
                         epoch::Integer = 0, position::Integer = 0, seed::Integer = 0)
    table(variables) = Dict{Tuple{String,String},Array}((v.component, v.path) => v.array for v in variables)
    parameters = table(o.parameters)
    c = Checkpoint(diagram = identity(o.diagram), epoch = epoch, position = position, seed = seed % UInt64,
                   parameters = parameters, buffers = table(o.buffers),
                   optimizer = optimizer === nothing ? "" : rule_name(optimizer.rule),
                   options = optimizer === nothing ? Dict{String,Any}() : rule_options(optimizer.rule),
                   slots = optimizer === nothing ? Dict{Tuple{String,String,String},Array}() : optimizer_slots(optimizer))
    return write_checkpoint(path, c)
end

function optimizer_slots(optimizer::Optimizer)
    slots = Dict{Tuple{String,String,String},Array}()
    for ((component, path), state) in optimizer.states
        counts_steps(optimizer.rule) && (slots[component, path, "step"] = fill(Int64(state.step)))
        foreach((name, array) -> slots[component, path, name] = array, slot_names(optimizer.rule), state.slots)
    end
    return slots
end

"""
    load_checkpoint!(objective, path) -> Checkpoint

Put a checkpoint's parameters and buffers into an objective. What it returns is where to go on:
`train!(objective, data; epochs = 10, start = load_checkpoint!(objective, path))`. Nothing is changed unless all of it fits. Throws
a `BridgeError` for a file that is damaged or no checkpoint, for one of another diagram, and for other parameters than the
objective's.
"""
function load_checkpoint!(o::Objective, path::AbstractString)
    c = read_checkpoint(path; diagram = identity(o.diagram))
    changes = Pair{Array,Array}[]
    for (variables, found, what) in ((o.parameters, c.parameters, "parameter"), (o.buffers, c.buffers, "buffer"))
        for v in variables
            where = "file '$path', $what '$(v.component)/$(v.path)'"
            key = get(c.aliases, (v.component, v.path), (v.component, v.path))
            haskey(found, key) || throw(BridgeError(where, "its values", "none"))
            value = found[key]
            eltype(value) === eltype(v.array) && size(value) == size(v.array) ||
                throw(BridgeError(where, summary(v.array), summary(value)))
            push!(changes, v.array => value)
        end
        extra = setdiff(keys(found), [get(c.aliases, (v.component, v.path), (v.component, v.path)) for v in variables])
        isempty(extra) || throw(BridgeError("file '$path', $what '$(join(first(sort!(collect(extra))), '/'))'",
                                            "one of the objective's", "none of them"))
    end
    foreach(((array, value),) -> copyto!(array, value), changes)
    return c
end

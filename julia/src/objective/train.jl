# The training loop.

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
    o.optimizer = optimizer
    return losses
end

"""
    train!(objective, data; epochs, optimizer = "adam", batch_size = 32, seed = 0, start = nothing, callback = nothing,
           progress = stderr isa Base.TTY, options...) -> History

Train on whole data sets `(source = (column = array, …), …)`. `optimizer` is an `Optimizer`, or the name of one with torch's
`options` (`lr = 0.01`, …). `seed` gives the order of the samples, the same as in Python. `callback(step, losses)` is called
after each step, counted from 0 over all epochs; it may [`change!`](@ref) the objective's diagram, and training stops where
it returns `true`. `progress` says whether a progress bar
is shown, or is the stream that it goes to.

With `start`, a checkpoint that `load_checkpoint!` returned, an interrupted training goes on where it was. `epochs` counts
those before it; optimizer, options and seed are the checkpoint's unless they are given.

Throws a `BridgeError` where the diagram has no agreement, also if a callback changed it to such a one.

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
    seed::Union{Integer,Nothing} = nothing, start::Union{Checkpoint,Nothing} = nothing, callback = nothing,
    progress::Union{Bool,IO} = stderr isa Base.TTY, options...,
)
    check_trains(o)
    chosen = chosen_optimizer(optimizer, start, options)
    feed = Feed(data, batch_size, seed !== nothing ? seed : start === nothing ? 0 : start.seed)
    position = start === nothing ? 0 : start.position
    position < feed.steps ||
        throw(BridgeError("start, position", "a number below the $(feed.steps) steps of an epoch", string(position)))
    first = start === nothing ? 0 : start.epoch * feed.steps + position
    history = History(chosen, feed.steps, feed.seed)
    bar = progress === false ? nothing :
          ProgressBar(progress === true ? stderr : progress, first, epochs * feed.steps, feed.steps)
    try
        for number in first:(epochs * feed.steps - 1)
            losses = step!(o, chosen, batch(feed, number))
            history.steps = number + 1
            push!(history, losses)
            bar === nothing || show_progress!(bar, number + 1, losses.total)
            callback === nothing || callback(number, losses) === true && break
            number + 1 < epochs * feed.steps && check_trains(o)
        end
    finally
        bar === nothing || finish!(bar)
    end
    return history
end

check_trains(o::Objective) = isempty(o.agreements) &&
    throw(BridgeError(string(element("diagram", o.diagram.name)), "an agreement to train on", "none", "trainable"))

function chosen_optimizer(given, start::Union{Checkpoint,Nothing}, options)
    if given isa Optimizer
        isempty(options) || throw(BridgeError("the optimizer", "its options in the optimizer itself",
                                              "also $(listing(sort!([string(name) for name in keys(options)])))"))
        return given
    end
    (start === nothing || start.optimizer == "") && return Optimizer(given === nothing ? "adam" : given; options...)
    saved = Optimizer(start)
    given === nothing || given == start.optimizer ||
        throw(BridgeError("the optimizer", "'$(start.optimizer)', as in the checkpoint", "'$given'"))
    changed = merge(rule_options(saved.rule), Dict{String,Any}(string(name) => value for (name, value) in options))
    return Optimizer(rule(start.optimizer, changed), saved.states)
end

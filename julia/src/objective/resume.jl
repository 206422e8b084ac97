# Checkpoints of an objective in training.

"""
    save_checkpoint(path, objective, history::History)
    save_checkpoint(path, objective, optimizer = nothing; epoch = 0, position = 0, seed = 0)

Save parameters and buffers, the optimizer's state, and where in the data the training is, in a file that Python reads too:
`position` counts the steps made in `epoch`, both from 0. The file is replaced as a whole or not at all.
"""
function save_checkpoint(path::AbstractString, o::Objective, h::History)
    epoch, position = divrem(h.steps, h.steps_of_epoch)
    return save_checkpoint(path, o, h.optimizer; epoch = epoch, position = position, seed = h.seed)
end

function save_checkpoint(path::AbstractString, o::Objective, optimizer::Union{Optimizer,Nothing} = nothing;
                         epoch::Integer = 0, position::Integer = 0, seed::Integer = 0)
    key(v) = (v.component, v.path)
    table(variables) = Dict{Tuple{String,String},Array}(key(v) => v.array for v in variables)
    c = Checkpoint(diagram = identity(o.diagram), epoch = epoch, position = position, seed = seed % UInt64,
                   parameters = table(o.parameters[unique(o.owners)]), buffers = table(o.buffers),
                   aliases = tied_keys(o),
                   optimizer = optimizer === nothing ? "" : rule_name(optimizer.rule),
                   options = optimizer === nothing ? Dict{String,Any}() : rule_options(optimizer.rule),
                   slots = optimizer === nothing ? Dict{Tuple{String,String,String},Array}() : state_slots(optimizer))
    return write_checkpoint(path, c)
end

"""
    load_checkpoint!(objective, path) -> Checkpoint

Put a checkpoint's parameters and buffers into an objective. What it returns is where to go on:
`train!(objective, data; epochs = 10, start = load_checkpoint!(objective, path))`. Nothing is changed unless all of it fits.
Throws a `BridgeError` for a file that is damaged or no checkpoint, for one of another diagram, and for other parameters than
the objective's.
"""
function load_checkpoint!(o::Objective, path::AbstractString)
    c, file = read_checkpoint(path; diagram = identity(o.diagram)), "file '$path'"
    require_aliases(o, c.aliases, file)
    changes = [changes_to(o.parameters[unique(o.owners)], c.parameters, "parameters/", file)
               changes_to(o.buffers, c.buffers, "buffers/", file)]
    foreach(((array, value),) -> copyto!(array, value), changes)
    return c
end

# Objectives of Julia alone, for the tests in Python: diagrams, checkpoints, batches and gradients go by files.
module Objectives

using DiagramBridge
using DiagramBridge: native, read_tensors, write_tensors

"The columns of a file whose tensors are named `source/column`."
function read_data(path::String)
    data = Dict{String,Dict{String,Array}}()
    for (name, array) in read_tensors(path)[1]
        source, column = split(name, '/')
        get!(() -> Dict{String,Array}(), data, String(source))[String(column)] = array
    end
    return data
end

"The losses and gradients of an objective with a checkpoint's parameters, and its buffers afterwards, written to a file."
function differentiate(diagram::String, checkpoint::String, batch::String, answer::String, train::Bool, seed::UInt = UInt(0))
    objective = compile(load(diagram))
    load_checkpoint!(objective, checkpoint)
    data = read_data(batch)
    losses, gradients = losses_and_gradients(objective, data; train = train, seed = seed)
    buffers = Dict(string("buffer/", v.component, '/', v.path) => copy(v.array) for v in objective.buffers)
    load_checkpoint!(objective, checkpoint)
    without = loss(objective, data; train = train, seed = seed)
    @assert without.total === losses.total && without.agreements == losses.agreements
    @assert all(v -> v.array == buffers[string("buffer/", v.component, '/', v.path)], objective.buffers)
    tensors = Dict{String,Array}("total" => [losses.total])
    foreach(((name, value),) -> tensors["loss/$name"] = [value], losses.agreements)
    foreach(((key, gradient),) -> tensors[string("gradient/", join(key, '/'))] = gradient, gradients)
    write_tensors(answer, merge(tensors, buffers), Dict{String,String}())
end

"For each component of one layer: its operation, and whether the Flux engine has it in functions of Flux's or NNlib's."
function done_by_flux(diagram::String)
    in_flux = parentmodule(typeof(DiagramBridge.ENGINES["flux"])).in_flux
    layers = [only(component.body.nodes).layer for component in load(diagram).components]
    return join((string(l.operation, ' ', in_flux(native(l)) !== native(l)) for l in layers), '\n')
end

"Go on with a training from a checkpoint, up to some epoch, and save where it is then."
function go_on(diagram::String, checkpoint::String, data::String, epochs::Int, batch_size::Int, result::String)
    objective = compile(load(diagram))
    start = load_checkpoint!(objective, checkpoint)
    history = train!(objective, read_data(data); epochs = epochs, batch_size = batch_size, start = start)
    save_checkpoint(result, objective, history)
end


"Train from a checkpoint, with the diagram changed after some steps, as JSON in a file says; the totals of the losses."
function change_while_training(story::String, data::String, result::String)
    told = DiagramBridge.parse_json(read(story))
    objective = compile(load(told["diagram"]))
    start = load_checkpoint!(objective, told["checkpoint"])
    changes = Dict(change["after"] => change for change in told["changes"])
    function callback(step, losses)
        haskey(changes, step) || return nothing
        change!(objective, load(changes[step]["diagram"]); origins = changes[step]["origins"])
        return nothing
    end
    history = train!(objective, read_data(data); epochs = told["epochs"], batch_size = 8, start = start, callback = callback)
    save_checkpoint(result, objective, history)
    return join(history.total, ' ')
end

end

"""
A training between two steps: parameters and buffers by (component, path), what the optimizer keeps by (component, path,
slot), and where in the data it is. `diagram` is the diagram's identity (SHA-256, hexadecimal); `position` counts the
steps made in `epoch`, from 0; `seed` is that of the order of samples. `aliases` says which parameters are another one,
each by (component, path). `optimizer` is the optimizer's name, and "" where none was saved.

In a file the tensors are named `parameters/<component>/<path>`, `buffers/…` and `optimizer/<component>/<path>/<slot>`; a
slot `step`, an Int64, counts a parameter's steps.
"""
Base.@kwdef struct Checkpoint
    diagram::String
    epoch::Int = 0
    position::Int = 0
    seed::UInt64 = 0
    parameters::Dict{Tuple{String,String},Array} = Dict{Tuple{String,String},Array}()
    buffers::Dict{Tuple{String,String},Array} = Dict{Tuple{String,String},Array}()
    aliases::Dict{Tuple{String,String},Tuple{String,String}} = Dict{Tuple{String,String},Tuple{String,String}}()
    optimizer::String = ""
    options::Dict{String,Any} = Dict{String,Any}()
    slots::Dict{Tuple{String,String,String},Array} = Dict{Tuple{String,String,String},Array}()
end

const CHECKPOINT_VERSION = 1
# The one entry of the file's metadata: JSON, so that files have one order of their bytes.
const CHECKPOINT_KEY = "diagram_bridge.checkpoint"
const CHECKPOINT_FIELDS = ["aliases", "diagram", "epoch", "optimizer", "position", "seed", "version"]

"""
    write_checkpoint(path, checkpoint::Checkpoint)

Write a checkpoint that either language reads. The file is replaced as a whole or not at all.
"""
function write_checkpoint(path::AbstractString, c::Checkpoint)
    tensors = Dict{String,Array}()
    for (section, table) in (("parameters", c.parameters), ("buffers", c.buffers), ("optimizer", c.slots))
        for (key, array) in table
            tensors[join((section, key...), '/')] = array
        end
    end
    optimizer = c.optimizer == "" ? nothing : Dict("name" => c.optimizer, "options" => c.options)
    text = json(Dict(
        "version" => CHECKPOINT_VERSION, "diagram" => c.diagram, "epoch" => c.epoch, "position" => c.position,
        "seed" => c.seed, "optimizer" => optimizer,
        "aliases" => Dict(join(alias, '/') => join(owner, '/') for (alias, owner) in c.aliases),
    ))
    return write_tensors(path, tensors, Dict(CHECKPOINT_KEY => text))
end

"""
    read_checkpoint(path; diagram = nothing) -> Checkpoint

Read a checkpoint of either language. Throws a `BridgeError` for a file that is damaged or no checkpoint, and for one of
another diagram than the one whose identity is given as `diagram`.

```jldoctest
julia> using DiagramBridge: Checkpoint, read_checkpoint, write_checkpoint

julia> path = joinpath(mktempdir(), "run.safetensors");

julia> weight = Dict{Tuple{String,String},Array}(("f", "weight") => [1.0, 2.0]);

julia> write_checkpoint(path, Checkpoint(diagram = "0"^64, epoch = 3, parameters = weight));

julia> found = read_checkpoint(path, diagram = "0"^64);

julia> found.epoch, found.parameters["f", "weight"]
(3, [1.0, 2.0])
```
"""
function read_checkpoint(path::AbstractString; diagram::Union{String,Nothing} = nothing)
    tensors, metadata = read_tensors(path)
    file = "file '$path'"
    fields = checkpoint_fields(metadata, file)
    optimizer, options = optimizer_fields(fields["optimizer"], "$file, optimizer")
    c = Checkpoint(
        diagram = fields["diagram"], epoch = fields["epoch"], position = fields["position"],
        seed = UInt64(fields["seed"]), optimizer = optimizer, options = options,
    )
    foreach(name -> add_tensor!(c, name, tensors[name], file), sort!(collect(keys(tensors))))
    for (alias, owner) in sort!(collect(fields["aliases"]))
        push!(c.aliases, alias_keys(alias, owner, c.parameters, file))
    end
    diagram in (nothing, c.diagram) || throw(BridgeError("$file, diagram", "the identity $diagram", c.diagram))
    return c
end

function checkpoint_fields(metadata::Dict{String,String}, file::String)
    element = "$file, metadata"
    fields = read_fields(metadata, CHECKPOINT_KEY, CHECKPOINT_VERSION, CHECKPOINT_FIELDS, element)
    check(name, fits, expected) = fits(fields[name]) || throw(BridgeError("$element, $name", expected, "something else"))
    check("diagram", is_identity, "64 hexadecimal digits")
    check("epoch", is_count, "a number from 0")
    check("position", is_count, "a number from 0")
    check("seed", x -> is_count(x) || x isa UInt64, "a number from 0 to 2^64 - 1")
    return fields
end

function optimizer_fields(found, element::String)
    found === nothing && return "", Dict{String,Any}()
    fits = found isa Dict && sort!(collect(keys(found))) == ["name", "options"] && found["name"] isa String &&
           found["name"] != "" && found["options"] isa Dict
    fits || throw(BridgeError(element, "a name and options", "something else"))
    return found["name"], found["options"]
end

"`section/component/path`, or with a slot behind it, in parts; `nothing` for what is neither."
function tensor_parts(name::String)
    parts = split(name, '/', limit = 3)
    length(parts) == 3 && !any(isempty, parts) || return nothing
    section, component, path = String.(parts)
    section in ("parameters", "buffers") && return section, component, path
    section == "optimizer" || return nothing
    cut = findlast(isequal('/'), path)
    (cut === nothing || cut == 1 || cut == lastindex(path)) && return nothing
    return section, component, String(path[1:prevind(path, cut)]), String(path[nextind(path, cut):end])
end

function add_tensor!(c::Checkpoint, name::String, array::Array, file::String)
    element = "$file, tensor '$name'"
    parts = tensor_parts(name)
    parts === nothing &&
        throw(BridgeError(element, "a name such as parameters/<component>/<path>", "none of a checkpoint's"))
    key = Base.tail(parts)
    if parts[1] == "parameters"
        c.parameters[key] = array
    elseif parts[1] == "buffers"
        c.buffers[key] = array
    else
        c.optimizer == "" && throw(BridgeError(element, "an optimizer that it belongs to", "none"))
        if key[3] == "step" && !(array isa Array{Int64,0} && array[] >= 0)
            throw(BridgeError(element, "one I64 from 0", "something else"))
        end
        c.slots[key] = array
    end
    return nothing
end

"""
    Optimizer(checkpoint::Checkpoint) -> Union{Optimizer,Nothing}

The optimizer that a checkpoint was saved with, with its state; `nothing` where it has none. Throws a `BridgeError` for
an optimizer or an option that is not portable, and for a slot that is missing or not of its parameter's type and size.
"""
function Optimizer(c::Checkpoint)
    c.optimizer == "" && return nothing
    made = Optimizer(rule(c.optimizer, c.options))
    wanted = slot_names(made.rule)
    for (component, path) in unique!([(key[1], key[2]) for key in sort!(collect(keys(c.slots)))])
        element = "the optimizer's state of parameter '$component/$path'"
        haskey(c.parameters, (component, path)) || throw(BridgeError(element, "a parameter of the checkpoint", "none"))
        found = sort!([key[3] for key in keys(c.slots) if key[1] == component && key[2] == path])
        expected = sort!([wanted..., (counts_steps(made.rule) ? ("step",) : ())...])
        found == expected || throw(BridgeError(element, join(expected, ", "), join(found, ", ")))
        made.states[component, path] = parameter_state(c, made.rule, component, path, element)
    end
    return made
end

function parameter_state(c::Checkpoint, rule::Rule, component::String, path::String, element::String)
    parameter = c.parameters[component, path]
    state = ParameterState(rule, parameter)
    # Where torch counts none, what has a state has been stepped.
    state.step = counts_steps(rule) ? c.slots[component, path, "step"][] : 1
    for (place, name) in enumerate(slot_names(rule))
        slot = c.slots[component, path, name]
        if typeof(slot) !== typeof(parameter) || size(slot) != size(parameter)
            throw(BridgeError("$element, slot '$name'", "the parameter's type and size", "others"))
        end
        state.slots[place] = copy(slot)
    end
    return state
end

"""
    state_slots(optimizer) -> Dict{Tuple{String,String,String},Array}

What an optimizer keeps by (component, path, slot), as a `Checkpoint` has it.
"""
function state_slots(optimizer::Optimizer)
    found = Dict{Tuple{String,String,String},Array}()
    for ((component, path), state) in optimizer.states
        state.step == 0 && continue
        for (place, name) in enumerate(slot_names(optimizer.rule))
            found[component, path, name] = state.slots[place]
        end
        counts_steps(optimizer.rule) && (found[component, path, "step"] = fill(Int64(state.step)))
    end
    return found
end

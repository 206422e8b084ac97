# Those parts of a plan that PyTorch runs where Julia drives.

"""
A run of a plan's instructions, loaded in Python. `trains` says that a parameter in it may be stepped; with `seeds` torch's
generator is seeded for each call.
"""
struct TorchIsland
    handle::TorchHandle
    element::String
    application::UInt64
    trains::Bool
    seeds::Bool
end

"An island of torch's and where it stands: which instructions of a fragment, between which registers, with what outputs."
struct TorchPart
    island::TorchIsland
    places::UnitRange{Int}
    inputs::Vector{UInt32}
    outputs::Vector{UInt32}
    spaces::Vector{Schema.Space}
    components::Vector{String}
end

"""
    torch_parts(plan, diagram, instances; seeds, constant_buffers = false) -> Vector{TorchPart}

The islands of a plan that Julia drives, loaded in Python. `instances` has the `TorchInstance` of each component in them.
"""
function torch_parts(p::Plan, d::Diagram, instances::AbstractDict; seeds::Bool, constant_buffers::Bool = false)
    spaces = Plans.register_spaces(p, d)
    return TorchPart[torch_part(p, d, planned, instances, spaces, seeds, constant_buffers) for planned in p.islands]
end

function torch_part(p::Plan, d::Diagram, planned::Plans.Island, instances, spaces, seeds::Bool, constant_buffers::Bool)
    names = planned.components
    load = Schema.Load(fragment = fragment(p, d, planned), instances = UInt64[instances[n].handle.id for n in names],
                       constant_buffers = constant_buffers)
    loaded = ask_torch(Schema.Request(load = load)).loaded
    applied = filter(i -> i.operation == Plans.APPLY, p.instructions[Plans.places(planned)])
    application = isempty(applied) ? 0 : first(applied).application
    island = TorchIsland(TorchHandle(loaded.island, Array[]), "island of $(join(names, ", "))", UInt64(application),
                         any(name -> trains(component(d, name)), names), seeds)
    # Among the instructions of the whole plan's fragment, which are those that apply and detach.
    start = count(i -> i.operation in (Plans.APPLY, Plans.DETACH), p.instructions[1:planned.first])
    return TorchPart(island, start:(start + planned.count - 1), Plans.from_zero(planned.inputs),
                     Plans.from_zero(planned.outputs), [message(spaces[register]) for register in planned.outputs], names)
end

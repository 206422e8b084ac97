"""The parts of a Julia script that are the same for every diagram."""

from __future__ import annotations

__all__ = ["HEAD", "LOADING", "MAIN"]

HEAD = '''# Training of {name}, in plain Flux. (Written by diagram-bridge {version}, which it does not need.)
#
#     julia train.jl data.safetensors --epochs 10 --lr 0.001
#
# The data are one .safetensors file with an array of all samples for each of
#
{data}
#
# The file has the samples along the first axis, Julia reads its axes in reverse: here a batch is the last axis.

using Flux
using Flux: onehotbatch
using Flux.NNlib
using Random
using Statistics
'''

LOADING = '''const TYPES = Dict("F64" => Float64, "F32" => Float32, "I64" => Int64, "I32" => Int32, "BOOL" => Bool)
const ENTRY = r""""([^"]+)":\\{"dtype":"(\\w+)","shape":\\[([\\d,]*)\\],"data_offsets":\\[(\\d+),(\\d+)\\]\\}"""

"The arrays of a .safetensors file by name, with their axes reversed: a JSON header, and then the numbers."
function load_tensors(path)
    bytes = read(path)
    begins = 8 + only(reinterpret(UInt64, bytes[1:8]))
    header = replace(String(bytes[9:begins]), r"\\s*([:,{}\\[\\]])\\s*" => s"\\1")
    tensors = Dict{String,Array}()
    for (name, type, shape, start, stop) in (entry.captures for entry in eachmatch(ENTRY, header))
        numbers = bytes[(begins + parse(Int, start) + 1):(begins + parse(Int, stop))]
        sizes = reverse(parse.(Int, split(shape, ','; keepempty=false)))
        tensors[name] = reshape(collect(reinterpret(TYPES[type], numbers)), sizes...)
    end
    return tensors
end

"Put arrays where their names say: `student.layers.1.weight` is a field of a field, or a member of a chain."
function load_weights!(model, tensors)
    for (name, array) in tensors
        *path, field = split(name, '.')
        copyto!(getfield(foldl(member, path; init=model), Symbol(field)), array)
    end
    return model
end

member(chain::Chain, name) = chain[parse(Int, name)]
member(part, name) = getfield(part, Symbol(name))
'''.replace("        *path, field = split(name, '.')\n", "        path..., field = split(name, '.')\n")

MAIN = '''"Arrays named \\"source.column\\" as source => column => array."
function by_source(tensors)
    found = Dict{String,Dict{String,Array}}()
    for (name, array) in tensors
        source, column = split(name, '.'; limit=2)
        get!(found, source, Dict{String,Array}())[column] = array
    end
    return found
end

count_samples(columns) = size(first(values(columns)))[end]

"The batch of a step from 0; each source goes through its samples again and again, in an order of its own each time."
function batch_of(data, step, size, shuffle, seed)
    return Dict(source => begin
        count = count_samples(columns)
        epoch, place = divrem(step, cld(count, size))
        order = shuffle ? randperm(MersenneTwister(hash((seed, epoch, source))), count) : 1:count
        chosen = order[(place * size + 1):min((place + 1) * size, count)]
        Dict(name => array[ntuple(_ -> :, ndims(array) - 1)..., chosen] for (name, array) in columns)
    end for (source, columns) in data)
end

const OPTIMISERS = Dict(
    "adam" => rate -> Adam(rate),
    "adamw" => rate -> AdamW(rate, (0.9, 0.999), 0.01),
    "rmsprop" => rate -> RMSProp(rate, 0.99),
    "sgd" => rate -> Descent(rate),
)

function main(arguments)
    option(name, default) = (at = findfirst(==("--$name"), arguments); at === nothing ? default : arguments[at + 1])
    epochs, size, seed = (parse(Int, option(name, default)) for (name, default) in
                          (("epochs", "10"), ("batch-size", "32"), ("seed", "0")))
    shuffle = !("--in-order" in arguments)
    Random.seed!(seed)
    data = by_source(load_tensors(first(arguments)))
    model = load_weights!(Model(), load_tensors(option("weights", joinpath(@__DIR__, "weights.safetensors"))))
    trainmode!(model)
# MODES
    optimiser = Flux.setup(OPTIMISERS[option("optimizer", "adam")](parse(Float64, option("lr", "0.001"))), model)
# FROZEN

    steps = epochs * maximum(cld(count_samples(columns), size) for columns in values(data))
    for step in 0:(steps - 1)
        batch = batch_of(data, step, size, shuffle, seed)
        (total, each), gradients = Flux.withgradient(model -> losses(model, batch), model)
        Flux.update!(optimiser, model, only(gradients))
        shown = join(("$name $loss" for (name, loss) in pairs(each)), ", ")
        println("step $step: total $total ($shown)")
    end
    return model
end

abspath(PROGRAM_FILE) == abspath(@__FILE__) && main(ARGS)
'''

# Batches of whole data sets, in the order that `sample_order` gives. Each source runs through epochs of its own: in step t
# (from 0 over the whole training) it is in its epoch t ÷ b, at batch t mod b, where b is its number of batches.

"The data of one source, the size of its batches, and the order of the epoch that was asked for last."
mutable struct SourceFeed
    name::String
    columns::Vector{Pair{Symbol,Array}}
    samples::Int
    size::Int
    epoch::Int
    order::Vector{Int}
end

batches(f::SourceFeed) = cld(f.samples, f.size)

"The batches of several sources. Sources may differ in size; an epoch is one of the source with most batches."
struct Feed
    sources::Vector{SourceFeed}
    seed::UInt64
    steps::Int # of an epoch
end

function Feed(data, batch_size, seed::Integer)
    data isa Union{NamedTuple,AbstractDict} || throw(BridgeError("the data", "sources by name", "a $(typeof(data))"))
    sources = [SourceFeed(String(name), columns, batch_size) for (name, columns) in pairs(data)]
    steps = isempty(sources) ? 0 : maximum(batches, sources)
    steps > 0 || throw(BridgeError("the data", "a source with samples", "none in $(listing([f.name for f in sources]))"))
    return Feed(sources, seed % UInt64, steps)
end

function SourceFeed(name::String, columns, batch_size)
    columns isa Union{NamedTuple,AbstractDict} && !isempty(columns) ||
        throw(BridgeError(string(element("source", name)), "its columns by name", "a $(typeof(columns))"))
    found = Pair{Symbol,Array}[]
    for (column, array) in pairs(columns)
        where = string(element("column", "$name.$column"))
        own = dense(array, where)
        ndims(own) > 0 || throw(BridgeError(where, "an array of samples", "a scalar"))
        samples = isempty(found) ? last_size(own) : last_size(found[1].second)
        samples == last_size(own) ||
            throw(BridgeError(where, "$samples samples, as in the columns before it", string(last_size(own))))
        push!(found, Symbol(column) => own)
    end
    where = "the batch size of source $(quoted(name))"
    size = batch_size isa Integer ? batch_size : entry(batch_size, name, where, "a number")
    size isa Integer && size >= 1 || throw(BridgeError(where, "a number from 1", string(size)))
    return SourceFeed(name, found, last_size(found[1].second), size, -1, Int[])
end

"The batch of a step, counted from 0 over all epochs."
function batch(feed::Feed, step::Integer)
    return Dict{String,Dict{String,Array}}(f.name => columns(f, feed.seed, step) for f in feed.sources)
end

function columns(f::SourceFeed, seed::UInt64, step::Integer)
    epoch, place = divrem(step, max(batches(f), 1))
    if f.epoch != epoch
        f.order, f.epoch = sample_order(seed, epoch, f.name, f.samples), epoch
    end
    chosen = f.order[(place * f.size + 1):min((place + 1) * f.size, f.samples)]
    return Dict{String,Array}(String(name) => chosen_samples(array, chosen) for (name, array) in f.columns)
end

chosen_samples(array::Array{T,N}, chosen::Vector{Int}) where {T,N} = array[ntuple(_ -> Colon(), N - 1)..., chosen]

# Reading a batch: each column is checked against its space before anything runs.

"A column that an objective reads."
struct Load
    source::String
    column::String
    space::Space
end

loads(diagram::Diagram, columns) =
    [Load(source, column, space(diagram, columns_by_name(diagram)[source, column].space)) for (source, column) in columns]

const JULIA_TYPES = Dict(FLOAT32 => Float32, FLOAT64 => Float64, INT32 => Int32, INT64 => Int64, BOOLEAN => Bool)

"""
    read_batch(loads, batch) -> Vector{Array}

The columns of `(source = (column = array, …), …)`, a named tuple or a dictionary, each with its axes reversed and the batch
last. Throws a `BridgeError` that names the column for one that is missing or does not fit its space.
"""
function read_batch(loads::Vector{Load}, batch)
    samples, bound = Dict{String,Int}(), Dict{String,Int}()
    return Array[read_column(load, batch, samples, bound) for load in loads]
end

function read_column(load::Load, batch, samples::Dict{String,Int}, bound::Dict{String,Int})
    where = string(element("column", "$(load.source).$(load.column)"))
    columns = entry(batch, load.source, string(element("source", load.source)), "its columns in the batch")
    array = dense(entry(columns, load.column, where, "an array in the batch"), where)
    fits(load.space, array, bound) || throw(BridgeError(where, describe(load.space, bound), summary(array)))
    length = last_size(array)
    get!(samples, load.source, length) == length ||
        throw(BridgeError(where, "$(samples[load.source]) samples, as in the columns before it", string(length)))
    is_index(load.space) && check_indices(array, load.space, where)
    return array
end

function entry(table, name::String, where::String, expected::String)
    table isa Union{NamedTuple,AbstractDict} || throw(BridgeError(where, expected, "a $(typeof(table))"))
    key = table isa AbstractDict{String} ? name : Symbol(name)
    haskey(table, key) || throw(BridgeError(where, expected, "only $(listing(sort!(string.(collect(keys(table))))))"))
    return table[key]
end

dense(array::Array, ::String) = array
dense(array::AbstractArray, ::String) = Array(array)
dense(other, where::String) = throw(BridgeError(where, "an array", "a $(typeof(other))"))

function fits(space::Space, array::Array{T,N}, bound::Dict{String,Int}) where {T,N}
    T === JULIA_TYPES[space.type] && N == length(space.axes) + 1 || return false
    found = Dict{String,Int}() # bound only if all axes fit, so that a refusal reports what was bound before
    for (k, axis) in enumerate(space.axes)
        n = size(array, N - k)
        if axis.size isa Int
            n == axis.size || return false
        else
            n >= 1 && get(bound, axis.size, get!(found, axis.size, n)) == n || return false
        end
    end
    merge!(bound, found)
    return true
end

function describe(space::Space, bound::Dict{String,Int})
    sizes = [axis.size isa Int ? string(axis.size) :
             haskey(bound, axis.size) ? "$(axis.size)=$(bound[axis.size])" : axis.size for axis in reverse(space.axes)]
    return "$(JULIA_TYPES[space.type]) of size ($(join([sizes; "N"], ", ")))"
end

function check_indices(array::Array, space::Space, where::String)
    isempty(array) && return nothing
    low, high = extrema(array)
    0 <= low && high < space.classes ||
        throw(BridgeError(where, "class indices from 0 to $(space.classes - 1)", string(low < 0 ? low : high)))
    return nothing
end

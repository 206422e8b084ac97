# Files of named tensors in the safetensors format (https://github.com/huggingface/safetensors): the length of a header as
# 8 bytes, little-endian; the header, JSON; the tensors' bytes, row-major and little-endian, without gaps. Reading one runs
# no code.

# In the order in which the safetensors package writes them: the widest first, so that each tensor is aligned.
const TENSOR_TYPES = (
    "U64" => UInt64, "I64" => Int64, "F64" => Float64, "F32" => Float32, "U32" => UInt32, "I32" => Int32,
    "F16" => Float16, "U16" => UInt16, "I16" => Int16, "I8" => Int8, "U8" => UInt8, "BOOL" => Bool,
)
const TENSOR_TYPE_NAMES = join(map(first, TENSOR_TYPES), ", ")
const MAX_HEADER = 100_000_000 # the format's own limit
const MAX_TENSOR_AXES = 32
const LEAST_MAPPED = 2^16 # bytes; a process can have some 65 000 mappings

"""
    read_tensors(path) -> (tensors::Dict{String,Array}, metadata::Dict{String,String})

The tensors of a safetensors file, with their axes reversed, and its metadata. The file is mapped, and each tensor
copied out of it once. Throws a `BridgeError` about the file, or about one of its tensors, for a file that is truncated or
damaged in any other way.
"""
function read_tensors(path::AbstractString)
    element = "file '$path'"
    return open_regular(io -> tensors_in(io, element, (bytes, data, layout) -> tensor(bytes, data, layout)), path, element)
end

"The metadata of a safetensors file, which is checked as a whole."
function read_metadata(path::AbstractString)
    element = "file '$path'"
    return open_regular(io -> last(tensors_in(io, element, (bytes, data, layout) -> UInt8[])), path, element)
end

"The tensors that `make(bytes, data, layout)` gives of an open file, mapped while they are made, and its metadata."
function tensors_in(io::IO, element::String, make)
    size = filesize(io)
    size >= 8 || throw(BridgeError(element, "at least 8 bytes", "$size"))
    bytes = Mmap.mmap(io, Vector{UInt8}, size; grow = false, shared = false)
    try
        layouts, data, metadata = layouts_of(bytes, element)
        return Dict{String,Array}(layout.name => make(bytes, data, layout) for layout in layouts), metadata
    finally
        finalize(bytes) # the mapping ends now, not when the garbage is collected
    end
end

"Where the tensors are, by name, the number of bytes before them, and the metadata."
function layouts_of(bytes::Vector{UInt8}, element::String)
    header, data = read_header(bytes, element)
    metadata = metadata_of(pop!(header, "__metadata__", Dict{String,Any}()), element)
    layouts = TensorLayout[TensorLayout(name, header[name], element) for name in sort!(collect(keys(header)))]
    check_layouts(layouts, length(bytes) - data, element)
    return layouts, data, metadata
end

"""
    map_tensors(path) -> (tensors::Dict{String,Array}, metadata::Dict{String,String})

As `read_tensors`, with arrays that are the file's own pages, read when they are looked at, but for small ones. Writing to
one changes memory and not the file, which has to stay as long as it is while they are in use. A file that can't be opened
for writing, which Mmap wants for that, is read instead.
"""
function map_tensors(path::AbstractString)
    element = "file '$path'"
    open_regular(_ -> can_be_written(path), path, element) || return read_tensors(path)
    map_or_copy(io) = (bytes, data, layout) -> mapped_tensor(io, bytes, data, layout)
    return open_regular(io -> tensors_in(io, element, map_or_copy(io)), path, element, "r+")
end

function can_be_written(path::AbstractString)
    try
        return open(_ -> true, path, "r+")
    catch e
        e isa SystemError || rethrow()
        return false
    end
end

"The header, and the number of bytes before the tensors."
function read_header(bytes::Vector{UInt8}, element::String)
    stated = ltoh(reinterpret(UInt64, bytes[1:8])[1])
    stated <= MAX_HEADER || throw(BridgeError("$element, header", "at most $MAX_HEADER bytes", "$stated"))
    last = 8 + Int(stated)
    last <= length(bytes) || throw(BridgeError("$element, header", "$stated bytes", "$(length(bytes) - 8)"))
    stated > 0 && bytes[9] == UInt8('{') || throw(BridgeError("$element, header", "a JSON object", "something else"))
    try
        return parse_json(bytes[9:last]), last
    catch e
        e isa JSONError || rethrow()
        throw(BridgeError("$element, header", e.expected, "something else at byte $(e.at)"))
    end
end

function metadata_of(found, element::String)
    found isa Dict && all(value -> value isa String, values(found)) ||
        throw(BridgeError("$element, metadata", "texts by name", "something else"))
    return Dict{String,String}(found)
end

"The bytes of a tensor whose axes of size 0 have size 1."
extent(type::DataType, shape) = foldl((bytes, n) -> bytes * max(n, 1), shape, init = big(sizeof(type)))

"Where a tensor's bytes are, counted from the end of the header, and what they are; the shape is row-major."
struct TensorLayout
    name::String
    type::DataType
    shape::Vector{Int}
    start::Int
    stop::Int
    element::String
end

is_count(x) = x isa Int64 && x >= 0

function TensorLayout(name::String, info, file::String)
    element = "$file, tensor '$name'"
    info isa Dict && sort!(collect(keys(info))) == ["data_offsets", "dtype", "shape"] ||
        throw(BridgeError(element, "dtype, shape and data_offsets", "something else"))
    place = findfirst(pair -> first(pair) == info["dtype"], TENSOR_TYPES)
    place === nothing && throw(BridgeError(element, "a dtype of $TENSOR_TYPE_NAMES", shown(info["dtype"])))
    shape, offsets = info["shape"], info["data_offsets"]
    shape isa Vector && length(shape) <= MAX_TENSOR_AXES && all(is_count, shape) ||
        throw(BridgeError(element, "a shape of at most $MAX_TENSOR_AXES sizes", "something else"))
    type = last(TENSOR_TYPES[place])
    extent(type, shape) < big(2)^63 || throw(BridgeError(element, "less than 2^63 bytes", "a shape of more"))
    offsets isa Vector && length(offsets) == 2 && all(is_count, offsets) && offsets[1] <= offsets[2] ||
        throw(BridgeError(element, "data_offsets that ascend", "something else"))
    return TensorLayout(name, type, Vector{Int}(shape), offsets[1], offsets[2], element)
end

shown(found) = found isa String ? "'$found'" : "something else"

function check_layouts(layouts::Vector{TensorLayout}, available::Int, element::String)
    sort!(layouts, by = layout -> (layout.start, layout.stop, layout.name), alg = MergeSort)
    at = 0
    for layout in layouts
        layout.start == at || throw(BridgeError(layout.element, "bytes from $at", "bytes from $(layout.start)"))
        wanted = any(iszero, layout.shape) ? 0 : extent(layout.type, layout.shape)
        found = layout.stop - layout.start
        found == wanted || throw(BridgeError(layout.element, "$wanted bytes", "$found"))
        layout.stop <= available || throw(BridgeError(layout.element, "$wanted bytes", "the file's end"))
        at = layout.stop
    end
    at == available || throw(BridgeError(element, "$at bytes of tensors", "$available"))
    return nothing
end

function tensor(bytes::Vector{UInt8}, data::Int, layout::TensorLayout)
    if layout.type === Bool # other bytes than 0 and 1 are not a Bool
        return reshape(map(!iszero, bytes[data+layout.start+1:data+layout.stop]), reverse(Tuple(layout.shape)))
    end
    made = Array{layout.type}(undef, reverse(Tuple(layout.shape)))
    GC.@preserve bytes made begin
        to, from = Ptr{UInt8}(pointer(made)), pointer(bytes) + data + layout.start
        unsafe_copyto!(to, from, layout.stop - layout.start)
    end
    return made
end

function mapped_tensor(io::IO, bytes::Vector{UInt8}, data::Int, layout::TensorLayout)
    T, at = layout.type, data + layout.start
    if T === Bool || layout.stop - layout.start < LEAST_MAPPED || !iszero(at % sizeof(T))
        return tensor(bytes, data, layout)
    end
    dimensions = reverse(Tuple(layout.shape))
    return Mmap.mmap(io, Array{T,length(dimensions)}, dimensions, at; grow = false, shared = false)
end

"""
    write_tensors(path, tensors, metadata)

Write arrays by name, and texts by name, as a safetensors file. The file is replaced as a whole or not at all.

```jldoctest
julia> using DiagramBridge: read_tensors, write_tensors

julia> path = joinpath(mktempdir(), "two.safetensors");

julia> write_tensors(path, Dict("a" => [1.0 2.0], "b" => Int64[3]), Dict("of" => "mine"))

julia> tensors, metadata = read_tensors(path);

julia> tensors["a"], metadata
([1.0 2.0], Dict("of" => "mine"))
```
"""
function write_tensors(path::AbstractString, tensors::AbstractDict, metadata::AbstractDict)
    placed = sort!([(type_place(name, array), String(name)) for (name, array) in tensors])
    header = IOBuffer()
    print(header, "{\"__metadata__\":")
    write_json(header, metadata)
    at = 0
    for (place, name) in placed
        array = tensors[name]
        stop = at + sizeof(array)
        shape = collect(reverse(size(array)))
        print(header, ',')
        write_json(header, name)
        print(header, ":{\"dtype\":\"", first(TENSOR_TYPES[place]), "\",\"shape\":")
        write_json(header, shape)
        print(header, ",\"data_offsets\":[", at, ',', stop, "]}")
        at = stop
    end
    print(header, '}', ' '^mod(-position(header), 8))
    text = take!(header)
    length(text) <= MAX_HEADER ||
        throw(BridgeError("file '$path', header", "at most $MAX_HEADER bytes", "$(length(text))"))
    return replace_file(path, "file '$path'") do io
        write_all(io, htol(UInt64(length(text))))
        write_all(io, text)
        foreach(((_, name),) -> write_all(io, tensors[name]), placed)
    end
end

function type_place(name, array)
    place = array isa Array ? findfirst(pair -> last(pair) === eltype(array), TENSOR_TYPES) : nothing
    place === nothing && throw(BridgeError("tensor '$name'", "an Array of $TENSOR_TYPE_NAMES", string(typeof(array))))
    return place
end

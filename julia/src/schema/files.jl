# Diagrams as canonical bytes, and in `.pb` files. Reading runs no code.

"""
    write_bytes(diagram) -> Vector{UInt8}

The canonical bytes of a diagram, the same in every language: fields ascending, shortest integers, packed numbers.
"""
function write_bytes(d::Diagram)
    d = canonical(d)
    if d.memo.bytes === nothing
        bytes = encode(message(d))
        check_file_size("diagram", length(bytes))
        d.memo.bytes = bytes
    end
    return copy(d.memo.bytes::Vector{UInt8})
end

"""
    read_bytes(bytes, where = "bytes") -> Diagram

The diagram that `write_bytes` or another writer of the schema wrote, checked and canonical. Throws a `BridgeError` of kind
"file", about `where` or the element, for what is no such file, and of other kinds for a diagram that means nothing.
"""
function read_bytes(bytes::AbstractVector{UInt8}, where::AbstractString = "bytes")
    check_file_size(where, length(bytes))
    isempty(bytes) && refuse_file(where, "a diagram", "no bytes")
    file = try
        decode_file(Schema.Diagram, convert(Vector{UInt8}, bytes), where)
    catch e
        e isa WireError ? refuse_file(e.element, e.expected, e.found) : rethrow()
    end
    return canonical(read_diagram(where, file))
end

check_file_size(where, size) =
    size <= MAX_FILE_BYTES ? nothing : refuse_file(where, "at most $MAX_FILE_BYTES bytes", string(size))

"""
    identity(diagram) -> String

The SHA-256 of the canonical bytes, in hexadecimal: what a diagram is, whatever wrote it down. It is not
`Base.identity`, and so it is not exported.
"""
identity(d::Diagram) = bytes2hex(digest(d))

digest(d::Diagram) = sha256(write_bytes(d))

"How errors call a file, and its suffix, which has to be one of these."
function described(path::AbstractString, suffixes::String...)
    where, suffix = "file $(quoted(path))", last(splitext(path))
    suffix in suffixes ||
        refuse_file(where, "a name that ends in $(join(suffixes, ", "))", isempty(suffix) ? "no suffix" : suffix)
    return where, suffix
end

"""
    load(path) -> Diagram

Read a diagram from a `.pb` file, or from a `.safetensors` file of weights that has it in it (`save_weights`). It is checked
and made canonical, and no code runs.

```jldoctest
julia> using DiagramBridge

julia> path = joinpath(mktempdir(), "empty.pb");

julia> save(path, Diagram("empty"))

julia> println(load(path))
Diagram("empty"): 0 spaces, 0 arrows, 0 terms, 0 agreements
```
"""
function load(path::AbstractString)
    where, suffix = described(path, ".pb", ".safetensors")
    suffix == ".safetensors" && return read_bytes(diagram_inside(path, where), "$where, diagram")
    return read_bytes(open_regular(file -> read(file, MAX_FILE_BYTES + 1), path, where), where)
end

"""
    save(path, diagram)

Write a diagram to a `.pb` file, which is replaced as a whole or not at all.
"""
function save(path::AbstractString, d::Diagram)
    where, bytes = first(described(path, ".pb")), write_bytes(d)
    return replace_file(file -> write_all(file, bytes), path, where)
end

# The JSON object in the metadata of a tensor file of ours, which says what the file is and of which version.

"""
    read_fields(metadata, key, version, names, element) -> Dict{String,Any}

The fields under a key of a file's metadata, which are all of `names`, sorted, and no others. "aliases" is among them, a
table of texts. Throws a `BridgeError`, about `element`, for anything else and for another version.
"""
function read_fields(metadata::Dict{String,String}, key::String, version::Int, names::Vector{String}, element::String)
    haskey(metadata, key) || throw(BridgeError(element, "'$key'", "none"))
    fields = try
        parse_json(Vector{UInt8}(metadata[key]))
    catch e
        e isa JSONError || rethrow()
        throw(BridgeError(element, e.expected, "something else at byte $(e.at)"))
    end
    fields isa Dict || throw(BridgeError(element, "a JSON object", "something else"))
    found = get(fields, "version", nothing)
    found === version ||
        throw(BridgeError(element, "version $version", found isa Int64 ? "version $found" : "none"))
    sort!(collect(keys(fields))) == names ||
        throw(BridgeError(element, join(names, ", "), join(sort!(collect(keys(fields))), ", ")))
    aliases = fields["aliases"]
    aliases isa Dict && all(value -> value isa String, values(aliases)) ||
        throw(BridgeError("$element, aliases", "parameters by name", "something else"))
    return fields
end

"The component and path of an alias and of its owner, both `component/path`, where the file has the owner alone."
function alias_keys(alias::String, owner::String, found, file::String)
    keys = map((alias, owner)) do name
        parts = split(name, '/', limit = 2)
        length(parts) == 2 ? (String(parts[1]), String(parts[2])) : ("", "")
    end
    if any(key -> "" in key, keys) || haskey(found, keys[1]) || !haskey(found, keys[2])
        throw(BridgeError("$file, alias '$alias'", "another name of a parameter of the file", "'$owner'"))
    end
    return first(keys) => last(keys)
end

"Whether a value can be a diagram's identity."
is_identity(value) = value isa String && occursin(r"\A[0-9a-f]{64}\z", value)

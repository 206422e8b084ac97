# Weights in a safetensors file that has the diagram in it too; bridge/train/weights.py says what is in the file.

const WEIGHTS_VERSION = 1
const WEIGHTS_KEY = "diagram_bridge.weights"
const WEIGHTS_FIELDS = ["aliases", "diagram", "version"]
const DIAGRAM_KEY = "diagram_bridge.diagram"

"""
    save_weights(path, objective)

Save the parameters and buffers of every component, and the diagram, in a `.safetensors` file that Python reads too. The file
is replaced as a whole or not at all.

```jldoctest
julia> using DiagramBridge

julia> d = Builder("fit"); x = space!(d, "x", Float64; k = 2); data = source!(d, "data"; x = x);

julia> f = arrow!(d, "f", x, x, Layers.linear(2, 2)); agree!(d, f(data.x), data.x; by = mse());

julia> one, two = compile(d; seed = 1), compile(d; seed = 2); path = joinpath(mktempdir(), "fit.safetensors");

julia> save_weights(path, one); load_weights!(two, path);

julia> two.parameters[1].array == one.parameters[1].array, load(path).name
(true, "fit")
```
"""
function save_weights(path::AbstractString, o::Objective)
    name(v::Variable) = "$(v.component)/$(v.path)"
    foreach(v -> weight_key(name(v), "file '$path'"), Iterators.flatten((o.parameters, o.buffers)))
    tensors = Dict{String,Array}(name(v) => v.array for v in Iterators.flatten((o.parameters[unique(o.owners)], o.buffers)))
    pairs = zip(o.parameters, o.parameters[o.owners])
    aliases = Dict{String,String}(name(v) => name(owner) for (v, owner) in pairs if v !== owner)
    fields = Dict("version" => WEIGHTS_VERSION, "diagram" => identity(o.diagram), "aliases" => aliases)
    metadata = Dict(WEIGHTS_KEY => json(fields), DIAGRAM_KEY => bytes2hex(write_bytes(o.diagram)))
    return write_tensors(path, tensors, metadata)
end

"""
    load_weights!(objective, path)

Put a file's parameters and buffers into an objective, whose diagram may be another one with the same components. Nothing is
changed unless all of it fits. Throws a `BridgeError` for a file that is damaged or holds no weights, for numbers that are
not finite, and for other tensors than the objective's.
"""
function load_weights!(o::Objective, path::AbstractString)
    file = "file '$path'"
    found, aliases = weights_in(path)
    for (name, array) in found
        require_finite(array, "$file, tensor '$(join(name, '/'))'")
    end
    changes, taken = Pair{Array,Array}[], Set{Tuple{String,String}}()
    for v in Iterators.flatten((o.parameters, o.buffers))
        key = get(aliases, (v.component, v.path), (v.component, v.path))
        element = "$file, tensor '$(join(key, '/'))'"
        haskey(found, key) || throw(BridgeError(element, summary(v.array), "none"))
        value = found[key]
        eltype(value) === eltype(v.array) && size(value) == size(v.array) ||
            throw(BridgeError(element, summary(v.array), summary(value)))
        push!(taken, key)
        push!(changes, v.array => value)
    end
    extra = sort!(collect(setdiff(keys(found), taken)))
    isempty(extra) || throw(BridgeError("$file, tensor '$(join(first(extra), '/'))'", "none", summary(found[first(extra)])))
    foreach(((array, value),) -> copyto!(array, value), changes)
    return nothing
end

"""
    read_weights(path) -> Dict{Tuple{String,String},Array}

The tensors of a file of weights by component and path, with their axes reversed; those that are shared, under each of
their names. They are mapped into memory where the file can be opened for writing (which changes memory and never the file),
and copied otherwise. Throws a `BridgeError` as `load_weights!` does, but for numbers that are not finite.
"""
function read_weights(path::AbstractString)
    found, aliases = weights_in(path)
    for (alias, owner) in aliases
        found[alias] = found[owner]
    end
    return found
end

function weights_in(path::AbstractString)
    file = "file '$path'"
    tensors, metadata = map_tensors(path)
    fields = read_fields(metadata, WEIGHTS_KEY, WEIGHTS_VERSION, WEIGHTS_FIELDS, "$file, metadata")
    found = Dict{Tuple{String,String},Array}(weight_key(name, file) => array for (name, array) in tensors)
    aliases = Dict{Tuple{String,String},Tuple{String,String}}()
    for (alias, owner) in sort!(collect(fields["aliases"]))
        one, two = alias_keys(alias, owner, found, file)
        aliases[one] = two
    end
    return found, aliases
end

function weight_key(name::String, file::String)
    component, path = (split(name, '/', limit = 2)..., "")
    is_name(component) && all(is_name, split(path, '.')) ||
        throw(BridgeError("$file, tensor '$name'", "a name such as <component>/<path>", "another one"))
    return String(component), String(path)
end

function require_finite(array::Array, element::String)
    eltype(array) <: AbstractFloat || return nothing
    place = findfirst(!isfinite, array)
    place === nothing || throw(BridgeError(element, "finite numbers", string(array[place])))
    return nothing
end

"The bytes of the diagram in a file of weights."
function diagram_inside(path::AbstractString, where::AbstractString)
    metadata = last(map_tensors(path))
    haskey(metadata, DIAGRAM_KEY) || refuse_file("$where, metadata", "'$DIAGRAM_KEY'", "none")
    text = metadata[DIAGRAM_KEY]
    iseven(length(text)) && occursin(r"\A[0-9a-fA-F]*\z", text) ||
        refuse_file("$where, metadata", "'$DIAGRAM_KEY' in hexadecimal", "something else")
    return hex2bytes(text)
end

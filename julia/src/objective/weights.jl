# Weights in a safetensors file that has the diagram in it too; bridge/train/weights.py says what is in the file.

const WEIGHTS_VERSION = 1
const WEIGHTS_KEY = "diagram_bridge.weights"
const WEIGHTS_FIELDS = ["aliases", "diagram", "version"]
const DIAGRAM_KEY = "diagram_bridge.diagram"

"""
    save_weights(path, objective)

Save the parameters and buffers of every component, and the diagram, in a `.safetensors` file that Python reads too. The file
is replaced as a whole or not at all. Throws a `BridgeError` for a path that can't be written, and for what `load_weights!`
would refuse: numbers that are not finite.

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
    file, owned = "file '$path'", Iterators.flatten((o.parameters[unique(o.owners)], o.buffers))
    tensors = Dict{String,Array}("$(v.component)/$(v.path)" => v.array for v in owned)
    aliases = Dict{String,String}(join(alias, '/') => join(owner, '/') for (alias, owner) in tied_keys(o))
    require_finite(o, weight_arrays(tensors, file), file)
    foreach(alias -> weight_key(alias, file, "alias"), sort!(collect(keys(aliases))))
    fields = Dict("version" => WEIGHTS_VERSION, "diagram" => identity(o.diagram), "aliases" => aliases)
    metadata = Dict(WEIGHTS_KEY => json(fields), DIAGRAM_KEY => bytes2hex(write_bytes(o.diagram)))
    return write_tensors(path, tensors, metadata)
end

"""
    load_weights!(objective, path)

Put a file's parameters and buffers into an objective, whose diagram may be another one with the same components. Nothing is
changed unless all of it fits. Throws a `BridgeError` for a file that is damaged or holds no weights, for numbers that are
not finite (but in buffers of models that are not portable), and for other tensors than the objective's.
"""
function load_weights!(o::Objective, path::AbstractString)
    file = "file '$path'"
    found, aliases = weights_in(path)
    changes = changes_to(o, found, aliases, file)
    require_finite(o, found, file)
    foreach(((array, value),) -> copyto!(array, value), changes)
    return nothing
end

"""
    read_weights(path) -> Dict{Tuple{String,String},Array}

The tensors of a file of weights by component and path, with their axes reversed; those that are shared, under each of
their names. Large ones are mapped into memory where the file can be opened for writing (which changes memory and never the
file), and copied otherwise. Throws a `BridgeError` as `load_weights!` does, but for numbers that are not finite.
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
    is_identity(fields["diagram"]) ||
        throw(BridgeError("$file, metadata, diagram", "64 hexadecimal digits", "something else"))
    found = weight_arrays(tensors, file)
    named = sort!(collect(fields["aliases"]))
    foreach(((alias, _),) -> weight_key(alias, file, "alias"), named)
    return found, Dict(alias_keys(alias, owner, found, file) for (alias, owner) in named)
end

weight_arrays(tensors::Dict{String,Array}, file::String) =
    Dict{Tuple{String,String},Array}(weight_key(name, file) => tensors[name] for name in sort!(collect(keys(tensors))))

function weight_key(name::String, file::String, kind = "tensor")
    component, path = (split(name, '/', limit = 2)..., "")
    is_name(component) && all(is_name, split(path, '.')) ||
        throw(BridgeError("$file, $kind '$name'", "a name such as <component>/<path>", "another one"))
    return String(component), String(path)
end

"Refuse infinities and NaN in parameters, and in the buffers of portable components; a mask of a model's own may have them."
function require_finite(o::Objective, found::Dict{Tuple{String,String},Array}, file::String)
    portable = Set(c.name for c in o.diagram.components if c.body isa LayerGraph)
    free = Set((v.component, v.path) for v in o.buffers if !(v.component in portable))
    for key in sort!(collect(setdiff(keys(found), free)))
        array = vec(found[key])
        place = eltype(array) <: AbstractFloat ? findfirst(!isfinite, array) : nothing
        place === nothing ||
            throw(BridgeError("$file, tensor '$(join(key, '/'))'", "finite numbers", string(array[place])))
    end
    return nothing
end

"The bytes of the diagram in a file of weights."
function diagram_inside(path::AbstractString, where::AbstractString)
    metadata = read_metadata(path)
    haskey(metadata, DIAGRAM_KEY) || refuse_file("$where, metadata", "'$DIAGRAM_KEY'", "none")
    text = metadata[DIAGRAM_KEY]
    iseven(length(text)) && occursin(r"\A[0-9a-fA-F]*\z", text) ||
        refuse_file("$where, metadata", "'$DIAGRAM_KEY' in hexadecimal", "something else")
    return hex2bytes(text)
end

# What a file has for the parameters and buffers of an objective.

"The parameters that are another one, each by component and path, with that one's."
tied_keys(o::Objective) =
    Dict((v.component, v.path) => (w.component, w.path) for (v, w) in zip(o.parameters, o.parameters[o.owners]) if v !== w)

"""
    changes_to(objective, found, aliases, file) -> Vector{Pair{Array,Array}}

Each of an objective's arrays with what a file has for it, by component and path. Throws a `BridgeError` where the file's
parameters are shared otherwise, and for the first tensor by name that one of them lacks or that is of another type or size.
"""
function changes_to(o::Objective, found::Dict{Tuple{String,String},Array}, aliases::Dict, file::String)
    require_aliases(o, aliases, file)
    return changes_to([o.parameters[unique(o.owners)]; o.buffers], found, "", file)
end

function changes_to(variables::Vector{Variable}, found::Dict{Tuple{String,String},Array}, prefix::String, file::String)
    wanted = Dict((v.component, v.path) => v.array for v in variables)
    return map(sort!(collect(union(keys(wanted), keys(found))))) do key
        array, value = get(wanted, key, nothing), get(found, key, nothing)
        typeof(array) === typeof(value) && size(array) == size(value) ||
            throw(BridgeError("$file, tensor '$prefix$(join(key, '/'))'", array_text(array), array_text(value)))
        return Pair{Array,Array}(array, value)
    end
end

array_text(::Nothing) = "none"
array_text(array::Array) = summary(array)

"Refuse a file whose parameters are shared otherwise than an objective's."
function require_aliases(o::Objective, found::Dict, file::String)
    expected = tied_keys(o)
    expected == found || throw(BridgeError("$file, aliases", alias_text(expected), alias_text(found)))
    return nothing
end

alias_text(aliases::Dict) =
    isempty(aliases) ? "none" : join(("$(join(a, '/')) for $(join(b, '/'))" for (a, b) in sort!(collect(aliases))), ", ")

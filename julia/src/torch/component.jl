# Components whose parameters and buffers are torch's; Julia's arrays lie over the same memory.

"""
A module of Python's in use: a component that torch runs. Its variables are arrays over torch's memory, by path; `is_new`
says that their values are still to be set.
"""
struct TorchInstance
    handle::TorchHandle
    is_new::Bool
    parameters::Vector{Pair{String,Array}}
    buffers::Vector{Pair{String,Array}}
end

function TorchInstance(made::Schema.Instantiated, is_new::Bool)
    arrays = [v.path => shared_array(v) for v in made.variables]
    handle = TorchHandle(made.id, Array[last(pair) for pair in arrays])
    is_buffer = [v.buffer for v in made.variables]
    return TorchInstance(handle, is_new, arrays[.!is_buffer], arrays[is_buffer])
end

"The module that Python offers under a reference."
TorchInstance(reference::String) =
    TorchInstance(ask_torch(Schema.Request(instantiate = Schema.Instantiate(reference = reference))).instantiated, false)

"A new module of a portable component's layers."
function TorchInstance(c::Component, T::DataType)
    request = Schema.Instantiate(reference = c.name, graph = message(c).graph, data_type = data_type(T))
    return TorchInstance(ask_torch(Schema.Request(instantiate = request)).instantiated, true)
end

"A copy of what `offer` takes, with parameters of its own, and the name that it has in messages."
function copied end
function called end

"An array over the memory of a variable of Python's."
function shared_array(v::Schema.Variable)
    dims = Tuple(Int.(reverse(v.shape)))
    T = JULIA_TYPE_OF[v.data_type]
    any(iszero, dims) && return Array{T}(undef, dims)
    return unsafe_wrap(Array, Ptr{T}(v.address), dims)
end

const JULIA_TYPE_OF = Dict(data_type(T) => T for T in ELEMENT_TYPES)

"""
    offer(object, name) -> String

The reference under which Python offers a module to `TorchInstance`; errors call it `name`. The extension for PythonCall
has a method for Python's objects.
"""
offer(object, name::String) =
    throw(BridgeError(name, "a torch.nn.Module, in a Julia that has loaded PythonCall", "a $(typeof(object))", "binding"))

"""
PyTorch in a Julia process: Python's package bridge, which PythonCall imports, hands in the vtable of torch's islands and
offers modules by reference. Everything else goes through that vtable.
"""
module DiagramBridgePythonCallExt

using DiagramBridge
using DiagramBridge: BridgeError
using PythonCall

"Python's side of this extension, a module of bridge's; a `BridgeError` says what to install where there is none."
function python_side()
    return try
        pyimport("bridge.julia.pythoncall")
    catch e
        e isa PyException || rethrow()
        throw(BridgeError("Python's package bridge", "diagram-bridge installed for $(pyimport("sys").executable)",
                          "$(pytype(e.v).__name__): $(e.v)", "binding"))
    end
end

find_torch() = pyconvert(Dict{String,UInt64}, python_side().addresses())

function DiagramBridge.offer(object::Py, name::String)
    DiagramBridge.reach_torch!()
    pyisinstance(object, pyimport("torch").nn.Module) ||
        throw(BridgeError(name, "a torch.nn.Module", "a Python $(pytype(object).__name__)", "binding"))
    return pyconvert(String, python_side().offer(object, name))
end

DiagramBridge.as_component(object::Py, element::String) =
    throw(BridgeError(element, "a model of Julia's, or a TorchReference in the diagram",
                      "a Python $(pytype(object).__name__)", "binding"))

DiagramBridge.copied(object::Py) = pyimport("copy").deepcopy(object)

DiagramBridge.called(object::Py) = pyconvert(String, pytype(object).__name__)

function __init__()
    DiagramBridge.FIND_TORCH[] = find_torch
    return nothing
end

end

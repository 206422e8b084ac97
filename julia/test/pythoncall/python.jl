# What the tests with PythonCall share: this checkout's Python package, arrays as tensors, what is held on both sides.
module InPython

using DiagramBridge
using PythonCall

export array, counts, number, python, refcount, refusal, tensor, torch

pyimport("sys").path.insert(0, normpath(joinpath(@__DIR__, "..", "..", "..")))

const torch = pyimport("torch")

"The names that Python code defines."
function python(code::String)
    scope = pydict(__name__ = "tests")
    pybuiltins.exec(code, scope)
    return name -> scope[name]
end

reversed(x::AbstractArray) = ndims(x) == 0 ? x : permutedims(x, ndims(x):-1:1)

"A tensor with the elements of an array, whose axes are reversed."
tensor(x::AbstractArray) = torch.tensor(pyimport("numpy").array(Py(reversed(x))))

"An array with the elements of a tensor, likewise."
array(t::Py) = reversed(pyconvert(Array, t.detach().numpy()))

"The number in a tensor."
number(t::Py) = pyconvert(Any, t.item())

const count_tensors = python("""
import gc
import torch

def tensors():
    gc.collect()
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
""")("tensors")

"The tensors that are alive in Python, what it holds for Julia, and what Julia holds of Python's."
function counts()
    for _ in 1:3 # a tape that holds a result of another one ends a collection later
        GC.gc()
        DiagramBridge.give_back()
    end
    held = pylen(pyimport("bridge.julia.vtable").vtable().held)
    return (tensors = pyconvert(Int, count_tensors()), held = held, handles = length(DiagramBridge.TORCH_HANDLES),
            busy = length(DiagramBridge.BUSY_TAPES))
end

refcount(x::Py) = pyconvert(Int, pyimport("sys").getrefcount(x))

"What a call throws."
refusal(f) = try f(); nothing catch e; e end

end

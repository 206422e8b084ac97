# What is called of Python and torch, through addresses that the handshake brings.

"Addresses of C functions and objects of Python's and torch's; the handshake sets them."
mutable struct PythonFunctions
    check_signals::Ptr{Cvoid}
    clear_error::Ptr{Cvoid}
    error_occurred::Ptr{Cvoid}
    increment::Ptr{Cvoid}
    decrement::Ptr{Cvoid}
    call::Ptr{Cvoid}
    new_tuple::Ptr{Cvoid}
    tuple_item::Ptr{Cvoid}
    set_tuple_item::Ptr{Cvoid}
    integer::Ptr{Cvoid}
    as_integer::Ptr{Cvoid}
    from_object::Ptr{Cvoid}
    none::Ptr{Cvoid}
    yes::Ptr{Cvoid}
    tensor_type::Ptr{Cvoid}
    parameter_type::Ptr{Cvoid}
    is_negative::Ptr{Cvoid}
    type_offset::Int
end

const PYTHON = PythonFunctions(ntuple(_ -> C_NULL, 17)..., 0)

const PYTHON_SYMBOLS = (
    "PyErr_CheckSignals", "PyErr_Clear", "PyErr_Occurred", "Py_IncRef", "Py_DecRef", "PyObject_CallOneArg",
    "PyTuple_New", "PyTuple_GetItem", "PyTuple_SetItem", "PyLong_FromLong", "PyLong_AsUnsignedLongLongMask",
    "dltensor_from_py_object_no_sync", "_Py_NoneStruct", "_Py_TrueStruct", "torch.Tensor", "torch.nn.Parameter",
    "torch.Tensor.is_neg", "offsetof(PyObject, ob_type)",
)

function set_python!(addresses::Dict{String,UInt64})
    for (name, field) in zip(PYTHON_SYMBOLS, fieldnames(PythonFunctions))
        setfield!(PYTHON, field, fieldtype(PythonFunctions, field)(get(addresses, name, UInt64(0))))
    end
    return nothing
end

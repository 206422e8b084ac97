"""Tensors as Julia arrays in tests: over the same memory, with the axes reversed."""

from __future__ import annotations

import torch

from bridge.errors import BridgeError
from bridge.julia.session import Session, session

ELEMENTS = {
    torch.float32: "Float32",
    torch.float64: "Float64",
    torch.int32: "Int32",
    torch.int64: "Int64",
    torch.bool: "Bool",
}


def julia_array(tensor: torch.Tensor | None) -> str:
    """Julia code for an array over the memory of a contiguous tensor, which has to outlive it; `nothing` for None."""
    if tensor is None:
        return "nothing"
    assert tensor.is_contiguous()
    element, sizes = ELEMENTS[tensor.dtype], "".join(f"{size}," for size in reversed(tensor.shape))
    if not tensor.numel():
        return f"Array{{{element}}}(undef, ({sizes}))"
    return f"unsafe_wrap(Array, Ptr{{{element}}}({tensor.data_ptr()}), ({sizes}))"


def evaluate(code: str) -> str:
    """Julia's `string` of what an expression gives, evaluated where DiagramBridge is known; its refusals are raised."""
    refusal = 'join(("", e.element, e.expected, e.found), "\\x1f")'
    text = julia().runtime.eval_string(
        f"try string({code}) catch e; e isa DiagramBridge.BridgeError || rethrow(); {refusal} end"
    )
    if text.startswith("\x1f"):
        raise BridgeError(*text.split("\x1f")[1:])
    return text


def julia() -> Session:
    """The session, with DiagramBridge known in `Main`."""
    made = session()
    made.eval("import DiagramBridge")
    return made

"""What an ONNX graph computes without its inputs: shapes and constants, by onnx's own reference evaluator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

from bridge.errors import PortError
from bridge.port.onnx.file import Array, Call, package

__all__ = ["FOLDED", "MOST", "constant", "folded"]

MOST = 2**24
"""Numbers in a constant that is computed, and in a sample."""
ELEMENTWISE = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Mod", "Pow", "Neg", "Sqrt", "Floor", "Ceil", "Min", "Max", "Abs", "Reciprocal"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And", "Or", "Where", "Cast", "Identity"),
    }
)
MOVING = {"Gather", "Concat", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Split", "ReduceProd", "Trilu"}
FOLDED = ELEMENTWISE | MOVING | {"Range", "ConstantOfShape", "Expand"}


def constant(call: Call) -> Array:
    """The value of a `Constant`."""
    for name in ("value_int", "value_ints", "value_float", "value_floats"):
        if name in call.attributes:
            return numpy.array(call.attributes[name], dtype="int64" if "int" in name else "float32")
    value = call.attributes.get("value")
    if not isinstance(value, numpy.ndarray):
        raise PortError(call.element, "a tensor or numbers", ", ".join(call.attributes) or "no value")
    return value


def folded(call: Call, opset: int, given: Sequence[Array | None]) -> list[Array]:
    """What an operator makes of constants. Raises PortError for one that is not known, and for large results."""
    if call.operator not in FOLDED:
        raise PortError(call.element, "arguments that are computed from the inputs", "constants")
    arrays = [array for array in given if array is not None]
    size = sum(array.size for array in arrays)
    if call.operator in ELEMENTWISE:
        size = math.prod(numpy.broadcast_shapes(*(array.shape for array in arrays)))
    elif call.operator in ("ConstantOfShape", "Expand"):
        size = math.prod(int(abs(number)) for number in arrays[-1].flatten())
    elif call.operator == "Range":
        start, stop, step = (float(array.reshape(())) for array in arrays)
        size = math.ceil(abs(stop - start) / abs(step)) if step else MOST + 1
    if size > MOST:
        raise PortError(call.element, f"constants of at most {MOST} numbers", f"{size}")
    onnx = package()
    attributes = {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, numpy.ndarray) else value
        for name, value in call.attributes.items()
    }
    node = onnx.helper.make_node(call.operator, call.inputs, call.outputs, **attributes)
    evaluator = onnx.reference.ReferenceEvaluator(node, opsets={"": opset})
    feeds = {name: array for name, array in zip(call.inputs, given, strict=True) if array is not None}
    try:
        return [numpy.asarray(made) for made in evaluator.run(None, feeds)]
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError, ZeroDivisionError) as error:
        raise PortError(call.element, "constants that it takes", str(error).splitlines()[0][:300]) from None

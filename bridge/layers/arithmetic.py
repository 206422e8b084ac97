"""Arithmetic of values: rows, and the functions that write them.

Layers of several inputs repeat axes of size 1, as NumPy does, where the inputs have equally many axes.
"""

from __future__ import annotations

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, one_of
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.layers.definition import (
    ANY_SIZES,
    FLOAT,
    Constant,
    Initial,
    InputKind,
    LayerDefinition,
    Normal,
    Parameter,
    Shape,
    Values,
    integers,
    mismatch,
    same_shape,
)
from bridge.layers.make import make

__all__ = [
    "ROWS",
    "abs",
    "add",
    "constant",
    "divide",
    "exp",
    "log",
    "matmul",
    "multiply",
    "parameter",
    "power",
    "scale",
    "sqrt",
    "subtract",
]


def add() -> Layer:
    """The sum of two or more inputs of equal shape, but for axes of size 1, which are repeated.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(add()), ((2, 1), (1, 3)), "component 'sum'")
    ((2, 3),)
    """
    return make("add")


def subtract() -> Layer:
    """The first input minus the second; axes of size 1 are repeated."""
    return make("subtract")


def multiply() -> Layer:
    """The product of two inputs, element by element; axes of size 1 are repeated."""
    return make("multiply")


def divide() -> Layer:
    """The first input divided by the second, element by element; axes of size 1 are repeated."""
    return make("divide")


def parameter(*shape: int, by: str = "add", init: str = "zeros") -> Layer:
    """x + value, or with `by="multiply"` x · value, of a learned value with as many axes as a sample, some of size 1.

    Position embeddings and LayerScale (arXiv 2103.17239) are such. The value starts as "zeros", "ones", or as "normal"
    numbers of deviation 0.02.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(parameter(1, 4)), (("step", 4),), "component 'positions'")
    (('step', 4),)
    """
    return make("parameter", shape=shape, by=by, init=init)


def constant(*shape: int, by: str = "add") -> Layer:
    """x + value, or with `by="multiply"` x · value, of a buffer with as many axes as a sample, some of size 1.

    Position encodings by sine and cosine (arXiv 1706.03762) are such, and masks. The value is zeros, or ones, until it is
    loaded; training does not change it.
    """
    return make("constant", shape=shape, by=by)


def scale(factor: float, shift: float = 0.0) -> Layer:
    """factor·x + shift."""
    return make("scale", factor=factor, shift=shift)


def power(exponent: float) -> Layer:
    """x to the power of `exponent`: NaN for x below 0 unless the exponent is an integer."""
    return make("power", exponent=exponent)


def exp() -> Layer:
    """eˣ."""
    return make("exp")


def log() -> Layer:
    """The natural logarithm: −∞ at 0, NaN below."""
    return make("log")


def sqrt() -> Layer:
    """√x: NaN below 0."""
    return make("sqrt")


def abs() -> Layer:
    """The absolute value, with the gradient 0 at 0."""
    return make("abs")


def matmul() -> Layer:
    """The matrix product of (…, n, k) and (…, k, m), with equal axes before the last two.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(matmul()), ((8, "n", 3), (8, 3, 5)), "component 'product'")
    ((8, 'n', 5),)
    """
    return make("matmul")


def common_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """Equal shapes, but for axes of size 1, which are repeated."""
    common = list(inputs[0])
    for shape in inputs:
        if len(shape) != len(common) or any(1 not in (a, b) and a != b for a, b in zip(shape, common, strict=True)):
            raise mismatch(where, f"inputs of equal shape {shape_text(inputs[0])}, but for axes of size 1", shape)
        common = [b if a == 1 else a for a, b in zip(common, shape, strict=True)]
    return (tuple(common),)


def matmul_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(…, n, k) and (…, k, m) to (…, n, m)."""
    first, second = inputs
    if len(first) < 2:
        raise mismatch(where, "inputs with two or more axes", first)
    if len(second) != len(first) or second[:-1] != (*first[:-2], first[-1]):
        raise mismatch(where, f"a second input of shape {shape_text((*first[:-2], first[-1]))} and one axis more", second)
    return ((*first[:-1], second[-1]),)


def two(values: Values) -> tuple[InputKind, ...]:
    """Two float inputs."""
    return (FLOAT, FLOAT)


def parameter_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The value's axes are the sample's, or 1."""
    (shape,), own = inputs, integers(values, "shape")
    if len(shape) != len(own) or any(size not in (1, other) for size, other in zip(own, shape, strict=True)):
        raise mismatch(where, f"an input of shape {shape_text(own)}, but for axes of size 1", shape)
    return (shape,)


def parameter_value(values: Values) -> tuple[Parameter, ...]:
    """The value."""
    initial: dict[str, Initial] = {"zeros": Constant(0.0), "ones": Constant(1.0), "normal": Normal(0.02)}
    return (Parameter("value", integers(values, "shape"), initial[str(values["init"])]),)


def constant_value(values: Values) -> tuple[Parameter, ...]:
    """The value, which changes nothing at first."""
    return (Parameter("value", integers(values, "shape"), Constant(0.0 if values["by"] == "add" else 1.0)),)


ROWS = (
    LayerDefinition("add", common_shape, kinds=two, more=True),
    LayerDefinition("subtract", common_shape, kinds=two),
    LayerDefinition("multiply", common_shape, kinds=two),
    LayerDefinition("divide", common_shape, kinds=two),
    LayerDefinition(
        "parameter",
        parameter_shapes,
        (
            AttributeDefinition("shape", AttributeKind.INTEGERS, None, ANY_SIZES),
            AttributeDefinition("by", AttributeKind.TEXT, "add", one_of("add", "multiply")),
            AttributeDefinition("init", AttributeKind.TEXT, "zeros", one_of("zeros", "ones", "normal")),
        ),
        parameter_value,
    ),
    LayerDefinition(
        "constant",
        parameter_shapes,
        (
            AttributeDefinition("shape", AttributeKind.INTEGERS, None, ANY_SIZES),
            AttributeDefinition("by", AttributeKind.TEXT, "add", one_of("add", "multiply")),
        ),
        buffers=constant_value,
    ),
    LayerDefinition(
        "scale",
        same_shape,
        (
            AttributeDefinition("factor", AttributeKind.REAL),
            AttributeDefinition("shift", AttributeKind.REAL, 0.0),
        ),
    ),
    LayerDefinition("power", same_shape, (AttributeDefinition("exponent", AttributeKind.REAL),)),
    LayerDefinition("exp", same_shape),
    LayerDefinition("log", same_shape),
    LayerDefinition("sqrt", same_shape),
    LayerDefinition("abs", same_shape),
    LayerDefinition("matmul", matmul_shapes, kinds=two),
)

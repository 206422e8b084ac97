"""Arithmetic of values: rows, and the functions that write them.

Layers of several inputs repeat axes of size 1, as NumPy does, where the inputs have equally many axes.
"""

from __future__ import annotations

from bridge.diagram.attributes import AttributeDefinition, AttributeKind
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.layers.definition import FLOAT, InputKind, LayerDefinition, Shape, Values, mismatch, same_shape
from bridge.layers.make import make

__all__ = ["ROWS", "abs", "add", "divide", "exp", "log", "matmul", "multiply", "power", "scale", "sqrt", "subtract"]


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


ROWS = (
    LayerDefinition("add", common_shape, kinds=two, more=True),
    LayerDefinition("subtract", common_shape, kinds=two),
    LayerDefinition("multiply", common_shape, kinds=two),
    LayerDefinition("divide", common_shape, kinds=two),
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

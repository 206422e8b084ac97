"""The portable layers: which there are, with their attributes, shape rules, parameters and initial values.

Conventions are torch's, batch first. Shapes here are of one sample, without the batch axis; a size may be the name of
a variable. `axis` attributes are negative: they count from the last axis of the sample. Values and parameters of a
graph are all float, of the dtype of the arrow's spaces. Formulas (all torch's):

| operation | formula |
| --- | --- |
| `linear` | x Wᵀ + b over the last axis |
| `relu`, `relu6`, `leaky_relu` | max(x, 0); min(max(x, 0), 6); x where x > 0, else slope·x |
| `sigmoid`, `tanh`, `silu` | σ(x) = 1/(1 + e⁻ˣ); tanh x; x σ(x) |
| `hardsigmoid` | min(max(x + 3, 0), 6)/6 |
| `elu`, `celu` | x where x > 0, else α(eˣ − 1); max(x, 0) + min(α(e^(x/α) − 1), 0) |
| `softplus` | log(1 + eˣ), and x above 20 |
| `mish` | x tanh(softplus(x)) |
| `gelu` | x Φ(x); with `tanh`: x/2 (1 + tanh(√(2/π)(x + 0.044715 x³))) |
| `softmax`, `log_softmax` | along `axis` |
| `layer_norm` | (x − mean)/√(variance + eps) · weight + bias over the last axes, with the biased variance |
| `flatten`, `reshape`, `identity` | the same numbers, row-major, in another shape |
| `add`, `multiply` | the sum of two or more inputs; the product of two |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bridge.diagram.attributes import POSITIVE, AttributeDefinition, AttributeKind, Constraint, one_of
from bridge.diagram.ir import AttributeValue, Layer
from bridge.diagram.limits import MAX_SIZE, MAX_VALUES
from bridge.diagram.messages import listing, quote, shape_text
from bridge.errors import DiagramError

__all__ = ["LAYERS", "Constant", "LayerDefinition", "Parameter", "Shape", "Uniform", "definition"]

Shape: TypeAlias = "tuple[int | str, ...]"
Values: TypeAlias = "Mapping[str, AttributeValue]"


@dataclass(frozen=True)
class Uniform:
    """Initial values drawn from the uniform distribution on [−bound, bound)."""

    bound: float


@dataclass(frozen=True)
class Constant:
    """Initial values that are all the same."""

    value: float


@dataclass(frozen=True)
class Parameter:
    """A parameter of a layer (by name) or of a graph (by path), row-major."""

    name: str
    shape: tuple[int, ...]
    initial: Uniform | Constant


@dataclass(frozen=True)
class LayerDefinition:
    """A row of the table. `shape(where, attributes, inputs)` gives its output's shape, or refuses about `where`."""

    operation: str
    shape: Callable[[str, Values, tuple[Shape, ...]], Shape]
    attributes: tuple[AttributeDefinition, ...] = ()
    parameters: Callable[[Values], tuple[Parameter, ...]] = lambda attributes: ()
    least_inputs: int = 1
    most_inputs: int | None = 1
    version: int = 1

    @property
    def arity(self) -> str:
        """How many inputs it takes, in words."""
        if self.most_inputs is None:
            return f"{self.least_inputs} or more inputs"
        return f"{self.most_inputs} input" + "s" * (self.most_inputs > 1)


def is_size(value: object) -> bool:
    """Whether it can be the size of an axis."""
    return isinstance(value, int) and 1 <= value <= MAX_SIZE


SIZE = Constraint(f"a size from 1 to {MAX_SIZE}", is_size)
SIZES = Constraint(
    f"one or more sizes from 1 to {MAX_SIZE}",
    lambda value: isinstance(value, tuple) and len(value) > 0 and all(map(is_size, value)),
)
ANY_SIZES = Constraint(
    f"sizes from 1 to {MAX_SIZE}", lambda value: isinstance(value, tuple) and all(map(is_size, value))
)
FROM_LAST = Constraint("an axis counted from the last: -1, -2, …", lambda value: isinstance(value, int) and value < 0)


def integer(values: Values, name: str) -> int:
    """An attribute that is an integer."""
    value = values[name]
    assert isinstance(value, int)
    return value


def integers(values: Values, name: str) -> tuple[int, ...]:
    """An attribute that is a list of integers."""
    value = values[name]
    assert isinstance(value, tuple)
    return value


def mismatch(where: str, expected: str, shape: Shape) -> DiagramError:
    """The refusal of an input by its shape."""
    return DiagramError(where, expected, f"one of shape {shape_text(shape)}", "layer")


def same_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """All inputs have one shape, the output's."""
    for shape in inputs[1:]:
        if shape != inputs[0]:
            raise mismatch(where, f"inputs of equal shape {shape_text(inputs[0])}", shape)
    return inputs[0]


def linear_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """(…, in) to (…, out)."""
    (shape,) = inputs
    if not shape or shape[-1] != values["in"]:
        raise mismatch(where, f"an input whose last axis has size {values['in']}", shape)
    return (*shape[:-1], integer(values, "out"))


def linear_parameters(values: Values) -> tuple[Parameter, ...]:
    """Weight (out, in), bias (out,). `kaiming_uniform` is torch.nn.Linear's default, `glorot_uniform` Flux's."""
    inputs, outputs = integer(values, "in"), integer(values, "out")
    weight: Uniform | Constant = Constant(0.0)
    bias: Uniform | Constant = Constant(0.0)
    if values["init"] == "kaiming_uniform":
        weight = bias = Uniform(1 / math.sqrt(inputs))
    elif values["init"] == "glorot_uniform":
        weight = Uniform(math.sqrt(6 / (inputs + outputs)))
    parameters = (Parameter("weight", (outputs, inputs), weight), Parameter("bias", (outputs,), bias))
    return parameters if values["bias"] else parameters[:1]


def along_axis(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """The input has the axis that `axis` counts to."""
    (shape,) = inputs
    if -integer(values, "axis") > len(shape):
        raise mismatch(where, f"an input with an axis {values['axis']}", shape)
    return shape


def layer_norm_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """The last axes of the input are `shape`."""
    (shape,), last = inputs, integers(values, "shape")
    if shape[-len(last) :] != last:
        raise mismatch(where, f"an input whose last axes are {shape_text(last)}", shape)
    return shape


def layer_norm_parameters(values: Values) -> tuple[Parameter, ...]:
    """Ones and zeros, of the normalised shape."""
    shape = integers(values, "shape")
    affine = (Parameter("weight", shape, Constant(1.0)), Parameter("bias", shape, Constant(0.0)))
    return affine if values["affine"] else ()


def count(where: str, shape: Shape) -> int:
    """How many numbers a sample has; a variable size is refused."""
    total = 1
    for size in shape:
        if isinstance(size, str):
            raise mismatch(where, "an input without variable sizes", shape)
        total *= size
    return total


def flatten_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """All axes to one. An input that has one axis already may have a variable size."""
    (shape,) = inputs
    return shape if len(shape) == 1 else (count(where, shape),)


def reshape_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> Shape:
    """As many numbers as `shape` has."""
    (shape,), target = inputs, integers(values, "shape")
    if count(where, shape) != math.prod(target):
        raise mismatch(where, f"an input of {math.prod(target)} numbers", shape)
    return target


def activation(operation: str, *attributes: AttributeDefinition) -> LayerDefinition:
    """An element-wise function of one input."""
    return LayerDefinition(operation, same_shape, attributes)


AXIS = AttributeDefinition("axis", AttributeKind.INTEGER, -1, FROM_LAST)

LAYERS: Mapping[tuple[str, int], LayerDefinition] = {
    (row.operation, row.version): row
    for row in (
        LayerDefinition(
            "linear",
            linear_shape,
            (
                AttributeDefinition("in", AttributeKind.INTEGER, None, SIZE),
                AttributeDefinition("out", AttributeKind.INTEGER, None, SIZE),
                AttributeDefinition("bias", AttributeKind.BOOLEAN, True),
                AttributeDefinition(
                    "init", AttributeKind.TEXT, "kaiming_uniform", one_of("kaiming_uniform", "glorot_uniform", "zeros")
                ),
            ),
            linear_parameters,
        ),
        activation("relu"),
        activation("sigmoid"),
        activation("tanh"),
        activation("leaky_relu", AttributeDefinition("slope", AttributeKind.REAL, 0.01)),
        activation("elu", AttributeDefinition("alpha", AttributeKind.REAL, 1.0, POSITIVE)),
        activation("celu", AttributeDefinition("alpha", AttributeKind.REAL, 1.0, POSITIVE)),
        activation("relu6"),
        activation("silu"),
        activation("hardsigmoid"),
        activation("mish"),
        activation("softplus"),
        activation("gelu", AttributeDefinition("approximate", AttributeKind.TEXT, "none", one_of("none", "tanh"))),
        LayerDefinition("softmax", along_axis, (AXIS,)),
        LayerDefinition("log_softmax", along_axis, (AXIS,)),
        LayerDefinition(
            "layer_norm",
            layer_norm_shape,
            (
                AttributeDefinition("shape", AttributeKind.INTEGERS, None, SIZES),
                AttributeDefinition("eps", AttributeKind.REAL, 1e-5, POSITIVE),
                AttributeDefinition("affine", AttributeKind.BOOLEAN, True),
            ),
            layer_norm_parameters,
        ),
        LayerDefinition("flatten", flatten_shape),
        LayerDefinition(
            "reshape", reshape_shape, (AttributeDefinition("shape", AttributeKind.INTEGERS, None, ANY_SIZES),)
        ),
        LayerDefinition("identity", same_shape),
        LayerDefinition("add", same_shape, least_inputs=2, most_inputs=None),
        LayerDefinition("multiply", same_shape, least_inputs=2, most_inputs=2),
    )
}


def definition(layer: Layer, where: str = "layer") -> LayerDefinition:
    """The row of a layer; an unknown operation or version is refused, about `where`.

    >>> definition(Layer("add")).arity
    '2 or more inputs'
    """
    row = LAYERS.get((layer.operation, layer.version))
    if row is not None:
        return row
    versions = [version for operation, version in LAYERS if operation == layer.operation]
    if versions:
        expected = f"version {listing(map(str, versions))} of layer '{layer.operation}'"
        raise DiagramError(where, expected, f"version {layer.version}", "layer")
    expected = "a portable layer (" + ", ".join(sorted({operation for operation, _ in LAYERS})) + ")"
    raise DiagramError(where, expected, quote(layer.operation), "layer")


def check_parameter_sizes(where: str, parameters: tuple[Parameter, ...]) -> None:
    """Refuse a parameter with more numbers than `MAX_VALUES`."""
    for parameter in parameters:
        if math.prod(parameter.shape) > MAX_VALUES:
            expected = f"at most {MAX_VALUES} numbers"
            raise DiagramError(f"{where}, parameter '{parameter.name}'", expected, shape_text(parameter.shape), "limit")

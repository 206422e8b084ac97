"""What a row of the portable layer table says, and what the rows' rules are made of.

Shapes here are of one sample, without the batch axis; a size may be the name of a variable. What a layer makes is float,
of the dtype of the arrow's spaces, as are its parameters and buffers; of what it takes, only graph inputs may be of
another kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint
from bridge.diagram.ir import AttributeValue
from bridge.diagram.limits import MAX_SIZE, MAX_VALUES
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError

__all__ = [
    "FLOAT",
    "LENGTH",
    "MASK",
    "Constant",
    "Initial",
    "InputKind",
    "LayerDefinition",
    "Normal",
    "Parameter",
    "Shape",
    "Uniform",
    "Values",
    "check_parameter_sizes",
    "index_below",
]

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
class Normal:
    """Initial values drawn from the normal distribution around 0; with `zero_row` ≥ 0 that row of a matrix is 0."""

    deviation: float
    zero_row: int = -1


Initial: TypeAlias = "Uniform | Constant | Normal"


@dataclass(frozen=True)
class Parameter:
    """A parameter or buffer of a layer (by name) or of a graph (by path), row-major."""

    name: str
    shape: tuple[int, ...]
    initial: Initial


@dataclass(frozen=True)
class InputKind:
    """What values an input takes: `text` says it in an error. An index lies below `classes`."""

    name: str
    text: str
    classes: int = 0


FLOAT = InputKind("float", "float values")
LENGTH = InputKind("length", "lengths (int32 or int64)")
MASK = InputKind("mask", "a mask (bool)")


def index_below(classes: int) -> InputKind:
    """An index space of at most so many classes."""
    return InputKind("index", f"indices (int32 or int64) of at most {classes} classes", classes)


def nothing(values: Values) -> tuple[Parameter, ...]:
    """No parameters, no buffers."""
    return ()


def fits(where: str, values: Values) -> None:
    """Attributes that are right one by one are right together."""


@dataclass(frozen=True)
class LayerDefinition:
    """A row of the table: functions of a layer's attributes, by name.

    `shapes(where, attributes, inputs)` gives the shapes of its outputs, or refuses about `where`; `outputs` is how many
    there are. `check(where, attributes)` refuses attributes that are right one by one but not together. `kinds` are those
    of its inputs; with `more`, any number of inputs of the last kind may follow. `modal` says that the mode matters,
    `random` that it draws in train mode.
    """

    operation: str
    shapes: Callable[[str, Values, tuple[Shape, ...]], tuple[Shape, ...]]
    attributes: tuple[AttributeDefinition, ...] = ()
    parameters: Callable[[Values], tuple[Parameter, ...]] = nothing
    buffers: Callable[[Values], tuple[Parameter, ...]] = nothing
    kinds: Callable[[Values], tuple[InputKind, ...]] = lambda values: (FLOAT,)
    more: bool = False
    outputs: Callable[[Values], int] = lambda values: 1
    check: Callable[[str, Values], None] = fits
    modal: bool = False
    random: bool = False
    version: int = 1

    def arity(self, values: Values) -> str:
        """How many inputs it takes, in words."""
        count = len(self.kinds(values))
        return f"{count} or more inputs" if self.more else f"{count} input{'s' * (count != 1)}"

    def kind(self, values: Values, place: int) -> InputKind:
        """The kind of an input."""
        kinds = self.kinds(values)
        return kinds[min(place, len(kinds) - 1)]


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
SHARE = Constraint("a number from 0 to 1", lambda value: isinstance(value, float) and 0 <= value <= 1)

AXIS = AttributeDefinition("axis", AttributeKind.INTEGER, -1, FROM_LAST)


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


def real(values: Values, name: str) -> float:
    """An attribute that is a number."""
    value = values[name]
    assert isinstance(value, float)
    return value


def mismatch(where: str, expected: str, shape: Shape) -> DiagramError:
    """The refusal of an input by its shape."""
    return DiagramError(where, expected, f"one of shape {shape_text(shape)}", "layer")


def same_shape(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """All inputs have one shape, the output's."""
    for shape in inputs[1:]:
        if shape != inputs[0]:
            raise mismatch(where, f"inputs of equal shape {shape_text(inputs[0])}", shape)
    return (inputs[0],)


def along_axis(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """The input has the axis that `axis` counts to."""
    (shape,) = inputs
    if -integer(values, "axis") > len(shape):
        raise mismatch(where, f"an input with an axis {values['axis']}", shape)
    return (shape,)


def number_of_values(where: str, shape: Shape) -> int:
    """How many numbers a sample has; a variable size is refused."""
    total = 1
    for size in shape:
        if isinstance(size, str):
            raise mismatch(where, "an input without variable sizes", shape)
        total *= size
    return total


def check_parameter_sizes(where: str, parameters: tuple[Parameter, ...]) -> None:
    """Refuse a parameter or buffer with more numbers than `MAX_VALUES`."""
    for parameter in parameters:
        if math.prod(parameter.shape) > MAX_VALUES:
            expected = f"at most {MAX_VALUES} numbers"
            raise DiagramError(f"{where}, parameter '{parameter.name}'", expected, shape_text(parameter.shape), "limit")

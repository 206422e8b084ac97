"""Writing layers for what a program does to tensors, whichever framework it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from torch import Tensor

from bridge.diagram.ir import DataType
from bridge.diagram.messages import shape_text
from bridge.errors import PortError
from bridge.layers.build import make
from bridge.layers.definition import Shape
from bridge.port.arrangement import BATCH, Arrangement, Factor, Group, Kind, group
from bridge.port.sizes import BATCH_SIZE, Size, fixed, product
from bridge.port.sketch import Origin, Sketch, Step, Value
from bridge.port.traced import Filled, Known, Laid, Spread, Stacked, Traced
from bridge.port.weights import Weight

__all__ = ["Translation", "sample_shape"]


def sample_shape(groups: Sequence[Group]) -> Shape:
    """The sizes of the axes that factors make up."""
    return tuple(product(factor.size for factor in group).axis for group in groups)


class Translation:
    """A sketch, and the operator that is being written into it."""

    def __init__(self, float_type: DataType) -> None:
        self.float_type = float_type
        self.sketch = Sketch()
        self.origin = Origin()
        self.label = ""
        self.constants: dict[Known, Weight] = {}
        self.masks: dict[Tensor, Known] = {}
        self._makers: dict[Value, Step] = {}

    # Refusals

    def refuse(self, expected: str, found: str) -> NoReturn:
        """Refuse the operator that is being ported."""
        module = f"module '{self.origin.module}'" if self.origin.module else "the module itself"
        raise PortError(f"{module}, operator {self.origin.operator}", expected, found, self.origin.source)

    def refuse_mixing(self, found: str) -> NoReturn:
        """Refuse an operator that lets the samples of a batch see each other."""
        self.refuse("what is done to each sample by itself", found)

    def require(self, holds: bool, expected: str, found: object) -> None:
        """Refuse the operator unless something holds."""
        if not holds:
            self.refuse(expected, str(found))

    # Steps

    def emit(
        self,
        operation: str,
        inputs: Sequence[Value],
        shapes: Sequence[Shape],
        weights: Mapping[str, Weight] | None = None,
        /,
        **attributes: object,
    ) -> tuple[Value, ...]:
        """The outputs of a new step, of these shapes. Attributes are those of the layer."""
        moves = operation in MOVES and not inputs[0].data_type.is_float
        outputs = tuple(Value(shape, inputs[0].data_type if moves else self.float_type) for shape in shapes)
        layer = make(operation, **attributes)
        step = Step(layer, tuple(inputs), outputs, self.origin, weights or {}, self.label)
        self.sketch.steps.append(step)
        self._makers.update((value, step) for value in outputs)
        return outputs

    @contextmanager
    def labelled(self, label: str) -> Iterator[None]:
        """Steps are named by this label instead of their operation."""
        before, self.label = self.label, label
        try:
            yield
        finally:
            self.label = before

    def maker(self, value: Value) -> Step | None:
        """The step that made a value; None for an input."""
        return self._makers.get(value)

    def one(
        self,
        operation: str,
        inputs: Sequence[Value],
        shape: Shape,
        weights: Mapping[str, Weight] | None = None,
        /,
        **attributes: object,
    ) -> Value:
        """The output of a new step that has one."""
        return self.emit(operation, inputs, [shape], weights, **attributes)[0]

    # Tensors

    def laid(self, x: Traced, what: str = "its input") -> Laid:
        """A tensor over one portable value; a stack becomes one."""
        if isinstance(x, Stacked):
            some = next((part for part in x.parts if not isinstance(part, Filled)), x.parts[0])
            return self.stack([self._like(part, some, what) for part in x.parts], x.axis)
        if not isinstance(x, Laid):
            weight = x.weight if isinstance(x, Spread) else x
            found = f"parameter '{weight.name}'" if isinstance(weight, Weight) else "a constant"
            self.refuse(f"{what} to be computed from the inputs", found)
        return x

    def _like(self, x: Traced, other: Traced, what: str) -> Laid:
        """A tensor; one that is filled with a number is made of another of its shape."""
        laid = self.laid(other if isinstance(x, Filled) else x, what)
        if not isinstance(x, Filled):
            return laid
        return replace(laid, value=self.one("scale", [laid.value], laid.value.shape, factor=0.0, shift=x.number))

    def fresh(self, value: Value) -> Laid:
        """A tensor (batch, *sample) over a value."""
        return Laid(value, Arrangement.plain(fixed(value.shape)))

    def settled(self, x: Laid) -> Laid:
        """The same tensor over a value whose axes are the tensor's own, in its order, without the batch."""
        rest = x.arrangement.rest()
        if rest == x.arrangement.sample:
            return x
        if any(factor.kind is Kind.COPIES for group in rest for factor in group):
            return self.settled(self._with_copies(x))
        value, sample = x.value, x.arrangement.sample
        wanted = [factor for group in rest for factor in group]
        had = [factor for group in sample for factor in group]
        assert set(wanted) == set(had), "a tensor has all the numbers of its sample"
        if wanted != had:
            runs = _runs(had, wanted)
            value = self.reshape(value, sample_shape(runs))
            order = sorted(range(len(runs)), key=lambda k: wanted.index(runs[k][0]))
            value = self.permute(value, order)
        value = self.reshape(value, sample_shape(rest))
        return Laid(value, replace(x.arrangement, sample=rest))

    def reshape(self, value: Value, shape: Shape) -> Value:
        """The value in another shape, itself where it has it."""
        if shape == value.shape:
            return value
        step = self.maker(value)
        if step is not None and step.layer.operation == "reshape":
            return self.reshape(step.inputs[0], shape)
        if any(isinstance(size, str) for size in (*shape, *value.shape)):
            self.refuse("fixed sizes where axes are split or joined", f"{shape_text(value.shape)} to {shape_text(shape)}")
        return self.one("reshape", [value], shape, shape=shape)

    def permute(self, value: Value, order: Sequence[int]) -> Value:
        """The value with its axes in another order, itself where it is the same."""
        if list(order) == list(range(len(value.shape))):
            return value
        return self.one("permute", [value], tuple(value.shape[k] for k in order), axes=tuple(order))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Values side by side along an axis from 0."""
        if len(values) == 1:
            return values[0]
        first = values[0].shape
        lengths = [value.shape[axis] for value in values]
        self.require(all(isinstance(n, int) for n in lengths), "fixed sizes along the axis that is joined", lengths)
        total = sum(n for n in lengths if isinstance(n, int))
        return self.one("concat", values, (*first[:axis], total, *first[axis + 1 :]), axis=axis - len(first))

    def slice(self, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
        """Part of an axis (from 0) of a fixed size."""
        size = value.shape[axis]
        self.require(isinstance(size, int), "a fixed size along the axis that is cut", size)
        if (start, stop, step) == (0, size, 1):
            return value
        shape = (*value.shape[:axis], len(range(start, stop, step)), *value.shape[axis + 1 :])
        return self.one("slice", [value], shape, axis=axis - len(shape), start=start, stop=stop, step=step)

    def eager(self, x: Laid) -> Laid:
        """Settle a tensor that has the batch in front, so that a graph follows its source."""
        copies = any(factor.kind is Kind.COPIES for axis in x.arrangement.axes for factor in axis)
        settles = x.arrangement.is_batch_first and not copies and x.value.data_type.is_float
        return self.settled(x) if settles else x

    def batch_first(self, x: Laid, axes: int, what: str) -> Value:
        """The value of a tensor (batch, *sample) with so many axes in all."""
        self.require(len(x.arrangement.axes) == axes, f"{what} with {axes} axes", self.describe(x))
        if not x.arrangement.is_batch_first:
            self.refuse_mixing(f"{what} of shape {self.describe(x)}")
        return self.settled(x).value

    def describe(self, x: Laid) -> str:
        """The sizes of a tensor's axes."""
        return shape_text([size.axis if size.variables != ("",) else str(size) for size in x.shape])

    # Axes

    def view(self, x: Laid, sizes: Sequence[Size], operation: str = "reshape") -> Laid:
        """The same numbers, row-major, in axes of these sizes, one of which has the batch in it."""
        if x.arrangement.is_batch_first and sizes and sizes[0] == BATCH_SIZE and x.value.data_type.is_float:
            value = self.settled(x).value
            shape = tuple(size.axis for size in sizes[1:])
            if operation == "flatten" and shape != value.shape:
                return self.fresh(self.one("flatten", [value], shape))
            return self.fresh(self.reshape(value, shape))
        viewed = x.arrangement.viewed(sizes)
        if viewed is None:
            self.refuse_mixing(f"{self.describe(x)} seen as ({', '.join(map(str, sizes))})")
        return self.eager(Laid(x.value, viewed))

    def permuted(self, x: Laid, order: Sequence[int]) -> Laid:
        """The axes of a tensor in another order."""
        if x.arrangement.is_plain and order[0] == 0 and x.value.data_type.is_float:
            return self.fresh(self.permute(x.value, [place - 1 for place in order[1:]]))
        return self.eager(Laid(x.value, x.arrangement.permuted(order)))

    def stack(self, parts: Sequence[Laid], axis: int) -> Laid:
        """Tensors of one shape side by side along a new axis."""
        made = [self.settled(part) for part in parts]
        values = [self.reshape(part.value, (1, *part.value.shape)) for part in made]
        first = self.require_alike(made)
        joined = group(Size(len(parts)))
        value = self.concat(values, 0)
        axes = (*first.axes[:axis], joined, *first.axes[axis:])
        return self.eager(Laid(value, Arrangement(axes, (joined, *first.sample))))

    def require_alike(self, parts: Sequence[Laid]) -> Arrangement:
        """The arrangement of the first of several tensors that have the batch in the same place."""
        first = parts[0].arrangement
        for part in parts[1:]:
            if [batch_place(axis) for axis in part.arrangement.axes] != [batch_place(axis) for axis in first.axes]:
                self.refuse_mixing(f"{self.describe(parts[0])} beside {self.describe(part)}")
        return first

    def _with_copies(self, x: Laid) -> Laid:
        """The same tensor over a value that has its copies in it."""
        copies = [f for axis in x.arrangement.axes for f in axis if f.kind is Kind.COPIES]
        value, sample = x.value, x.arrangement.sample
        made: dict[Factor, Factor] = {}
        for factor in copies:
            self.require(not factor.size.variables, "a fixed number of copies", factor.size)
            single = self.reshape(value, (1, *value.shape))
            value = self.concat([single] * factor.size.number, 0)
            made[factor] = Factor(factor.size)
            sample = ((made[factor],), *sample)
        axes = tuple(tuple(made.get(f, f) for f in axis) for axis in x.arrangement.axes)
        return Laid(value, Arrangement(axes, sample))


MOVES = ("reshape", "permute", "slice", "concat", "split")
"""What may be written down of indices, to be done to their rows."""


def batch_place(axis: Group) -> Size | None:
    """How many numbers lie between one sample and the next along an axis; None where the batch is not in it.

    >>> batch_place((BATCH, Factor(Size(3))))
    Size(number=3, variables=())
    """
    if BATCH not in axis:
        return None
    return product(factor.size for factor in axis[axis.index(BATCH) + 1 :])


def _runs(had: Sequence[Factor], wanted: Sequence[Factor]) -> list[Group]:
    """Factors in the order they are had, those together that stay neighbours in the order wanted."""
    runs: list[Group] = []
    for factor in had:
        if runs and wanted.index(runs[-1][-1]) + 1 == wanted.index(factor):
            runs[-1] = (*runs[-1], factor)
        else:
            runs.append((factor,))
    return runs

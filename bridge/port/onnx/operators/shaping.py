"""Other axes, parts, tensors side by side, and what is known of shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import torch
import torch.nn.functional as F
from torch import Tensor

from bridge.port.onnx.file import package
from bridge.port.onnx.operators.applied import Applied, integers, operand

__all__ = ["OPERATORS"]


def flatten(a: Applied, x: Any) -> Tensor:
    """`Flatten` of all axes but the batch's."""
    axis = a.get("axis", 1)
    a.require(axis % a.variable(x).dim() == 1, "the batch axis to stay as it is", f"axis {axis}")
    return torch.flatten(x, 1)


def reshape(a: Applied, x: Any, shape: Any) -> Tensor:
    """`Reshape`. A file that was written for one size of the batch has it in its shapes."""
    tensor = a.variable(x)
    sizes = integers(a.constant(shape, "sizes"))
    if not a.get("allowzero", 0):
        sizes = [tensor.shape[k] if size == 0 else size for k, size in enumerate(sizes)]
    return tensor.reshape(_for_batch(a, tensor, sizes))


def _for_batch(a: Applied, x: Tensor, sizes: list[int]) -> list[int]:
    """The sizes for the batch as it is: in the first axis, else where the number of elements says that it is in."""
    old, now = a.batch
    if old is None or old == now or isinstance(x, torch.nn.Parameter):
        return sizes
    if sizes and x.shape[0] == now and sizes[0] == old:
        return [now, *sizes[1:]]
    if -1 in sizes or math.prod(sizes) == x.numel():
        return sizes
    for place, size in enumerate(sizes):
        if size % old == 0 and math.prod(sizes) // old * now == x.numel():
            return [*sizes[:place], size // old * now, *sizes[place + 1 :]]
    return sizes


def expand(a: Applied, x: Any, shape: Any) -> Tensor:
    """`Expand`."""
    tensor, sizes = a.variable(x), integers(a.constant(shape, "sizes"))
    old, now = a.batch
    if old is not None and len(sizes) == tensor.dim() and (tensor.shape[0], sizes[0]) == (now, old):
        sizes = [now, *sizes[1:]]
    return tensor.expand(torch.broadcast_shapes(tensor.shape, sizes))


def transpose(a: Applied, x: Any) -> Tensor:
    """`Transpose`."""
    return a.variable(x).permute(tuple(a.get("perm", range(x.dim())[::-1])))


def concat(a: Applied, *parts: Any) -> Tensor:
    """`Concat`."""
    like = next(part for part in parts if isinstance(part, Tensor))
    made = [torch.from_numpy(part).to(like.dtype) if isinstance(part, numpy.ndarray) else part for part in parts]
    return torch.cat(made, a.get("axis"))


def split(a: Applied, x: Any, sizes: Any = None) -> list[Tensor]:
    """`Split` into parts of given sizes, or into as many as there are outputs."""
    x, axis = a.variable(x), a.get("axis", 0)
    if sizes is not None:
        return list(torch.split(x, integers(a.constant(sizes, "sizes")), axis))
    count = a.get("num_outputs", len(a.call.outputs))
    return list(torch.split(x, -(-x.shape[axis] // count), axis))


def slice_(a: Applied, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Tensor:
    """`Slice` with steps forward."""
    made = a.variable(x)
    given = [integers(a.constant(value, "places")) for value in (starts, ends)]
    along = list(range(len(given[0]))) if axes is None else integers(a.constant(axes, "axes"))
    every = [1] * len(along) if steps is None else integers(a.constant(steps, "steps"))
    a.require(min(every, default=1) > 0, "steps from 1", every)
    for start, stop, axis, step in zip(*given, along, every, strict=True):
        size = made.shape[axis]
        begin, end, _ = slice(start, stop, step).indices(size)
        if (begin, end, step) != (0, size, 1):
            made = made[(slice(None),) * (axis % made.dim()) + (slice(begin, end, step),)]
    return made


def gather(a: Applied, x: Any, indices: Any) -> Tensor:
    """`Gather`: rows of a parameter, or known places along an axis that lie one after the other."""
    axis = a.get("axis", 0)
    if isinstance(indices, Tensor):
        a.require(isinstance(x, torch.nn.Parameter) and axis == 0, "rows of a matrix of the file", "places of a tensor")
        a.require(x.dim() == 2, "rows of a matrix", f"of shape {tuple(x.shape)}")
        return F.embedding(indices, x)
    tensor = a.variable(x)
    size = tensor.shape[axis]
    places = [place % size for place in integers(indices)]
    if indices.ndim == 0:
        return tensor.select(axis, places[0])
    row = places == list(range(places[0], places[0] + len(places))) if places else False
    a.require(indices.ndim == 1 and row, "places in a row", places)
    return tensor.narrow(axis, places[0], len(places))


def axes_of(a: Applied, axes: Any) -> list[int]:
    """Axes that are an argument."""
    return integers(a.constant(axes, "axes"))


def squeeze(a: Applied, x: Any, axes: Any = None) -> Tensor:
    """`Squeeze`."""
    if axes is None:
        return a.variable(x).squeeze()
    given = sorted((axis % a.variable(x).dim() for axis in axes_of(a, axes)), reverse=True)
    for axis in given:
        a.require(x.shape[axis] == 1, "axes of size 1", f"one of size {x.shape[axis]}")
        x = x.squeeze(axis)
    return a.variable(x)


def unsqueeze(a: Applied, x: Any, axes: Any) -> Tensor:
    """`Unsqueeze`."""
    given = axes_of(a, axes)
    for axis in sorted(axis % (a.variable(x).dim() + len(given)) for axis in given):
        x = x.unsqueeze(axis)
    return a.variable(x)


def shape(a: Applied, x: Any) -> Any:
    """`Shape`: sizes, which are known."""
    return numpy.array(list(a.variable(x).shape)[a.get("start", 0) : a.get("end")], dtype="int64")


def cast(a: Applied, x: Any) -> Tensor:
    """`Cast` to the type that it has."""
    wanted = numpy.dtype(package().helper.tensor_dtype_to_np_dtype(a.get("to"))).name
    has = str(a.variable(x).dtype).removeprefix("torch.")
    a.require(wanted == has, f"a cast to {has}, which it has", wanted)
    return a.variable(x)


def pad(a: Applied, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Tensor:
    """`Pad` with a number."""
    a.require(a.get("mode", "constant") == "constant", "mode constant", a.get("mode"))
    count, amounts = a.variable(x).dim(), integers(a.constant(pads, "padding"))
    along = list(range(count)) if axes is None else [axis % count for axis in axes_of(a, axes)]
    pairs = dict(zip(along, zip(amounts[: len(along)], amounts[len(along) :], strict=True), strict=True))
    given = [amount for axis in reversed(range(count)) for amount in pairs.get(axis, (0, 0))]
    while given[-2:] == [0, 0]:
        given = given[:-2]
    number = 0.0 if value is None else float(operand(a.constant(value, "a number"), x))
    return F.pad(x, given, value=number) if given else a.variable(x)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Expand": expand,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Gather": gather,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Shape": shape,
    "Cast": cast,
    "Pad": pad,
}

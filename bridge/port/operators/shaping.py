"""The same numbers in other axes: views, permutations, copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge.port.arrangement import BATCH, Arrangement
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import number_of
from bridge.port.sizes import BATCH_SIZE, Size
from bridge.port.traced import Filled, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation
from bridge.port.weights import Weight

__all__ = ["OPERATORS", "moved", "plain"]


def moved(change: Any) -> Operator:
    """An operator that gives numbers other axes: of parameters their places move, filled tensors only change shape."""

    def ported(t: Program, a: Arguments) -> Any:
        x = a["self"]
        number = number_of(x) if isinstance(x, (Filled, Known)) else None
        if number is not None:
            made = [Filled(shape, number) for shape in t.shapes]
            return made if t.returns_list() else made[0]
        if isinstance(x, (Weight, Known)) and BATCH_SIZE in t.shapes[0]:
            shape, place = tuple(x.tensor.shape) if isinstance(x, Known) else x.shape, t.shape.index(BATCH_SIZE)
            own = (1,) * (len(t.shape) - len(shape)) + shape
            t.require(own[place] == 1, "a value that is the same for each sample", f"one of shape {shape}")
            return Spread(x, t.shape)
        if isinstance(x, Weight) and not any(size.variables for shape in t.shapes for size in shape):
            moves = rearranged(t, x, {name: plain(value) for name, value in a.items() if name != "self"})
            if all(len(part.places.unique()) == part.count for part in (moves if isinstance(moves, list) else [moves])):
                return moves
        return change(t, a, t.laid(x) if isinstance(x, Weight) else x)

    return ported


def rearranged(t: Program, x: Weight, arguments: Mapping[str, Any]) -> Any:
    """What the operator at hand makes of a parameter, where it only moves numbers."""
    made = t.call(x.places_wanted(), arguments)
    if isinstance(made, (list, tuple)):
        return [replace(x, places=places) for places in made]
    return replace(x, places=made)


def plain(value: Any) -> Any:
    """An argument as torch takes it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Known):
        return value.tensor
    return value.number if isinstance(value, Size) else value


def view(t: Program, a: Arguments, x: Traced) -> Traced:
    """The numbers in axes of other sizes."""
    return t.view(t.laid(x), t.shape)


def flatten(t: Program, a: Arguments, x: Traced) -> Traced:
    """Some neighbouring axes to one; all of the sample's are a flatten."""
    laid = t.laid(x)
    count = len(laid.shape)
    whole = (a["start_dim"] % count, a["end_dim"] % count) == (1, count - 1) if count else False
    return t.view(laid, t.shape, "flatten" if whole else "reshape")


def permute(t: Program, a: Arguments, x: Traced) -> Traced:
    """All axes in another order."""
    return _permuted(t, x, [dim % len(t.shape) for dim in a["dims"]])


def transpose(t: Program, a: Arguments, x: Traced) -> Traced:
    """Two axes in each other's place."""
    return _swapped(t, x, a["dim0"], a["dim1"])


def transpose_matrix(t: Program, a: Arguments, x: Traced) -> Traced:
    """The last two axes in each other's place."""
    return _swapped(t, x, -1, -2) if len(t.shape) > 1 else x


def _swapped(t: Program, x: Traced, one: int, two: int) -> Traced:
    order = list(range(len(t.shape)))
    order[one], order[two] = order[two], order[one]
    return _permuted(t, x, order)


def movedim(t: Program, a: Arguments, x: Traced) -> Traced:
    """Some axes to other places."""
    given = [value if isinstance(value, list) else [value] for value in (a["source"], a["destination"])]
    count = len(t.shape)
    source, destination = ([place % count for place in places] for places in given)
    rest = iter(k for k in range(count) if k not in source)
    return _permuted(t, x, [source[destination.index(k)] if k in destination else next(rest) for k in range(count)])


def _permuted(t: Translation, x: Traced, order: Sequence[int]) -> Traced:
    if isinstance(x, Stacked):
        axis, rest = order.index(x.axis), [k - (k > x.axis) for k in order if k != x.axis]
        return Stacked(tuple(_permuted(t, part, rest) for part in x.parts), axis)
    return t.permuted(t.laid(x), order)


def unsqueeze(t: Program, a: Arguments, x: Traced) -> Traced:
    """A new axis of size 1."""
    laid = t.laid(x)
    return t.eager(replace(laid, arrangement=laid.arrangement.inserted(a["dim"] % len(t.shape))))


def squeeze(t: Program, a: Arguments, x: Traced) -> Traced:
    """Without axes of size 1."""
    laid = t.laid(x)
    count, dims = len(laid.shape), a.get("dim", list(range(len(laid.shape))))
    for place in sorted({dim % count for dim in (dims if isinstance(dims, list) else [dims])}, reverse=True):
        if laid.shape[place] == Size():
            laid = replace(laid, arrangement=laid.arrangement.removed(place))
    return t.eager(laid)


def expand(t: Program, a: Arguments, x: Traced) -> Traced:
    """Copies along axes of size 1."""
    laid = t.laid(x)
    return t.eager(replace(laid, arrangement=_expanded(laid, t.shape)))


def _expanded(x: Laid, sizes: Sequence[Size]) -> Arrangement:
    """As `expanded`; what is the same for all samples stands in each of a new batch."""
    made = x.arrangement.expanded(sizes)
    if any(BATCH in axis for axis in made.axes):
        return made
    pairs = zip(made.axes, sizes, strict=True)
    return replace(made, axes=tuple((BATCH,) if size == BATCH_SIZE else axis for axis, size in pairs))


def repeat(t: Program, a: Arguments, x: Traced) -> Traced:
    """Copies of the whole, along new axes or those of size 1."""
    laid = t.laid(x)
    times = [size if isinstance(size, Size) else Size(size) for size in a.get("repeats", a.get("dims"))]
    times = [Size()] * (len(t.shape) - len(times)) + times
    inner = (Size(),) * (len(t.shape) - len(laid.shape)) + laid.shape
    if all(Size() in (size, count) for size, count in zip(inner, times, strict=True)):
        return t.eager(replace(laid, arrangement=_expanded(laid, t.shape)))
    for _ in range(len(t.shape) - len(laid.shape)):
        laid = replace(laid, arrangement=laid.arrangement.inserted(0))
    for axis, count in enumerate(times):
        laid = laid if count == Size() else _copied(t, laid, axis, count, axis)
    return t.eager(laid)


def repeat_interleave(t: Program, a: Arguments, x: Traced) -> Traced:
    """Each place along an axis so many times."""
    laid = t.laid(x)
    t.require(a["dim"] is not None, "an axis", "none")
    axis = a["dim"] % len(laid.shape)
    return t.eager(_copied(t, laid, axis, Size(int(plain(a["repeats"]))), axis + 1))


def _copied(t: Translation, x: Laid, axis: int, count: Size, place: int) -> Laid:
    """Copies of an axis, one after the other (`place` before it) or place by place (behind it)."""
    arrangement = x.arrangement.inserted(place)
    sizes = [count if k == place else size for k, size in enumerate(arrangement.shape)]
    whole = [*x.shape[:axis], x.shape[axis].times(count), *x.shape[axis + 1 :]]
    return t.view(replace(x, arrangement=arrangement.expanded(sizes)), whole)


OPERATORS: dict[str, Operator] = {
    **{name: moved(view) for name in ("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default")},
    "aten.unflatten.int": moved(view),
    "aten.flatten.using_ints": moved(flatten),
    "aten.permute.default": moved(permute),
    "aten.transpose.int": moved(transpose),
    "aten.swapaxes.default": lambda t, a: _swapped(t, a["self"], a["axis0"], a["axis1"]),
    "aten.swapdims.default": moved(transpose),
    "aten.t.default": moved(transpose_matrix),
    "aten.numpy_T.default": moved(transpose_matrix),
    "aten.mT.default": moved(transpose_matrix),
    "aten.movedim.int": moved(movedim),
    "aten.movedim.intlist": moved(movedim),
    "aten.unsqueeze.default": moved(unsqueeze),
    "aten.squeeze.dim": moved(squeeze),
    "aten.squeeze.dims": moved(squeeze),
    "aten.squeeze.default": moved(squeeze),
    "aten.expand.default": moved(expand),
    **dict.fromkeys(("aten.expand_as.default", "aten.broadcast_to.default"), moved(expand)),
    **dict.fromkeys(("aten.view_as.default", "aten.reshape_as.default"), moved(view)),
    **dict.fromkeys(("aten.repeat.default", "aten.tile.default"), moved(repeat)),
    "aten.repeat_interleave.self_int": moved(repeat_interleave),
}

"""The same numbers in other axes, parts of them, and several tensors side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from bridge.port.arrangement import BATCH, Arrangement, Factor, Kind
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import number_of
from bridge.port.sizes import BATCH_SIZE, Size
from bridge.port.traced import Filled, Flipped, Known, Laid, Spread, Stacked, Traced
from bridge.port.translation import Translation, sample_shape
from bridge.port.values import with_value
from bridge.port.weights import Weight

__all__ = ["OPERATORS", "flipped", "places", "select", "split_at"]


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
            moves = rearranged(t, x, {name: _plain(value) for name, value in a.items() if name != "self"})
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


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
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
    return t.eager(_copied(t, laid, axis, Size(int(_plain(a["repeats"]))), axis + 1))


def _copied(t: Translation, x: Laid, axis: int, count: Size, place: int) -> Laid:
    """Copies of an axis, one after the other (`place` before it) or place by place (behind it)."""
    arrangement = x.arrangement.inserted(place)
    sizes = [count if k == place else size for k, size in enumerate(arrangement.shape)]
    whole = [*x.shape[:axis], x.shape[axis].times(count), *x.shape[axis + 1 :]]
    return t.view(replace(x, arrangement=arrangement.expanded(sizes)), whole)


def select(t: Translation, x: Traced, axis: int, index: int) -> Traced:
    """One place along an axis, which goes away."""
    if isinstance(x, Filled):
        return Filled((*x.shape[:axis], *x.shape[axis + 1 :]), x.number)
    if isinstance(x, Spread) and isinstance(x.weight, Weight) and x.shape[axis] != BATCH_SIZE:
        own = (1,) * (len(x.shape) - len(x.weight.shape)) + x.weight.shape
        chosen = x.weight.rearranged(lambda numbers: numbers.reshape(own).select(axis, min(index, own[axis] - 1)))
        return Spread(chosen, (*x.shape[:axis], *x.shape[axis + 1 :]))
    if isinstance(x, Stacked):
        if axis == x.axis:
            return x.parts[index]
        inner = axis - (axis > x.axis)
        return Stacked(tuple(select(t, part, inner, index) for part in x.parts), x.axis - (axis < x.axis))
    laid = t.laid(x)
    group = laid.arrangement.axes[axis]
    if all(factor.kind is Kind.COPIES for factor in group):
        return t.eager(replace(laid, arrangement=laid.arrangement.removed(axis)))
    cut = _cut(t, laid, axis, index, index + 1, 1)
    return t.eager(replace(cut, arrangement=cut.arrangement.removed(axis)))


def _cut(t: Translation, x: Laid, axis: int, start: int, stop: int, step: int) -> Laid:
    """Part of an axis. Where it is the slow part of one of the sample's axes, that one is cut as it is."""
    group = x.arrangement.axes[axis]
    if BATCH in group:
        t.refuse_mixing(f"some of the samples of {t.describe(x)}")
    if len(group) == 1 and step == 1 and group[0].kind is Kind.SAMPLE:
        for place, own in enumerate(x.arrangement.sample):
            if own and own[0] is group[0]:
                inner = sample_shape([own[1:]])[0]
                if not isinstance(inner, int):
                    break
                value = t.slice(x.value, place, start * inner, stop * inner)
                return Laid(value, x.arrangement.with_factor(group[0], _group(stop - start)))
    x = t.settled(x)
    place = [k for k, own in enumerate(x.arrangement.axes) if own != (BATCH,)].index(axis)
    value = t.slice(x.value, place, start, stop, step)
    made = _group(len(range(start, stop, step)))
    axes, sample = list(x.arrangement.axes), list(x.arrangement.sample)
    axes[axis] = sample[place] = made
    return Laid(value, Arrangement(tuple(axes), tuple(sample)))


def _group(size: int) -> tuple[Factor, ...]:
    return Arrangement.plain([Size(size)]).sample[0]


def select_int(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[…, index, …]`."""
    axis = a["dim"] % (len(t.shape) + 1)
    size = _length(t, x, axis)
    return select(t, x, axis, int(_plain(a["index"])) % size)


def _length(t: Translation, x: Traced, axis: int) -> int:
    if isinstance(x, Stacked) and axis == x.axis:
        return len(x.parts)
    laid = t.laid(x)
    if laid.shape[axis].variables and BATCH in laid.arrangement.axes[axis]:
        t.refuse_mixing(f"some of the samples of {t.describe(laid)}")
    t.require(not laid.shape[axis].variables, "a fixed size along the axis that is cut", laid.shape[axis])
    return laid.shape[axis].number


def slice_tensor(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[…, start:end:step, …]`."""
    laid = t.laid(x)
    axis = a["dim"] % len(laid.shape)
    start, end = (None if a[name] is None else int(_plain(a[name])) for name in ("start", "end"))
    if start in (None, 0) and t.shape == laid.shape:
        return laid
    chosen = range(*slice(start, end, a["step"]).indices(_length(t, laid, axis)))
    return t.eager(_cut(t, laid, axis, chosen.start, chosen.stop, chosen.step))


def index_select(t: Program, a: Arguments, x: Traced) -> Traced:
    """The places along an axis that a constant says."""
    t.require(isinstance(a["index"], Known), "constant places", "others")
    return _chosen(t, t.laid(x), a["dim"], a["index"].tensor.flatten().tolist())


def index(t: Program, a: Arguments, x: Traced) -> Traced:
    """`x[:, places]` with constant places along one axis."""
    given = [(axis, which) for axis, which in enumerate(a["indices"]) if which is not None]
    plain = len(given) == 1 and isinstance(given[0][1], Known) and given[0][1].tensor.dim() == 1
    t.require(plain and not given[0][1].tensor.dtype.is_floating_point, "constant places along one axis", "others")
    axis, which = given[0]
    listed = which.tensor.nonzero().flatten() if which.tensor.dtype is torch.bool else which.tensor
    return _chosen(t, t.laid(x), axis, listed.tolist())


def _chosen(t: Translation, x: Laid, axis: int, wanted: Sequence[int]) -> Laid:
    """Places along an axis, in runs of neighbours."""
    axis %= len(x.shape)
    length = _length(t, x, axis)
    t.require(bool(wanted), "one place or more", "none")
    runs: list[list[int]] = []
    for place in (place % length for place in wanted):
        if runs and runs[-1][1] == place:
            runs[-1][1] += 1
        else:
            runs.append([place, place + 1])
    x = t.settled(x)
    parts = [_cut(t, x, axis, start, stop, 1) for start, stop in runs]
    return parts[0] if len(parts) == 1 else _beside(t, parts, axis, len(wanted))


def flip(t: Program, a: Arguments, x: Traced) -> Traced:
    """The other way round along some axes; twice along one is what it was."""
    dims = frozenset(dim % len(t.shape) for dim in a["dims"])
    if isinstance(x, Flipped) and x.axes == dims:
        return x.laid
    return flipped(t, t.laid(x), dims)


def flipped(t: Translation, laid: Laid, axes: frozenset[int]) -> Flipped:
    """A tensor the other way round along some axes: where it is needed, its places one by one."""

    def made() -> Laid:
        turned = laid
        for axis in sorted(axes):
            turned = _chosen(t, turned, axis, range(_length(t, turned, axis))[::-1])
        return turned

    return Flipped(laid, axes, made)


def roll(t: Program, a: Arguments, x: Traced) -> Traced:
    """The last places along an axis first."""
    laid = t.laid(x)
    t.require(len(a["dims"]) == len(a["shifts"]) > 0, "an axis for each shift", a["dims"])
    for shift, dim in zip(a["shifts"], a["dims"], strict=True):
        length = _length(t, laid, dim % len(laid.shape))
        laid = _chosen(t, laid, dim, [(place - int(_plain(shift))) % length for place in range(length)])
    return laid


def unfold(t: Program, a: Arguments, x: Traced) -> Traced:
    """Windows along an axis that lie side by side, as a last axis."""
    laid = t.laid(x)
    axis, size = a["dimension"] % len(laid.shape), a["size"]
    length = _length(t, laid, axis)
    t.require(a["step"] == size and length % size == 0, "windows side by side", f"size={size}, step={a['step']} of {length}")
    shape = [*laid.shape[:axis], Size(length // size), Size(size), *laid.shape[axis + 1 :]]
    return t.permuted(t.view(laid, shape), [*(k for k in range(len(shape)) if k != axis + 1), axis + 1])


def windows(t: Program, a: Arguments, x: Traced) -> Traced:
    """`torch.nn.functional.unfold` where windows lie side by side."""
    laid, kernel = t.laid(x), list(a["kernel_size"])
    batch, channels, *plane = laid.shape
    fits = all(not n.variables and n.number % k == 0 for n, k in zip(plane, kernel, strict=True))
    plain = list(a["stride"]) == kernel and not any(a["padding"]) and set(a["dilation"]) == {1}
    t.require(plain and fits, "windows side by side", f"kernel {kernel}, stride {a['stride']}, padding {a['padding']}")
    (one, two), (rows, columns) = kernel, (n.number // k for n, k in zip(plane, kernel, strict=True))
    apart = t.view(laid, [batch, channels, Size(rows), Size(one), Size(columns), Size(two)])
    return t.view(t.permuted(apart, (0, 1, 3, 5, 2, 4)), t.shape)


def pixel_shuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """Groups of channels as pixels beside each other."""
    laid, r = t.laid(x), Size(a["upscale_factor"])
    *lead, _, rows, columns = laid.shape
    k = len(lead)
    apart = t.view(laid, [*lead, t.shape[k], r, r, rows, columns])
    return t.view(t.permuted(apart, [*range(k + 1), k + 3, k + 1, k + 4, k + 2]), t.shape)


def pixel_unshuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """Pixels beside each other as groups of channels."""
    laid, r = t.laid(x), Size(a["downscale_factor"])
    *lead, channels, _, _ = laid.shape
    k, (rows, columns) = len(lead), t.shape[-2:]
    apart = t.view(laid, [*lead, channels, rows, r, columns, r])
    return t.view(t.permuted(apart, [*range(k + 1), k + 2, k + 4, k + 1, k + 3]), t.shape)


def channel_shuffle(t: Program, a: Arguments, x: Traced) -> Traced:
    """The channels of groups in turn."""
    laid, groups = t.laid(x), a["groups"]
    batch, channels, *rest = laid.shape
    apart = t.view(laid, [batch, Size(groups), Size(channels.number // groups), *rest])
    return t.view(t.permuted(apart, [0, 2, 1, *range(3, len(rest) + 3)]), t.shape)


def unbind(t: Program, a: Arguments, x: Traced) -> Any:
    """Every place along an axis."""
    return places(t, x, a["dim"] % (len(t.shape) + 1))


def places(t: Translation, x: Traced, axis: int) -> list[Traced]:
    """Every place along an axis, which goes away."""
    if isinstance(x, (Filled, Spread)) or (isinstance(x, Stacked) and axis == x.axis):
        count = len(x.parts) if isinstance(x, Stacked) else x.shape[axis].number
        return [select(t, x, axis, index) for index in range(count)]
    laid = t.laid(x)
    length = _length(t, laid, axis)
    group = laid.arrangement.axes[axis]
    if length == 1 or all(factor.kind is Kind.COPIES for factor in group):
        return [select(t, laid, axis, index) for index in range(length)]
    parts = _parts(t, laid, axis, [1] * length)
    return [t.eager(replace(part, arrangement=part.arrangement.removed(axis))) for part in parts]


def split(t: Program, a: Arguments, x: Traced) -> Any:
    """Parts of given sizes along an axis."""
    laid = t.laid(x)
    axis = a["dim"] % len(laid.shape)
    _length(t, laid, axis)
    return _parts(t, laid, axis, [shape[axis].number for shape in t.shapes])


def split_at(t: Translation, x: Laid, axis: int, sizes: Sequence[int]) -> list[Laid]:
    """Parts of these sizes along an axis."""
    _length(t, x, axis)
    return _parts(t, x, axis, sizes)


def _parts(t: Translation, x: Laid, axis: int, sizes: Sequence[int]) -> list[Laid]:
    """Parts of these sizes along an axis of a fixed size."""
    if len(sizes) == 1:
        return [x]
    x = t.settled(x)
    place = [k for k, own in enumerate(x.arrangement.axes) if own != (BATCH,)].index(axis)
    shape = x.value.shape
    shapes = [(*shape[:place], size, *shape[place + 1 :]) for size in sizes]
    values = t.emit("split", [x.value], shapes, axis=place - len(shape), sizes=tuple(sizes))
    made = []
    for size, value in zip(sizes, values, strict=True):
        axes, sample = list(x.arrangement.axes), list(x.arrangement.sample)
        axes[axis] = sample[place] = _group(size)
        made.append(Laid(value, Arrangement(tuple(axes), tuple(sample))))
    return made


def cat(t: Program, a: Arguments) -> Traced:
    """Tensors side by side along an axis."""
    count = len(t.shape)
    axis = a["dim"] % count
    parts = _with_parameters(t, a["tensors"], axis)
    padded = _padded(t, parts, axis)
    if padded is not None:
        return padded
    return _beside(t, [t.laid(part, "each part") for part in parts], axis, t.shape[axis].number)


def _beside(t: Translation, parts: Sequence[Laid], axis: int, length: int) -> Laid:
    made = [t.settled(part) for part in parts]
    first = t.require_alike(made)
    if any(BATCH in part.arrangement.axes[axis] for part in made):
        t.refuse_mixing("more samples beside those of a batch")
    place = sum(own != (BATCH,) for own in first.axes[:axis])
    value = t.concat([part.value for part in made], place)
    axes, sample = list(first.axes), list(first.sample)
    axes[axis] = sample[place] = _group(length)
    return t.eager(Laid(value, Arrangement(tuple(axes), tuple(sample))))


def _with_parameters(t: Translation, parts: Sequence[Traced], axis: int) -> list[Traced]:
    """Parameters that stand beside tensors, such as class tokens, as sums with zeros that lie beside one of those."""
    beside = next((part for part in parts if not isinstance(part, (Spread, Filled, Known))), None)
    found: list[Traced] = []
    for part in parts:
        if isinstance(part, Spread) and beside is not None:
            count = part.shape[axis].number
            padded = t.settled(pad_axes(t, t.laid(beside), {axis: (count, 0)}, 0.0))
            value = t.batch_first(padded, len(part.shape), "a tensor beside a parameter")
            found.append(with_value(t, "add", t.fresh(t.slice(value, axis - 1, 0, count)), part.weight))
        else:
            found.append(part)
    return found


def _padded(t: Translation, parts: Sequence[Traced], axis: int) -> Traced | None:
    """One tensor with a constant number before or after it."""
    tensors = [k for k, part in enumerate(parts) if not isinstance(part, (Filled, Known))]
    numbers = {number_of(part) for k, part in enumerate(parts) if k not in tensors}
    if len(tensors) != 1 or len(numbers) != 1 or None in numbers:
        return None
    lengths = [
        (part.shape[axis].number if isinstance(part, Filled) else part.tensor.shape[axis] if isinstance(part, Known) else 0)
        for part in parts
    ]
    before, after = sum(lengths[: tensors[0]]), sum(lengths[tensors[0] + 1 :])
    (number,) = numbers
    assert number is not None
    return pad_axes(t, t.laid(parts[tensors[0]]), {axis: (before, after)}, number)


def pad_axes(t: Translation, x: Laid, amounts: dict[int, tuple[int, int]], number: float) -> Laid:
    """A number before and after what there is, so many times by axis."""
    laid = t.settled(x)
    if any(BATCH in laid.arrangement.axes[axis] for axis in amounts):
        t.refuse_mixing("more samples beside those of a batch")
    places = {axis: sum(own != (BATCH,) for own in laid.arrangement.axes[:axis]) for axis in amounts}
    rank, first = len(laid.value.shape), min(places.values())
    before, after = [0] * (rank - first), [0] * (rank - first)
    axes, sample, shape = list(laid.arrangement.axes), list(laid.arrangement.sample), list(laid.value.shape)
    for axis, (low, high) in amounts.items():
        place = places[axis]
        size = shape[place]
        t.require(isinstance(size, int), "a fixed size along the axis that is padded", size)
        before[place - first], after[place - first] = low, high
        shape[place] = int(size) + low + high
        axes[axis] = sample[place] = _group(int(size) + low + high)
    value = t.one("pad", [laid.value], tuple(shape), before=tuple(before), after=tuple(after), value=float(number))
    return t.eager(Laid(value, Arrangement(tuple(axes), tuple(sample))))


def pad(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.pad`; less than nothing is cut off."""
    x, mode = t.laid(a["self"]), a.get("mode", "constant")
    pairs = zip(a["pad"][::2], a["pad"][1::2], strict=True)
    amounts = {len(x.shape) - 1 - k: pair for k, pair in enumerate(pairs) if pair != (0, 0)}
    if mode != "constant":
        for axis, pair in amounts.items():
            places = torch.arange(_length(t, x, axis), dtype=torch.float64)[None, None]
            x = _chosen(t, x, axis, F.pad(places, pair, mode=mode).flatten().long().tolist())
        return t.eager(x)
    for axis, (before, after) in amounts.items():
        length = _length(t, x, axis) if min(before, after) < 0 else 0
        if length:
            x = _cut(t, x, axis, max(-before, 0), length - max(-after, 0), 1)
    amounts = {axis: (max(before, 0), max(after, 0)) for axis, (before, after) in amounts.items() if max(before, after) > 0}
    return pad_axes(t, x, amounts, float(a.get("value") or 0)) if amounts else t.eager(x)


def stack(t: Program, a: Arguments) -> Traced:
    """Tensors side by side along a new axis."""
    return Stacked(tuple(a["tensors"]), a["dim"] % len(t.shape))


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
    "aten.index_select.default": moved(index_select),
    "aten.index.Tensor": moved(index),
    "aten.flip.default": moved(flip),
    "aten.roll.default": moved(roll),
    "aten.unfold.default": moved(unfold),
    "aten.im2col.default": moved(windows),
    "aten.pixel_shuffle.default": moved(pixel_shuffle),
    "aten.pixel_unshuffle.default": moved(pixel_unshuffle),
    "aten.channel_shuffle.default": moved(channel_shuffle),
    "aten.select.int": moved(select_int),
    "aten.slice.Tensor": moved(slice_tensor),
    "aten.narrow.default": moved(
        lambda t, a, x: slice_tensor(t, {**a, "end": a["start"] + a["length"], "step": 1}, x)
    ),
    "aten.unbind.int": moved(unbind),
    **{name: moved(split) for name in ("aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default")},
    "aten.split.sizes": moved(split),
    "aten.cat.default": cat,
    "aten.concat.default": cat,
    "aten.stack.default": stack,
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": pad,
}

"""Parts of a tensor along an axis, and tensors side by side along one."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.port.arrangement import BATCH, Arrangement, Factor, Kind
from bridge.port.sizes import Size
from bridge.port.traced import Laid, Stacked, Traced
from bridge.port.translation import Translation, sample_shape

__all__ = ["joined", "length_of", "pad_axes", "part_of", "parts_of", "split_at", "taken"]


def length_of(t: Translation, x: Traced, axis: int) -> int:
    """The fixed size of an axis of which parts are taken."""
    if isinstance(x, Stacked) and axis == x.axis:
        return len(x.parts)
    laid = t.laid(x)
    if laid.shape[axis].variables and BATCH in laid.arrangement.axes[axis]:
        t.refuse_mixing(f"some of the samples of {t.describe(laid)}")
    t.require(not laid.shape[axis].variables, "a fixed size along the axis that is cut", laid.shape[axis])
    return laid.shape[axis].number


def part_of(t: Translation, x: Laid, axis: int, start: int, stop: int, step: int) -> Laid:
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


def split_at(t: Translation, x: Laid, axis: int, sizes: Sequence[int]) -> list[Laid]:
    """Parts of these sizes along an axis."""
    length_of(t, x, axis)
    return parts_of(t, x, axis, sizes)


def parts_of(t: Translation, x: Laid, axis: int, sizes: Sequence[int]) -> list[Laid]:
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


def taken(t: Translation, x: Laid, axis: int, wanted: Sequence[int]) -> Laid:
    """Places along an axis, in runs of neighbours."""
    axis %= len(x.shape)
    length = length_of(t, x, axis)
    t.require(bool(wanted), "one place or more", "none")
    runs: list[list[int]] = []
    for place in (place % length for place in wanted):
        if runs and runs[-1][1] == place:
            runs[-1][1] += 1
        else:
            runs.append([place, place + 1])
    x = t.settled(x)
    parts = [part_of(t, x, axis, start, stop, 1) for start, stop in runs]
    return parts[0] if len(parts) == 1 else joined(t, parts, axis, len(wanted))


def joined(t: Translation, parts: Sequence[Laid], axis: int, length: int) -> Laid:
    """Tensors side by side along an axis, which has this length then."""
    made = [t.settled(part) for part in parts]
    first = t.require_alike(made)
    if any(BATCH in part.arrangement.axes[axis] for part in made):
        t.refuse_mixing("more samples beside those of a batch")
    place = sum(own != (BATCH,) for own in first.axes[:axis])
    value = t.concat([part.value for part in made], place)
    axes, sample = list(first.axes), list(first.sample)
    axes[axis] = sample[place] = _group(length)
    return t.eager(Laid(value, Arrangement(tuple(axes), tuple(sample))))


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

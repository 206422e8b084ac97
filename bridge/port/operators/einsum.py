"""`torch.einsum` as permutations, products of matrices, products number by number, and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge.port.arrangement import BATCH
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import binary, product, reduced
from bridge.port.operators.elementary import matrix
from bridge.port.sizes import Size
from bridge.port.sizes import product as total
from bridge.port.traced import Laid, Traced
from bridge.port.values import with_value
from bridge.port.weights import Weight

__all__ = ["OPERATORS"]


class Labelled:
    """A tensor whose axes have names of one letter."""

    def __init__(self, t: Program, laid: Laid, letters: str) -> None:
        t.require(len(set(letters)) == len(letters) == len(laid.shape), "a letter for each axis", letters)
        self.t, self.laid, self.letters = t, laid, letters

    def sizes(self) -> dict[str, Size]:
        """The size of each axis."""
        return dict(zip(self.letters, self.laid.shape, strict=True))

    def ordered(self, letters: str) -> Laid:
        """With its axes in this order, of size 1 where it has none."""
        own = [letter for letter in letters if letter in self.letters]
        laid = self.t.permuted(self.laid, [self.letters.index(letter) for letter in own])
        for place, letter in enumerate(letters):
            if letter not in own:
                laid = replace(laid, arrangement=laid.arrangement.inserted(place))
        return laid

    def summed(self, kept: str) -> Labelled:
        """The sum over all axes but these."""
        places = [k for k, letter in enumerate(self.letters) if letter not in kept]
        if not places:
            return self
        laid = self.t.settled(self.laid)
        if any(BATCH in laid.arrangement.axes[place] for place in places):
            self.t.refuse_mixing(f"a sum over the batch of {self.t.describe(laid)}")
        rest = "".join(letter for letter in self.letters if letter in kept)
        return Labelled(self.t, reduced(self.t, "sum", laid, places, False), rest)


def einsum(t: Program, a: Arguments) -> Traced:
    """One or two tensors, or a tensor and a parameter."""
    tensors = a["tensors"]
    sides, out = _equation(str(a["equation"]), [_axes(t, x) for x in tensors])
    if len(tensors) == 1:
        alone = Labelled(t, t.laid(tensors[0]), sides[0]).summed(out)
        return t.permuted(alone.laid, [alone.letters.index(letter) for letter in out])
    t.require(len(tensors) == 2, "one or two tensors", len(tensors))
    for k in (0, 1):
        if isinstance(tensors[k], Weight) and not isinstance(tensors[1 - k], Weight):
            return _with_parameter(t, Labelled(t, t.laid(tensors[1 - k]), sides[1 - k]), tensors[k], sides[k], out)
    one, two = (
        Labelled(t, t.laid(x), letters).summed(out + other)
        for x, letters, other in zip(tensors, sides, sides[::-1], strict=True)
    )
    both = "".join(letter for letter in one.letters if letter in two.letters)
    batch = "".join(letter for letter in both if letter in out)
    inner = "".join(letter for letter in both if letter not in out)
    if not inner:
        return binary(t, "multiply", one.ordered(out), two.ordered(out))
    left, right = ("".join(k for k in side.letters if k not in both) for side in (one, two))
    sizes = one.sizes() | two.sizes()

    def joined(side: Labelled, first: str, second: str) -> Laid:
        order = batch + first + second
        shape = [*(sizes[k] for k in batch), total(sizes[k] for k in first), total(sizes[k] for k in second)]
        return t.view(side.ordered(order), shape)

    made = t.view(product(t, joined(one, left, inner), joined(two, inner, right)), [sizes[k] for k in batch + left + right])
    return t.permuted(made, [(batch + left + right).index(letter) for letter in out])


def _with_parameter(t: Program, x: Labelled, weight: Weight, letters: str, out: str) -> Traced:
    x = x.summed(out + letters)
    t.require(set(letters) <= {*out, *x.letters}, "a parameter without a sum of its own", letters)
    both = "".join(letter for letter in x.letters if letter in letters)
    inner = "".join(letter for letter in both if letter not in out)
    own = "".join(letter for letter in letters if letter not in both)
    if inner == both and both:
        rest = "".join(letter for letter in x.letters if letter not in both)
        places, sizes = [letters.index(letter) for letter in own + inner], x.sizes()
        width = total(sizes[k] for k in inner).number
        moved = weight.rearranged(lambda numbers: numbers.permute(places).reshape(-1, width))
        flat = matrix(t, t.view(x.ordered(rest + inner), [*(sizes[k] for k in rest), Size(width)]), moved, None)
        outer = dict(zip(letters, map(Size, weight.shape), strict=True)) | sizes
        laid = t.view(flat, [outer[k] for k in rest + own])
        return t.permuted(laid, [(rest + own).index(letter) for letter in out])
    t.require(not own, "a parameter all of whose axes are the tensor's, or that is summed over all that it shares", letters)
    order = "".join(letter for letter in x.letters if letter in out) + inner
    shape = [weight.shape[letters.index(letter)] if letter in letters else 1 for letter in order]
    places = [letters.index(letter) for letter in order if letter in letters]
    moved = weight.rearranged(lambda numbers: numbers.permute(places).reshape(shape))
    made = Labelled(t, t.laid(with_value(t, "multiply", x.ordered(order), moved)), order).summed(out)
    return t.permuted(made.laid, [made.letters.index(letter) for letter in out])


def _axes(t: Program, x: Traced) -> int:
    return len(x.shape) if isinstance(x, Weight) else len(t.laid(x).shape)


def _equation(text: str, counts: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each side and of the result; "…" stands for capital letters from the end of the alphabet.

    >>> _equation("...d, kd -> ...k", [3, 2])
    (['YZd', 'kd'], 'YZk')
    """
    given, arrow, result = text.replace(" ", "").partition("->")
    parts = given.split(",")
    named = [len(part.replace("...", "")) for part in parts]
    hidden = [n - own if "..." in part else 0 for part, own, n in zip(parts, named, counts, strict=True)]
    free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in text]
    most = max(hidden)

    def spelled(part: str, count: int) -> str:
        return part.replace("...", "".join(free[len(free) - count :]))

    sides = [spelled(part, count) for part, count in zip(parts, hidden, strict=True)]
    if not arrow:
        letters = "".join(part.replace("...", "") for part in parts)
        result = "..." + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return sides, spelled(result, most)


OPERATORS: dict[str, Operator] = {"aten.einsum.default": einsum}

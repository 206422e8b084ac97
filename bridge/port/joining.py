"""Steps that are one layer when they are together: a sum of several terms, factor·x + shift, multi-head attention.

Only what one call of a module does by itself is joined: steps that were modules of their own stay nodes of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bridge.layers.definition import integer, real
from bridge.layers.make import make
from bridge.port.sketch import Step, Value
from bridge.port.weights import Weight

__all__ = ["joined"]


def joined(steps: Sequence[Step], outputs: Sequence[Value]) -> list[Step]:
    """The steps, those that are one layer together joined, in an order in which values are made before they are used."""
    found = list(steps)
    for rule in (sums, shifts, attentions):
        place = 0
        while place < len(found):
            reader = Reader(found, outputs, found[place])
            made = rule(reader)
            if made is None:
                place += 1
            else:
                found = [made if step is reader.step else step for step in found if step not in reader.taken]
                place -= len(reader.taken)
    return found


@dataclass
class Reader:
    """Looks back from a step to those of the same call that only serve it."""

    steps: Sequence[Step]
    outputs: Sequence[Value]
    step: Step

    def __post_init__(self) -> None:
        self.taken: list[Step] = []
        self.makers = {value: step for step in self.steps for value in step.outputs}
        self.uses = Counter([*(value for step in self.steps for value in step.inputs), *self.outputs])

    def back(self, value: Value, *operations: str, uses: int = 1) -> Step | None:
        """The step that made a value, if it is one of these operations and nothing else uses what it makes."""
        step = self.makers.get(value)
        if step is None or step.layer.operation not in operations or step.origin.calls != self.step.origin.calls:
            return None
        if len(step.outputs) != 1 or self.uses[value] != uses:
            return None
        if step not in self.taken:
            self.taken.append(step)
        return step


def sums(reader: Reader) -> Step | None:
    """(a + b) + c as one sum."""
    step = reader.step
    if step.layer.operation != "add":
        return None
    first = reader.back(step.inputs[0], "add")
    return None if first is None else replace(step, inputs=(*first.inputs, *step.inputs[1:]))


def shifts(reader: Reader) -> Step | None:
    """factor·x and then + shift as one."""
    step = reader.step
    if step.layer.operation != "scale" or step.layer["factor"] != 1:
        return None
    first = reader.back(step.inputs[0], "scale")
    if first is None or first.layer["shift"] != 0:
        return None
    layer = make("scale", factor=first.layer["factor"], shift=step.layer["shift"])
    return replace(step, layer=layer, inputs=first.inputs)


def attentions(reader: Reader) -> Step | None:
    """Projections, heads beside each other, attention, heads together again, and a projection."""
    out = reader.step
    if out.layer.operation != "linear":
        return None
    together = reader.back(out.inputs[0], "reshape")
    turned = together and reader.back(together.inputs[0], "permute")
    if not turned or turned.layer["axes"] != (1, 0, 2):
        return None
    core = _core(reader, turned.inputs[0])
    if core is None:
        return None
    sides = [_projected(reader, value) for value in core.sides]
    if None in sides:
        return None
    q, k, v = (side for side in sides if side is not None)
    (heads, _, width), layer = core.sides[0].shape, out.layer
    size = integer(dict(layer.attributes), "in")
    biased = {layer["bias"], *("bias" in side.weights for side in (q, k, v))}
    fits = (
        layer["out"] == size
        and isinstance(heads, int)
        and isinstance(width, int)
        and heads * width == size
        and all(side.weights["weight"].shape[0] == size for side in (q, k, v))
        and q.weights["weight"].shape[1] == size
        and len(biased) == 1
        and core.scale in (0.0, width**-0.5)
    )
    if not fits:
        return None
    made = make(
        "multi_head_attention",
        width=size,
        heads=heads,
        key_width=k.weights["weight"].shape[1],
        value_width=v.weights["weight"].shape[1],
        bias=layer["bias"],
        causal=core.causal,
    )
    named = (("q", q.weights), ("k", k.weights), ("v", v.weights), ("out", out.weights))
    weights = {f"{letter}_{name}": held for letter, own in named for name, held in own.items()}
    order = [f"{letter}_{name}" for name in ("weight", "bias") for letter in "qkv"] + ["out_weight", "out_bias"]
    weights = {name: weights[name] for name in order if name in weights}
    return replace(out, layer=made, inputs=(q.input, k.input, v.input), weights=weights)


@dataclass(frozen=True)
class Core:
    """Queries, keys and values by heads; a scale of 0 is 1/√width."""

    sides: tuple[Value, ...]
    causal: bool
    scale: float


def _core(reader: Reader, value: Value) -> Core | None:
    """An attention, or one that is written out."""
    step = reader.back(value, "attention")
    if step is not None:
        plain = step.layer["mask"] == "none"
        return Core(step.inputs, bool(step.layer["causal"]), real(dict(step.layer.attributes), "scale")) if plain else None
    product = reader.back(value, "matmul")
    weights = product and reader.back(product.inputs[0], "softmax")
    scores = weights and reader.back(weights.inputs[0], "matmul")
    if not product or not weights or not scores or weights.layer["axis"] != -1:
        return None
    scaled, keys = reader.back(scores.inputs[0], "scale"), reader.back(scores.inputs[1], "permute")
    if scaled is None or keys is None or keys.layer["axes"] != (0, 2, 1) or scaled.layer["shift"] != 0:
        return None
    return Core((scaled.inputs[0], keys.inputs[0], product.inputs[1]), False, real(dict(scaled.layer.attributes), "factor"))


@dataclass(frozen=True)
class Projected:
    """A value and the linear map of it whose result is seen by heads."""

    input: Value
    weights: dict[str, Weight]


def _projected(reader: Reader, value: Value) -> Projected | None:
    turned = reader.back(value, "permute")
    apart = turned and reader.back(turned.inputs[0], "reshape")
    if not turned or not apart or turned.layer["axes"] != (1, 0, 2):
        return None
    part = reader.back(apart.inputs[0], "slice")
    if part is None:
        whole = reader.back(apart.inputs[0], "linear")
        return None if whole is None else Projected(whole.inputs[0], dict(whole.weights))
    if part.layer["axis"] != -1 or part.layer["step"] != 1:
        return None
    packed = reader.makers.get(part.inputs[0])
    if packed is None or packed.layer.operation != "linear":
        return None
    users = [step for step in reader.steps if part.inputs[0] in step.inputs]
    if reader.back(part.inputs[0], "linear", uses=len(users)) is None or any(u.layer.operation != "slice" for u in users):
        return None
    start, stop = (integer(dict(part.layer.attributes), name) for name in ("start", "stop"))
    rows: Callable[[Weight], Weight] = lambda weight: weight.rearranged(lambda places: places[start:stop])  # noqa: E731
    return Projected(packed.inputs[0], {name: rows(weight) for name, weight in packed.weights.items()})

"""Steps that are one layer when they are together: a sum of several terms, factor·x + shift, multi-head attention.

Only what one call of a module does by itself is joined: steps that were modules of their own stay nodes of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    core = _attention(reader, turned.inputs[0]) or _written_out(reader, turned.inputs[0])
    if core is None:
        return None
    size, (heads, _, width) = integer(dict(out.layer.attributes), "in"), turned.inputs[0].shape
    q, k, v = core.sides
    fits = (
        out.layer["out"] == size
        and isinstance(heads, int)
        and isinstance(width, int)
        and heads * width == size
        and all(side.weights["weight"].shape[0] == size for side in core.sides)
        and q.weights["weight"].shape[1] == size
        and all(("bias" in side.weights) is out.layer["bias"] for side in core.sides)
        and core.scale in (0.0, width**-0.5)
    )
    if not fits:
        return None
    widths = {"key_width": k.weights["weight"].shape[1], "value_width": v.weights["weight"].shape[1]}
    attributes = {"width": size, "heads": heads, "bias": out.layer["bias"], "causal": core.causal, **widths}
    named = {"q": q.weights, "k": k.weights, "v": v.weights, "out": out.weights}
    weights = {f"{letter}_{name}": own[name] for name in ("weight", "bias") for letter, own in named.items() if name in own}
    return replace(
        out, layer=make("multi_head_attention", **attributes), inputs=(q.input, k.input, v.input), weights=weights
    )


@dataclass(frozen=True)
class Projected:
    """A value, and the linear map of it whose result is seen by heads."""

    input: Value
    weights: dict[str, Weight]


@dataclass(frozen=True)
class Core:
    """Queries, keys and values before they are seen by heads; a scale of 0 is 1/√width."""

    sides: tuple[Projected, Projected, Projected]
    causal: bool
    scale: float


def _attention(reader: Reader, value: Value) -> Core | None:
    step = reader.back(value, "attention")
    if step is None or step.layer["mask"] != "none":
        return None
    q, k, v = (_by_heads(reader, side) for side in step.inputs)
    if q is None or k is None or v is None:
        return None
    return Core((q, k, v), bool(step.layer["causal"]), real(dict(step.layer.attributes), "scale"))


def _written_out(reader: Reader, value: Value) -> Core | None:
    """softmax(scaled queries times keys) times values."""
    product = reader.back(value, "matmul")
    weights = product and reader.back(product.inputs[0], "softmax")
    scores = weights and reader.back(weights.inputs[0], "matmul")
    if not product or not weights or not scores or weights.layer["axis"] != -1:
        return None
    turned = reader.back(scores.inputs[0], "permute")
    apart = turned and reader.back(turned.inputs[0], "reshape")
    scaled = apart and reader.back(apart.inputs[0], "scale")
    keys = reader.back(scores.inputs[1], "reshape")
    columns = keys and reader.back(keys.inputs[0], "permute")
    if not turned or not scaled or not columns:
        return None
    if turned.layer["axes"] != (1, 0, 2) or columns.layer["axes"] != (1, 0) or scaled.layer["shift"] != 0:
        return None
    q, k = _projected(reader, scaled.inputs[0]), _projected(reader, columns.inputs[0])
    v = _by_heads(reader, product.inputs[1])
    if q is None or k is None or v is None:
        return None
    return Core((q, k, v), False, real(dict(scaled.layer.attributes), "factor"))


def _by_heads(reader: Reader, value: Value) -> Projected | None:
    turned = reader.back(value, "permute")
    apart = turned and reader.back(turned.inputs[0], "reshape")
    if not turned or not apart or turned.layer["axes"] != (1, 0, 2):
        return None
    return _projected(reader, apart.inputs[0])


def _projected(reader: Reader, value: Value) -> Projected | None:
    """A linear map, or some rows of one that several share."""
    part = reader.back(value, "slice")
    if part is None:
        whole = reader.back(value, "linear")
        return None if whole is None else Projected(whole.inputs[0], dict(whole.weights))
    packed = part.inputs[0]
    users = [step for step in reader.steps if packed in step.inputs]
    whole = reader.back(packed, "linear", uses=len(users))
    if whole is None or any(step.layer.operation != "slice" for step in users):
        return None
    start, stop = (integer(dict(part.layer.attributes), name) for name in ("start", "stop"))
    if part.layer["axis"] != -1 or part.layer["step"] != 1:
        return None
    weights = {name: weight.rearranged(lambda places: places[start:stop]) for name, weight in whole.weights.items()}
    return Projected(whole.inputs[0], weights)

"""Norms, and dropout: the operators that say which mode they are in."""

from __future__ import annotations

from typing import Any

from bridge.port.arrangement import BATCH
from bridge.port.interpret import Arguments, Program
from bridge.port.operators.elementary import parameter, statistic
from bridge.port.sizes import product
from bridge.port.traced import Laid, Traced
from bridge.port.values import with_value
from bridge.port.weights import Weight

__all__ = ["OPERATORS", "dropped"]


def affine(t: Program, a: Arguments) -> dict[str, Weight]:
    """The weight and bias of a norm, both or neither."""
    t.require((a["weight"] is None) is (a["bias"] is None), "a weight and a bias, or neither", "one of them")
    return {} if a["weight"] is None else {name: parameter(t, a[name], f"the {name}") for name in ("weight", "bias")}


def statistics(t: Program, a: Arguments, flag: str) -> dict[str, Weight]:
    """The running statistics of a norm that reads them in test mode only, or none where it has none."""
    tracked = a["running_mean"] is not None
    wanted = (True, False) if tracked else (True, True)
    found = t.flag(flag, a[flag])
    if found != wanted:
        expected = "a norm over the batch in train mode, and by running statistics in test mode if it has them"
        t.refuse(expected, f"{flag} {found[0]} in train mode and {found[1]} in test mode")
    return {name: statistic(t, a[name], f"the {name}") for name in ("running_mean", "running_var")} if tracked else {}


def batch_norm(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.batch_norm`: axis 1 has the features, all others are averaged over."""
    x = t.laid(a["input"])
    if BATCH in x.arrangement.axes[1]:
        t.refuse_mixing(f"features that are samples, in {t.describe(x)}")
    held = affine(t, a)
    running = statistics(t, a, "training")
    t.require(isinstance(a["momentum"], float), "a fixed momentum", "the mean of all batches")
    order = [1, 0, *range(2, len(x.shape))]
    first = x if x.arrangement.is_batch_first else Laid(x.value, x.arrangement.permuted(order))
    first = t.settled(first)
    attributes = {
        "features": product([x.shape[1]]).number,
        "eps": a["eps"],
        "momentum": a["momentum"],
        "affine": bool(held),
        "track": bool(running),
    }
    value = t.one("batch_norm", [first.value], first.value.shape, {**held, **running}, **attributes)
    made = Laid(value, first.arrangement)
    return made if first is x or x.arrangement.is_batch_first else t.eager(Laid(value, first.arrangement.permuted(order)))


def instance_norm(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.instance_norm`."""
    x = t.laid(a["input"])
    value = t.batch_first(x, max(len(x.shape), 3), "an input (batch, features, …)")
    held, running = affine(t, a), statistics(t, a, "use_input_stats")
    attributes = {
        "features": value.shape[0],
        "eps": a["eps"],
        "momentum": a["momentum"],
        "affine": bool(held),
        "track": bool(running),
    }
    return t.fresh(t.one("instance_norm", [value], value.shape, {**held, **running}, **attributes))


def group_norm(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.group_norm`."""
    x = t.laid(a["input"])
    value, held = t.batch_first(x, len(x.shape), "an input (batch, features, …)"), affine(t, a)
    attributes = {"groups": a["num_groups"], "features": value.shape[0], "eps": a["eps"], "affine": bool(held)}
    return t.fresh(t.one("group_norm", [value], value.shape, held, **attributes))


def layer_norm(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.layer_norm` over the last axes."""
    x, shape = t.settled(t.laid(a["input"])), tuple(a["normalized_shape"])
    if any(BATCH in axis for axis in x.arrangement.axes[-len(shape) :]):
        t.refuse_mixing(f"a norm over the last {len(shape)} axes of {t.describe(x)}")
    both = (a["weight"] is None) is (a["bias"] is None)
    held = affine(t, a) if both else {}
    attributes = {"shape": shape, "eps": a["eps"], "affine": bool(held)}
    made = Laid(t.one("layer_norm", [x.value], x.value.shape, held, **attributes), x.arrangement)
    if both:
        return made
    by, name = ("add", "bias") if a["weight"] is None else ("multiply", "weight")
    return with_value(t, by, made, parameter(t, a[name], f"the {name}"))


def dropout(t: Program, a: Arguments) -> Traced:
    """`torch.nn.functional.dropout` in train mode only."""
    return dropped(t, a["input"], a["p"], t.flag("train", a["train"]))


def dropped(t: Program, x: Traced, p: float, modes: tuple[object, object]) -> Traced:
    """Dropout with the flag of each mode."""
    if modes == (False, False):
        return x
    found = f"one that is on in test mode ({modes[1]})"
    t.require(modes == (True, False), "a dropout in train mode", found)
    laid = t.settled(t.laid(x))
    return Laid(t.one("dropout", [laid.value], laid.value.shape, p=float(p)), laid.arrangement)


OPERATORS: dict[str, Any] = {
    "aten.batch_norm.default": batch_norm,
    "aten.instance_norm.default": instance_norm,
    "aten.group_norm.default": group_norm,
    "aten.layer_norm.default": layer_norm,
    "aten.dropout.default": dropout,
}

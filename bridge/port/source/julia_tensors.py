"""Parameters and buffers as Flux's layers have them: in which field, in which order."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from bridge.diagram.ir import Layer

__all__ = ["flux_field", "flux_order", "flux_tensors", "is_scaled_apart"]

NORMS = ("batch_norm", "instance_norm", "group_norm")

IN_NORM = {"weight": "γ", "bias": "β", "running_mean": "μ", "running_var": "σ²"}

BEHIND_NORM = {"weight": "2.scale", "bias": "2.bias", "running_mean": "1.μ", "running_var": "1.σ²"}


def is_scaled_apart(layer: Layer) -> bool:
    """Whether a layer that is at work more than once has its weights in a `Flux.Scale` behind it.

    Flux's norms are mutable structs, whose gradients Zygote counts wrongly then.
    """
    return layer.operation in NORMS and bool(layer["affine"])


def flux_field(layer: Layer, name: str, again: bool) -> str:
    """Where a member has a parameter or buffer, "" for one that is an array itself; `again`: it works more than once."""
    if layer.operation in NORMS:
        return (BEHIND_NORM if again and is_scaled_apart(layer) else IN_NORM)[name]
    if layer.operation == "multi_head_attention":
        side, _, kind = name.rpartition("_")
        return f"{side}_proj.{kind}"
    return "" if layer.operation in ("parameter", "constant") else name


def flux_order(layer: Layer, name: str, axes: int = 1) -> str:
    """How an array of Julia's has the numbers: with "torch's" axes, as a convolution's "kernel", else with "reversed" ones.

    One behind a norm has as many axes as the norm's input, `axes`, and so an order of its own.
    """
    if axes > 1 and is_scaled_apart(layer) and name in ("weight", "bias"):
        return f"{axes} axes"
    if layer.operation == "linear" or layer.operation == "multi_head_attention":
        return "torch's" if name.endswith("weight") else "reversed"
    return "kernel" if layer.operation.startswith("conv") and name == "weight" else "reversed"


def flux_tensors(layer: Layer, held: Mapping[str, Tensor], again: bool = False) -> dict[str, Tensor]:
    """A member's tensors by the names of Flux's fields, row-major with the axes of the Julia array reversed."""
    made = {}
    for name, x in held.items():
        order = flux_order(layer, name)
        if order == "torch's":
            x = x.t().contiguous()
        elif order == "kernel":  # Flux turns kernels around
            x = x.flip(tuple(range(2, x.dim()))).contiguous()
        made[flux_field(layer, name, again)] = x
    return made

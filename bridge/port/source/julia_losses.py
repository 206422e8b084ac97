"""Divergences in plain Flux."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.diagram.divergences import class_axis
from bridge.diagram.ir import Agreement, Space
from bridge.port.source.julia_layers import literal

__all__ = ["loss_text"]


def loss_text(
    agreement: Agreement, left: str, right: str, mask: str | None, spaces: tuple[Space, Space, Space | None]
) -> str:
    """An agreement's own loss, as an expression of its sides."""
    divergence, (one, two, _) = agreement.divergence, spaces
    klass = class_axis(divergence, one, f"agreement '{agreement.name}'")
    dims = 0 if klass is None else len(one.axes) - one.axes.index(klass)
    keywords = LOSSES[divergence.name][1](dict(divergence.attributes))
    if two.is_index:
        right = f"onehotbatch({right}, 0:{two.classes - 1})"
        if dims != 1:
            left, dims = f"classes_first({left}, {dims})", 1
    if divergence.name == "cross_entropy" and divergence["label_smoothing"]:
        wide = one.data_type.value == "float64"
        right = f"Flux.label_smoothing({right}, {literal(divergence['label_smoothing'], wide)}; dims={dims})"
    keywords += [f"dims={dims}"] if dims > 1 else []
    keywords += [] if mask is None else ["agg=identity"]
    text = f"{LOSSES[divergence.name][0]}({left}, {right}{'; ' if keywords else ''}{', '.join(keywords)})"
    return text if mask is None else f"masked_mean({text}, {mask})"


Keywords = Callable[[Mapping[str, Any]], list[str]]


def _info_nce(a: Mapping[str, Any]) -> list[str]:
    return [f"temperature={literal(a['temperature'])}", *(["symmetric=true"] if a["symmetric"] else [])]


LOSSES: Mapping[str, tuple[str, Keywords]] = {
    "mse": ("Flux.mse", lambda a: []),
    "mae": ("Flux.mae", lambda a: []),
    "huber": ("Flux.huber_loss", lambda a: [f"delta={literal(a['delta'])}"]),
    "cross_entropy": ("Flux.logitcrossentropy", lambda a: []),
    "binary_cross_entropy": ("Flux.logitbinarycrossentropy", lambda a: []),
    "kl": ("divergence", lambda a: [] if a["temperature"] == 1 else [f"temperature={literal(a['temperature'])}"]),
    "cosine": ("cosine", lambda a: []),
    "info_nce": ("info_nce", _info_nce),
}

"""How a family of layers says what torch computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from bridge.diagram.ir import Layer

__all__ = ["Function", "LayerMode", "Maker", "always", "with_attributes"]

Function = Callable[..., Any]
Maker = Callable[[Layer], Function]
"""Makes the function of a layer, whose attributes are sound."""


class LayerMode(NamedTuple):
    """How a layer runs: in train mode or not, and what it draws from (semantics.md, "Freeze, detach, mode, chance").

    `seed` is the call's, `application` tells the applications of a diagram apart, `layer` the nodes of a graph.
    """

    train: bool
    seed: int = 0
    application: int = 0
    layer: int = 0


def always(function: Function) -> Maker:
    """One function, whatever the attributes."""
    return lambda layer: function


def with_attributes(function: Function, **names: str) -> Maker:
    """`function` with keyword arguments taken from attributes."""
    return lambda layer: partial(function, **{keyword: layer[name] for keyword, name in names.items()})

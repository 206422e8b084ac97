"""ATen operators as portable layers: one function each, by the name of its overload."""

from __future__ import annotations

from bridge.port.interpret import Operator
from bridge.port.operators import (
    arithmetic,
    attention,
    composed,
    concatenation,
    convolution,
    einsum,
    elementary,
    indexing,
    normalization,
    patches,
    pooling,
    recurrent,
    shaping,
)

__all__ = ["OPERATORS"]

OPERATORS: dict[str, Operator] = {
    **elementary.OPERATORS,
    **arithmetic.OPERATORS,
    **shaping.OPERATORS,
    **indexing.OPERATORS,
    **patches.OPERATORS,
    **concatenation.OPERATORS,
    **convolution.OPERATORS,
    **pooling.OPERATORS,
    **normalization.OPERATORS,
    **recurrent.OPERATORS,
    **composed.OPERATORS,
    **einsum.OPERATORS,
    **attention.OPERATORS,
}

"""Attention: rows, and the functions that write them. In masks, true is what takes part."""

from __future__ import annotations

import math

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, one_of
from bridge.diagram.ir import Layer
from bridge.diagram.messages import shape_text
from bridge.errors import DiagramError
from bridge.layers.definition import (
    FLOAT,
    MASK,
    SIZE,
    Constant,
    Initial,
    InputKind,
    LayerDefinition,
    Parameter,
    Shape,
    Uniform,
    Values,
    integer,
    mismatch,
)
from bridge.layers.make import make

__all__ = ["ROWS", "attention", "multi_head_attention"]


def attention(*, causal: bool = False, mask: str = "none", scale: float = 0.0) -> Layer:
    """softmax(scale · q kᵀ) v of q (…, T, D), k (…, S, D) and v (…, S, E): (…, T, E).

    The scale 0 stands for 1/√D (torch's scaled_dot_product_attention). A query sees no key after it if `causal`, and with
    the mask "boolean", a fourth input (T, S) or (…, T, S), only those that are true. One that sees none has zeros.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(attention()), ((8, "n", 4), (8, 5, 4), (8, 5, 6)), "component 'look'")
    ((8, 'n', 6),)
    """
    return make("attention", causal=causal, mask=mask, scale=scale)


def multi_head_attention(
    width: int,
    heads: int,
    *,
    key_width: int | None = None,
    value_width: int | None = None,
    bias: bool = True,
    causal: bool = False,
    key_mask: bool = False,
    mask: bool = False,
    init: str = "xavier_uniform",
) -> Layer:
    """Attention by parts of the width over projections of query, key and value, projected (torch.nn.MultiheadAttention).

    Of query (T, width), key (S, key_width) and value (S, value_width) it makes (T, width). Then come `key_mask` (S,) and
    `mask` (T, S), where they are asked for; a query that sees no key gets zeros from the heads. The initial values are
    torch's, or "zeros".
    """
    return make(
        "multi_head_attention",
        width=width,
        heads=heads,
        key_width=width if key_width is None else key_width,
        value_width=width if value_width is None else value_width,
        bias=bias,
        causal=causal,
        key_mask=key_mask,
        mask=mask,
        init=init,
    )


def attention_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(…, T, D), (…, S, D), (…, S, E) and perhaps a mask to (…, T, E)."""
    query, key, value, *masks = inputs
    if len(query) < 2:
        raise mismatch(where, "a query with two or more axes", query)
    leading, steps, width = query[:-2], query[-2], query[-1]
    if len(key) != len(query) or key[:-2] != leading or key[-1] != width:
        raise mismatch(where, f"a key of shape {shape_text(query)}, but for axis -2", key)
    if len(value) != len(query) or value[:-1] != key[:-1]:
        raise mismatch(where, f"a value of shape {shape_text(key)}, but for axis -1", value)
    for mask in masks:
        if mask not in ((steps, key[-2]), (*leading, steps, key[-2])):
            raise mismatch(where, f"a mask of shape {shape_text((*leading, steps, key[-2]))}", mask)
    return ((*query[:-1], value[-1]),)


def attention_kinds(values: Values) -> tuple[InputKind, ...]:
    """Query, key, value and perhaps a mask."""
    return (FLOAT, FLOAT, FLOAT, *[MASK] * (values["mask"] == "boolean"))


def check_heads(where: str, values: Values) -> None:
    """Each head has an equal part of the width."""
    width, heads = integer(values, "width"), integer(values, "heads")
    if width % heads:
        raise DiagramError(where, f"a width that is a multiple of {heads} heads", f"{width}", "layer")


def multi_head_kinds(values: Values) -> tuple[InputKind, ...]:
    """Query, key, value and the masks that are asked for."""
    return (FLOAT, FLOAT, FLOAT, *[MASK] * (bool(values["key_mask"]) + bool(values["mask"])))


def multi_head_shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape]:
    """(T, width), (S, key_width), (S, value_width) and perhaps masks to (T, width)."""
    query, key, value, *masks = inputs
    for name, shape, width in (("query", query, "width"), ("key", key, "key_width"), ("value", value, "value_width")):
        if len(shape) != 2 or shape[1] != values[width]:
            raise mismatch(where, f"a {name} of two axes, the last of size {values[width]}", shape)
    if value[0] != key[0]:
        raise mismatch(where, f"a value with the first axis of the key, {shape_text(key)}", value)
    expected = [shape for name, shape in (("key_mask", key[:1]), ("mask", (query[0], key[0]))) if values[name]]
    for mask, shape in zip(masks, expected, strict=True):
        if mask != shape:
            raise mismatch(where, f"a mask of shape {shape_text(shape)}", mask)
    return (query,)


def multi_head_parameters(values: Values) -> tuple[Parameter, ...]:
    """Those of the projections. torch draws the first three as one matrix where all widths are equal."""
    width = integer(values, "width")
    widths = {"q": width, "k": integer(values, "key_width"), "v": integer(values, "value_width")}
    packed = set(widths.values()) == {width}

    def initial(rows: int, inputs: int, gain: float) -> Initial:
        if values["init"] == "zeros":
            return Constant(0.0)
        return Uniform(gain / math.sqrt(rows + inputs))

    weights = [
        Parameter(f"{name}_weight", (width, size), initial(3 * width if packed else width, size, math.sqrt(6)))
        for name, size in widths.items()
    ]
    biases = [Parameter(f"{name}_bias", (width,), Constant(0.0)) for name in widths] if values["bias"] else []
    # torch.nn.Linear's: ±1/√width
    last = [Parameter("out_weight", (width, width), initial(0, width, 1.0))]
    if values["bias"]:
        last.append(Parameter("out_bias", (width,), Constant(0.0)))
    return (*weights, *biases, *last)


SIZES = ("width", "heads", "key_width", "value_width")

ROWS = (
    LayerDefinition(
        "attention",
        attention_shapes,
        (
            AttributeDefinition("causal", AttributeKind.BOOLEAN, False),
            AttributeDefinition("mask", AttributeKind.TEXT, "none", one_of("none", "boolean")),
            AttributeDefinition("scale", AttributeKind.REAL, 0.0),
        ),
        kinds=attention_kinds,
    ),
    LayerDefinition(
        "multi_head_attention",
        multi_head_shapes,
        (
            *(AttributeDefinition(name, AttributeKind.INTEGER, None, SIZE) for name in SIZES),
            AttributeDefinition("bias", AttributeKind.BOOLEAN, True),
            *(AttributeDefinition(name, AttributeKind.BOOLEAN, False) for name in ("causal", "key_mask", "mask")),
            AttributeDefinition("init", AttributeKind.TEXT, "xavier_uniform", one_of("xavier_uniform", "zeros")),
        ),
        multi_head_parameters,
        kinds=multi_head_kinds,
        check=check_heads,
    ),
)

"""Recurrent layers: rows, and the functions that write them. A node is one layer in one direction.

More layers are more nodes; both directions are two nodes, the second with `reverse`, and a `concat`. A sequence of length
n uses its first n steps (torch's packed sequences): the steps after it give zeros and leave the state as it is, and in
reverse it begins with step n. Gates are in torch's order.
"""

from __future__ import annotations

import math

from bridge.diagram.attributes import AttributeDefinition, AttributeKind, Constraint, one_of
from bridge.diagram.ir import Layer
from bridge.layers.definition import (
    FLOAT,
    LENGTH,
    SIZE,
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

__all__ = ["ROWS", "gru", "lstm", "rnn"]


def rnn(
    inputs: int,
    hidden: int,
    *,
    nonlinearity: str = "tanh",
    biases: int = 2,
    reverse: bool = False,
    lengths: bool = False,
    initial: bool = False,
) -> Layer:
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh), or "relu" in its place (torch.nn.RNN).

    Of (T, inputs), with `lengths` the length of each sequence (a scalar int32 or int64 space), and with `initial` the state
    before it, (hidden,), it makes the states (T, hidden) and the last one, (hidden,). `biases` is 2 (torch's), 1 (b_ih
    alone) or 0.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(rnn(3, 5, lengths=True)), (("time", 3), ()), "component 'reader'")
    (('time', 5), (5,))
    """
    return make(
        "rnn",
        nonlinearity=nonlinearity,
        **{"in": inputs},
        hidden=hidden,
        biases=biases,
        reverse=reverse,
        lengths=lengths,
        initial=initial,
    )


def gru(
    inputs: int, hidden: int, *, biases: int = 2, reverse: bool = False, lengths: bool = False, initial: bool = False
) -> Layer:
    """h = (1 − z)·n + z·h with r, z = σ(W_ih x + b_ih + W_hh h + b_hh) and n = tanh(W_ih x + b_ih + r·(W_hh h + b_hh)).

    That is torch.nn.GRU, with rows in the order r, z, n. Inputs, outputs and attributes are those of `rnn`.
    """
    return make(
        "gru", **{"in": inputs}, hidden=hidden, biases=biases, reverse=reverse, lengths=lengths, initial=initial
    )


def lstm(
    inputs: int, hidden: int, *, biases: int = 2, reverse: bool = False, lengths: bool = False, initial: bool = False
) -> Layer:
    """c = f·c + i·g and h = o·tanh(c), with i, f, o = σ(…) and g = tanh(…) of W_ih x + b_ih + W_hh h + b_hh.

    That is torch.nn.LSTM, with rows in the order i, f, g, o. Inputs, outputs and attributes are those of `rnn`, but with
    `initial` the cell, (hidden,), follows the state, and the last cell follows the last state.

    >>> from bridge.layers.build import as_graph
    >>> from bridge.layers.graph import infer_shapes
    >>> infer_shapes(as_graph(lstm(3, 5)), ((7, 3),), "component 'reader'")
    ((7, 5), (5,), (5,))
    """
    return make(
        "lstm", **{"in": inputs}, hidden=hidden, biases=biases, reverse=reverse, lengths=lengths, initial=initial
    )


def row(operation: str, gates: int, states: int, *attributes: AttributeDefinition) -> LayerDefinition:
    """A row of a layer that computes `gates` times its hidden size in a step, and whose state is so many vectors."""

    def shapes(where: str, values: Values, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        x, state = inputs[0], (integer(values, "hidden"),)
        if len(x) != 2 or x[1] != values["in"]:
            raise mismatch(where, f"an input of two axes, the last of size {values['in']}", x)
        expected = [()] * bool(values["lengths"]) + [state] * (states * bool(values["initial"]))
        for kind, shape in zip(kinds(values)[1:], inputs[1:], strict=True):
            if shape != expected.pop(0):
                text = "a length without axes" if kind is LENGTH else f"an initial state of size {state[0]}"
                raise mismatch(where, text, shape)
        return ((x[0], *state), *[state] * states)

    def parameters(values: Values) -> tuple[Parameter, ...]:
        inputs, hidden = integer(values, "in"), integer(values, "hidden")
        initial, rows = Uniform(1 / math.sqrt(hidden)), gates * hidden
        shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
        count = 2 + integer(values, "biases")
        return tuple(Parameter(name, shape, initial) for name, shape in shapes.items())[:count]

    def kinds(values: Values) -> tuple[InputKind, ...]:
        return (FLOAT, *[LENGTH] * bool(values["lengths"]), *[FLOAT] * (states * bool(values["initial"])))

    return LayerDefinition(
        operation, shapes, attributes + ATTRIBUTES, parameters, kinds=kinds, outputs=lambda values: 1 + states
    )


BIASES = Constraint("0, 1 or 2", lambda value: value in (0, 1, 2))

ATTRIBUTES = (
    AttributeDefinition("in", AttributeKind.INTEGER, None, SIZE),
    AttributeDefinition("hidden", AttributeKind.INTEGER, None, SIZE),
    AttributeDefinition("biases", AttributeKind.INTEGER, 2, BIASES),
    AttributeDefinition("reverse", AttributeKind.BOOLEAN, False),
    AttributeDefinition("lengths", AttributeKind.BOOLEAN, False),
    AttributeDefinition("initial", AttributeKind.BOOLEAN, False),
)

ROWS = (
    row("rnn", 1, 1, AttributeDefinition("nonlinearity", AttributeKind.TEXT, "tanh", one_of("tanh", "relu"))),
    row("gru", 3, 1),
    row("lstm", 4, 2),
)

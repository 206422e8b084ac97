"""Recurrent layers: each layer and direction of torch's is a node of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.port.arrangement import BATCH
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import number_of
from bridge.port.operators.elementary import elementwise, parameter
from bridge.port.operators.normalization import dropped
from bridge.port.operators.shaping import places
from bridge.port.sketch import Value
from bridge.port.traced import Laid, Stacked, Traced

__all__ = ["OPERATORS"]

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def recurrent(operation: str, **settings: object) -> Operator:
    """`torch.lstm` and its like, with the arguments of their overload `input`."""
    states = 2 if operation == "lstm" else 1

    def ported(t: Program, a: Arguments) -> Any:
        count, directions = int(a["num_layers"]), 2 if a["bidirectional"] else 1
        given = [places(t, state, 0) for state in (a["hx"] if states == 2 else [a["hx"]])]
        held = [parameter(t, x, "each weight") for x in a["params"]]
        each = 4 if a["has_biases"] else 2
        t.require(len(held) == each * count * directions, f"{each} parameters a layer", len(held))
        x, ends = _steps(t, t.laid(a["input"]), bool(a["batch_first"])), []
        for number in range(count):
            outputs = []
            for direction in range(directions):
                place = number * directions + direction
                weights = dict(zip(NAMES, held[each * place : each * (place + 1)], strict=False))
                starts = _initial(t, [state[place] for state in given])
                hidden = weights["weight_hh"].shape[1]
                attributes = {
                    "in": weights["weight_ih"].shape[1],
                    "hidden": hidden,
                    "biases": 2 if a["has_biases"] else 0,
                    "reverse": direction == 1,
                    "lengths": False,
                    "initial": bool(starts),
                    **settings,
                }
                shapes = [(x.shape[0], hidden), *[(hidden,)] * states]
                with t.labelled(f"{number}" + ":reverse" * direction):
                    sequence, *last = t.emit(operation, [x, *starts], shapes, weights, **attributes)
                outputs.append(sequence)
                ends.append([t.fresh(value) for value in last])
            with t.labelled(f"{number}:both"):
                x = t.concat(outputs, 1)
            if number < count - 1 and a["dropout"] > 0:
                with t.labelled(f"{number}:dropout"):
                    x = t.laid(dropped(t, t.fresh(x), a["dropout"], t.flag("train", a["train"]))).value
        stacks = [Stacked(tuple(end[state] for end in ends), 0) for state in range(states)]
        return [_sequence(t, x, bool(a["batch_first"])), *stacks]

    return ported


def _steps(t: Program, x: Laid, batch_first: bool) -> Value:
    """The value (steps, width) of an input (batch, steps, width), or (steps, batch, width)."""
    t.require(len(x.shape) == 3, "an input (batch, steps, width) or (steps, batch, width)", t.describe(x))
    if x.arrangement.axes[0 if batch_first else 1] != (BATCH,):
        t.refuse_mixing(f"steps over the batch axis of {t.describe(x)}, with batch_first={batch_first}")
    return t.settled(x).value


def _sequence(t: Program, x: Value, batch_first: bool) -> Laid:
    laid = t.fresh(x)
    return laid if batch_first else Laid(x, laid.arrangement.permuted((1, 0, 2)))


def _initial(t: Program, states: Sequence[Traced]) -> list[Value]:
    """The initial states, none where all are zeros."""
    if all(number_of(state) == 0 for state in states):
        return []
    found = [None if number_of(state) == 0 else _state(t, state) for state in states]
    some = next(value for value in found if value is not None)
    return [t.laid(elementwise(t, t.fresh(some), "scale", factor=0.0)).value if value is None else value for value in found]


def _state(t: Program, state: Traced) -> Value:
    return t.batch_first(t.laid(state, "each initial state"), 2, "an initial state (batch, hidden)")


OPERATORS: dict[str, Operator] = {
    "aten.lstm.input": recurrent("lstm"),
    "aten.gru.input": recurrent("gru"),
    "aten.rnn_tanh.input": recurrent("rnn", nonlinearity="tanh"),
    "aten.rnn_relu.input": recurrent("rnn", nonlinearity="relu"),
}

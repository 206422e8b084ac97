"""Recurrent layers: each layer and direction of torch's is a node of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.port.arrangement import BATCH
from bridge.port.interpret import Arguments, Operator, Program
from bridge.port.operators.arithmetic import number_of
from bridge.port.operators.elementary import elementwise, parameter
from bridge.port.operators.indexing import flipped, places
from bridge.port.operators.normalization import dropped
from bridge.port.sketch import Value
from bridge.port.traced import Flipped, Laid, Stacked, Traced

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
        steps = 1 if a["batch_first"] else 0
        turned = isinstance(a["input"], Flipped) and a["input"].axes == {steps}
        x, ends = _steps(t, a["input"].laid if turned else t.laid(a["input"]), bool(a["batch_first"])), []
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
                    "reverse": (direction == 1) is not turned,
                    "lengths": False,
                    "initial": bool(starts),
                    **settings,
                }
                shapes = [(x.shape[0], hidden), *[(hidden,)] * states]
                with t.labelled(f"{number}" + ":reverse" * direction):
                    whole, *last = t.emit(operation, [x, *starts], shapes, weights, **attributes)
                outputs.append(whole)
                ends.append([t.fresh(value) for value in last])
            with t.labelled(f"{number}:both"):
                x = t.concat(outputs, 1)
            if number < count - 1 and a["dropout"] > 0:
                with t.labelled(f"{number}:dropout"):
                    x = t.laid(dropped(t, t.fresh(x), a["dropout"], t.flag("train", a["train"]))).value
        stacks = [Stacked(tuple(end[state] for end in ends), 0) for state in range(states)]
        sequence = _sequence(t, x, bool(a["batch_first"]))
        return [flipped(t, sequence, frozenset({steps})) if turned else sequence, *stacks]

    return ported


def cell(operation: str, **settings: object) -> Operator:
    """One step of `torch.lstm` and its like: a layer on a sequence of one step."""
    states = 2 if operation == "lstm" else 1

    def ported(t: Program, a: Arguments) -> Any:
        held = [a[name] for name in ("w_ih", "w_hh", "b_ih", "b_hh") if a[name] is not None]
        weights = {name: parameter(t, x, "each weight") for name, x in zip(NAMES, held, strict=False)}
        x = t.batch_first(t.laid(a["input"]), 2, "an input (batch, width)")
        starts = _initial(t, a["hx"] if states == 2 else [a["hx"]])
        hidden = weights["weight_hh"].shape[1]
        attributes = {
            "in": weights["weight_ih"].shape[1],
            "hidden": hidden,
            "biases": 2 if len(held) == 4 else 0,
            "reverse": False,
            "lengths": False,
            "initial": bool(starts),
            **settings,
        }
        step = t.reshape(x, (1, *x.shape))
        _, *last = t.emit(operation, [step, *starts], [(1, hidden), *[(hidden,)] * states], weights, **attributes)
        ends = [t.fresh(value) for value in last]
        return ends if states == 2 else ends[0]

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
    "aten.lstm_cell.default": cell("lstm"),
    "aten.gru_cell.default": cell("gru"),
    "aten.rnn_tanh_cell.default": cell("rnn", nonlinearity="tanh"),
    "aten.rnn_relu_cell.default": cell("rnn", nonlinearity="relu"),
    "aten.lstm.input": recurrent("lstm"),
    "aten.gru.input": recurrent("gru"),
    "aten.rnn_tanh.input": recurrent("rnn", nonlinearity="tanh"),
    "aten.rnn_relu.input": recurrent("rnn", nonlinearity="relu"),
}

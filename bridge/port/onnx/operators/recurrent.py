"""LSTM, GRU and RNN: ONNX packs the directions, and has the gates in other orders than PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import Tensor

from bridge.errors import PortError
from bridge.port.onnx.file import Array, Call
from bridge.port.onnx.operators.applied import Applied

__all__ = ["GATES", "OPERATORS", "by_direction"]

GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Which of ONNX's gates (i o f c; z r h) each of torch's is (i f g o; r z n)."""
ACTIVATIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def by_direction(call: Call, arrays: dict[str, Array]) -> Call:
    """The call with its weights as torch has them, which are put among the arrays: W, R and two biases a direction.

    Its inputs are then x, the initial states, and these.
    """
    x, *packed = call.inputs[:4]
    lengths, h, c, peepholes = (*call.inputs[4:], "", "", "", "")[:4]
    for name, what in ((lengths, "sequences of one length"), (peepholes, "no peepholes")):
        if name:
            raise PortError(call.element, what, f"{name!r}")
    order, held = GATES[call.operator], []
    found = [arrays.get(name) for name in packed if name]
    if any(array is None for array in found) or len(found) < 2:
        raise PortError(call.element, "weights that are constants", "computed ones")
    weights = [array for array in found if array is not None]
    for direction in range(len(weights[0])):
        parts = [weights[0][direction], weights[1][direction]]
        if len(weights) == 3:
            parts += numpy.split(weights[2][direction], 2)
        names = [*packed[:2], f"{packed[-1]}:input", f"{packed[-1]}:hidden"]
        for name, part in zip(names, parts, strict=False):
            gates = numpy.split(part, len(order))
            own = f"{name}[{direction}]"
            if own not in arrays:
                arrays[own] = numpy.concatenate([gates[gate] for gate in order])
            held.append(own)
    return replace(call, inputs=(x, h, c, *held))


def recurrent(a: Applied, x: Any, h: Any, c: Any, *weights: Tensor) -> list[Tensor]:
    """The sequence (steps, directions, batch, hidden), and the last states (directions, batch, hidden)."""
    operator, direction = a.call.operator, a.get("direction", "forward")
    a.require(direction in ("forward", "bidirectional"), "forward or both directions", direction)
    both = direction == "bidirectional"
    batch_first = bool(a.get("layout", 0))
    kinds = a.get("activations", ACTIVATIONS[operator] * (1 + both))
    own = kinds[: len(kinds) // (1 + both)]
    usual = kinds == own * (1 + both) and (own == ACTIVATIONS[operator] or (operator == "RNN" and own == ["Relu"]))
    a.require(usual, f"activations {ACTIVATIONS[operator]}", kinds)
    odd = [name for name in ("clip", "input_forget", "activation_alpha", "activation_beta") if a.get(name)]
    a.require(not odd, "no other settings", ", ".join(odd))
    a.require(operator != "GRU" or a.get("linear_before_reset", 0) == 1, "linear_before_reset=1", 0)
    hidden = weights[1].shape[1]
    samples = a.variable(x).shape[0 if batch_first else 1]
    given, shape = [h, c] if operator == "LSTM" else [h], (1 + both, samples, hidden)
    states = [_state(a, state, x, shape, batch_first) for state in given]
    has_biases = len(weights) == 4 * (1 + both)
    rest = (list(weights), has_biases, 1, 0.0, a.training, both, batch_first)
    plain = torch.rnn_relu if own == ["Relu"] else torch.rnn_tanh
    function: Any = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN": plain}[operator]
    sequence, *last = function(x, states if operator == "LSTM" else states[0], *rest)
    apart = sequence.reshape(sequence.shape[0], sequence.shape[1], 1 + both, hidden)
    if batch_first:
        return [apart, *(state.transpose(0, 1) for state in last)]
    return [apart.permute(0, 2, 1, 3), *last]


def _state(a: Applied, state: Any, x: Tensor, shape: tuple[int, int, int], batch_first: bool) -> Tensor:
    if state is None or (isinstance(state, numpy.ndarray) and not state.any()):
        return x.new_zeros(shape)
    found = a.variable(state, "an initial state")
    return found.transpose(0, 1) if batch_first else found


OPERATORS: dict[str, Callable[..., Any]] = {"LSTM": recurrent, "GRU": recurrent, "RNN": recurrent}

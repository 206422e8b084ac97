"""Recurrent layers in torch: its own kernels, on packed sequences where there are lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from bridge.diagram.ir import Layer
from bridge.errors import BatchError
from bridge.layers.definition import integer
from bridge.torch.layers.maker import Function, Maker

__all__ = ["FUNCTIONS"]

Kernel = Callable[..., Any]
States = tuple[Tensor, ...]


def _recurrent(kernel: Callable[[Layer], Kernel], states: int) -> Maker:
    """A layer of so many states; `kernel` gives the outputs and then the last states, for padded and for packed input."""

    def make(layer: Layer) -> Function:
        hidden, biases = integer(dict(layer.attributes), "hidden"), layer["biases"]
        reverse, has_lengths, has_initial = (bool(layer[name]) for name in ("reverse", "lengths", "initial"))
        compute = kernel(layer)

        def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
            lengths, rest = (rest[0], rest[1:]) if has_lengths else (None, rest)
            initial, parameters = (rest[:states], rest[states:]) if has_initial else (None, rest)
            if initial is None:
                initial = (x.new_zeros(x.shape[0], hidden),) * states
            if lengths is not None:
                check_lengths(layer.operation, lengths, x.shape[1])
            if x.shape[0] == 0 or x.shape[1] == 0:
                return x.new_zeros(x.shape[0], x.shape[1], hidden), *initial
            if biases == 1:
                parameters = (*parameters, torch.zeros_like(parameters[2]))
            run_padded = (compute, parameters, bool(biases))
            if lengths is not None:
                return _with_lengths(*run_padded, x, lengths, initial, reverse)
            sequence, *last = _padded(*run_padded, x.flip(1) if reverse else x, initial)
            return (sequence.flip(1) if reverse else sequence, *last)

        return run

    return make


def check_lengths(operation: str, lengths: Tensor, steps: int) -> None:
    """Refuse lengths that are not those of sequences of so many steps."""
    wrong = lengths[(lengths < 0) | (lengths > steps)]
    if wrong.numel():
        raise BatchError(f"layer '{operation}', lengths", f"numbers from 0 to {steps}", f"{int(wrong[0])}")


def _padded(
    compute: Kernel, parameters: Sequence[Tensor], has_biases: bool, x: Tensor, initial: Sequence[Tensor]
) -> States:
    states = [state.unsqueeze(0) for state in initial]
    hidden = states if len(states) > 1 else states[0]
    sequence, *last = compute(x, hidden, parameters, has_biases, 1, 0.0, True, False, True)
    return (sequence, *(state.squeeze(0) for state in last))


def _with_lengths(
    compute: Kernel,
    parameters: Sequence[Tensor],
    has_biases: bool,
    x: Tensor,
    lengths: Tensor,
    initial: Sequence[Tensor],
    reverse: bool,
) -> States:
    """torch packs no empty sequence: those are taken to have one step, whose results are replaced."""
    steps = torch.arange(x.shape[1], device=x.device)
    lengths = lengths.long().unsqueeze(1)
    # The place that each step is read from, and written to: the first ones of a sequence in turn, or turned round.
    places = torch.where(steps < lengths, lengths - 1 - steps, steps) if reverse else None
    if places is not None:
        x = x.gather(1, places.unsqueeze(2).expand_as(x))
    packed = pack_padded_sequence(x, lengths[:, 0].clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None and back is not None
    states = [state.index_select(0, order).unsqueeze(0) for state in initial]
    hidden = states if len(states) > 1 else states[0]
    data, *last = compute(packed.data, packed.batch_sizes, hidden, parameters, has_biases, 1, 0.0, True, False)
    sequence, _ = pad_packed_sequence(
        PackedSequence(data, packed.batch_sizes, order, back), batch_first=True, total_length=x.shape[1]
    )
    if places is not None:
        sequence = sequence.gather(1, places.unsqueeze(2).expand_as(sequence))
    sequence = sequence.where((lengths > 0).unsqueeze(2), 0.0)
    ends = [state.squeeze(0).index_select(0, back) for state in last]
    return (sequence, *(end.where(lengths > 0, start) for end, start in zip(ends, initial, strict=True)))


FUNCTIONS: dict[str, Maker] = {
    "rnn": _recurrent(lambda layer: torch.rnn_relu if layer["nonlinearity"] == "relu" else torch.rnn_tanh, 1),
    "gru": _recurrent(lambda layer: torch.gru, 1),
    "lstm": _recurrent(lambda layer: torch.lstm, 2),
}

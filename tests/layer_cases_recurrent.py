"""Recurrent layers in torch's words: its modules, on packed sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from layer_cases import Call, Case, Cases, Input, sizes
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bridge import layers
from bridge.diagram.ir import Layer


def recurrent(
    make: Callable[..., Layer], module: Callable[..., nn.RNNBase], states: int, *nonlinearities: str
) -> Cases:
    @st.composite
    def cases(draw: st.DrawFn, samples: int) -> Case:
        steps, inputs, hidden, biases = draw(sizes), draw(sizes), draw(sizes), draw(st.integers(0, 2))
        reverse, lengths, initial = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
        kind = {"nonlinearity": draw(st.sampled_from(nonlinearities))} if nonlinearities else {}
        layer = make(inputs, hidden, biases=biases, reverse=reverse, lengths=lengths, initial=initial, **kind)
        # Of both directions of torch's module, the second is the reverse one.
        twin = module(inputs, hidden, bias=biases > 0, batch_first=True, bidirectional=reverse, **kind).double()
        given = [Input((steps, inputs)), *[Input((), "length", steps)] * lengths, *[Input((hidden,))] * (states * initial)]

        def reference(call: Call) -> tuple[Tensor, ...]:
            x, *rest = call.inputs
            each = [int(n) for n in rest[0]] if lengths else [steps] * len(x)
            start = rest[lengths:] if initial else [x.new_zeros(len(x), hidden)] * states
            made = [one(call, x[k, :n], [s[k] for s in start]) for k, n in enumerate(each)]
            return tuple(torch.stack(values) for values in zip(*made, strict=True))

        def one(call: Call, x: Tensor, start: list[Tensor]) -> tuple[Tensor, ...]:
            """A sequence by itself. torch takes none that is empty."""
            if len(x) == 0:
                return x.new_zeros(steps, hidden), *start
            weights = {f"{name}_l0{'_reverse' * reverse}": value for name, value in call.parameters.items()}
            if biases == 1:
                weights[f"bias_hh_l0{'_reverse' * reverse}"] = torch.zeros_like(call.parameters["bias_ih"])
            both = [torch.stack([s] * (1 + reverse)).unsqueeze(1) for s in start]
            packed = pack_padded_sequence(x.unsqueeze(0), torch.tensor([len(x)]), batch_first=True)
            out, last = functional_call(twin, weights, (packed, tuple(both) if states > 1 else both[0]))
            sequence = pad_packed_sequence(out, batch_first=True, total_length=steps)[0][0, :, -hidden:]
            return sequence, *(s[-1, 0] for s in (last if states > 1 else (last,)))

        return Case(layer, tuple(given), reference)

    return cases


def rnn(*arguments: Any, **options: Any) -> nn.RNNBase:
    return nn.RNN(*arguments, **options)


CASES: dict[str, Cases] = {
    "rnn": recurrent(layers.rnn, rnn, 1, "tanh", "relu"),
    "gru": recurrent(layers.gru, nn.GRU, 1),
    "lstm": recurrent(layers.lstm, nn.LSTM, 2),
}

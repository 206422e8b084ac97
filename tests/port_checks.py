"""Whether a ported module is the same function, and comes back from its layers as it was."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from bridge import port


def outputs(made: Any) -> list[Tensor]:
    return list(made) if isinstance(made, (tuple, list)) else [made]


def gradients(module: nn.Module, inputs: list[Tensor]) -> tuple[list[Tensor], dict[str, Tensor], list[Tensor]]:
    """Outputs, gradients of the parameters by name, and of the float inputs, of a sum that tells all outputs apart."""
    module.zero_grad()
    given = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    made = outputs(module(*given))
    total = sum((y.sin() * torch.arange(1, y.numel() + 1, dtype=y.dtype).view(y.shape).cos()).sum() for y in made)
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()
    return (
        [y.detach() for y in made],
        {name: p.grad for name, p in module.named_parameters() if p.grad is not None},
        [x.grad for x in given if x.is_floating_point() and x.grad is not None],
    )


def assert_same_function(module: nn.Module, ported: port.Ported, inputs: list[Tensor], tolerance: float = 1e-9) -> None:
    """In train mode, with gradients and running statistics, and in test mode."""
    mine, made = copy.deepcopy(module).train(), ported.module().train()
    values, weights, given = gradients(mine, inputs)
    ported_values, ported_weights, ported_given = gradients(made, inputs)
    for one, two in zip([*values, *given], [*ported_values, *ported_given], strict=True):
        torch.testing.assert_close(two, one, rtol=tolerance, atol=tolerance)
    for path, source in ported.sources.items():
        if path in ported_weights:
            own = weights[source.name] if source.places is None else weights[source.name].flatten()[source.places]
            torch.testing.assert_close(ported_weights[path], own, rtol=tolerance, atol=tolerance)
    found, wanted = made.state_dict(), mine.state_dict()
    for path, source in ported.sources.items():
        if source.places is None and source.name in wanted and source.tensor.shape == wanted[source.name].shape:
            torch.testing.assert_close(found[path], wanted[source.name], rtol=tolerance, atol=tolerance)
    with torch.no_grad():
        for one, two in zip(outputs(mine.eval()(*inputs)), outputs(made.eval()(*inputs)), strict=True):
            torch.testing.assert_close(two, one, rtol=tolerance, atol=tolerance)


def assert_comes_back(ported: port.Ported, inputs: list[Tensor]) -> None:
    again = port.from_torch(port.to_torch(ported.graph, ported.weights, ported.inputs), *inputs)
    assert again.graph == ported.graph
    assert again.weights.keys() == ported.weights.keys()
    for path, weight in ported.weights.items():
        assert torch.equal(again.weights[path], weight) and again.weights[path].dtype is weight.dtype

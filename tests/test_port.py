"""Modules ported to layer graphs compute what they did, and come back as they were."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bridge import port
from bridge.errors import PortError
from bridge.layers.graph import check_graph
from tests.port_cases import compositions
from tests.port_checks import assert_comes_back, assert_same_function


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(compositions())
def test_random_compositions(case: tuple[nn.Module, list[Tensor]]) -> None:
    module, inputs = case
    ported = port.from_torch(module, *inputs)
    check_graph(ported.graph, "the ported graph")
    assert_same_function(module, ported, inputs, 1e-8)
    assert_comes_back(ported, inputs)


class Lambda(nn.Module):
    def __init__(self, compute: Any, **parts: Any) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.compute(self, *inputs)


def no_grad(m: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        y = torch.relu(x)
    return x + y


def by_view(m: nn.Module, x: Tensor) -> Tensor:
    y = torch.relu(x)
    z = y.view(-1, 2, 2)
    y.sigmoid_()
    return z


X = torch.zeros(1, 4)
REFUSED: dict[str, tuple[Any, list[Tensor], str, str]] = {
    "an operator": (lambda m, x: torch.erfinv(x), [X], "aten.erfinv", "an operator of the portable layers"),
    "a mean over the batch": (lambda m, x: x - x.mean(0), [X], "aten.mean", "each sample by itself"),
    "samples times samples": (lambda m, x: x @ x.t(), [X], "aten.matmul", "each sample by itself"),
    "softmax over the batch": (lambda m, x: F.softmax(x, 0), [X], "aten.softmax", "each sample by itself"),
    "the first sample": (lambda m, x: x + x[:1], [X], "aten.slice", "each sample by itself"),
    "samples beside samples": (lambda m, x: torch.cat([x, x]), [X], "aten.cat", "each sample by itself"),
    "a batch in pieces": (lambda m, x: x.view(4, -1), [X], "aten.view", "each sample by itself"),
    "samples made of parts": (lambda m, x: x.reshape(-1, 2), [X], "output", "each sample by itself"),
    "a transposed batch": (lambda m, x: x.t(), [X], "output", "each sample by itself"),
    "a decision on numbers": (lambda m, x: x if x.sum() > 0 else -x, [X], "", "does not depend on the numbers"),
    "dropout in test mode": (lambda m, x: F.dropout(x), [X], "aten.dropout", "a dropout in train mode"),
    "chance": (lambda m, x: x + torch.rand_like(x), [X], "aten.rand_like", "an operator of the portable layers"),
    "no gradient": (no_grad, [X], "wrap_with_set_grad_enabled", "an operator of the portable layers"),
    "detached": (lambda m, x: x.detach() + x, [X], "aten.detach", "an operator of the portable layers"),
    "another dtype": (lambda m, x: x.double(), [X], "aten.to.dtype", "the dtype of the input"),
    "a view that is written to": (by_view, [X], "aten.sigmoid_", "no other view"),
    "an input that is written to": (lambda m, x: x.relu_(), [X], "aten.relu_", "inputs, parameters and buffers"),
    "a norm in one mode": (
        lambda m, x: x if m.training else x * 2,
        [X],
        "aten.mul",
        "the same operators in train and test mode",
    ),
    "another number by mode": (lambda m, x: x * (2 if m.training else 3), [X], "aten.mul", "the same operators"),
    "a constant without bounds": (lambda m, x: x * torch.tensor([1, math.inf, 2, 3]), [X], "aten.mul", "finite numbers"),
    "a constant for each sample": (lambda m, x: x + torch.ones(2, 1), [X], "", "a module that torch.export takes"),
    "a constant beyond its type": (
        lambda m, x: x + torch.full((4,), 1e39).clamp(max=1),
        [X],
        "aten.full",
        "constants that can be computed",
    ),
    "a condition": (lambda m, x: torch.where(x > 0, x, -x), [X], "aten.gt", "an operator of the portable layers"),
    "a window beyond": (lambda m, x: F.max_pool1d(x[:, None], 3, 2, ceil_mode=True), [X], "aten.max_pool1d", "inside"),
    "windows over each other": (lambda m, x: x.unfold(1, 2, 1), [X], "aten.unfold", "windows side by side"),
    "letters twice": (lambda m, x: torch.einsum("bi,bj->ij", x, x), [X], "aten.einsum", "each sample by itself"),
    "a largest sample": (lambda m, x: x.max(0, keepdim=True)[0] + x, [X], "aten.max", "each sample by itself"),
    "the place of the largest": (lambda m, x: x.max(1)[1], [X], "getitem", "the values of a pooling alone"),
    "sizes that do not divide": (lambda m, x: x.view(3, -1), [X], "", "a module that torch.export takes"),
    "two dtypes": (lambda m, x, y: x.sum() + y.sum(), [X, X.double()], "", "inputs and parameters of float32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_operator_and_line(name: str) -> None:
    compute, inputs, operator, expected = REFUSED[name]
    inner = Lambda(compute)
    module = Lambda(lambda m, *x: m.inner(*x), inner=inner)
    with pytest.raises(PortError) as caught:
        port.from_torch(module, *inputs)
    error = caught.value
    assert expected in error.expected
    assert operator in error.element
    if operator.startswith("aten."):
        assert "module 'inner'" in error.element
        assert "test_port.py" in error.source and "self.compute(self, *inputs)" in error.source


def test_a_parameter_that_is_frozen_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[0].weight.requires_grad_(False)
    expected = r"module '0', operator aten\.linear\.default: expected the weight to be a parameter that trains"
    with pytest.raises(PortError, match=expected):
        port.from_torch(module, X)
    assert port.from_torch(module.requires_grad_(False), X).frozen


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_views_and_transpositions(data: st.DataObject) -> None:
    """Whatever views do to a tensor until the batch is an axis of its own again, its numbers are the module's."""
    probe, script = torch.zeros(5, 2, 2, 3), []
    for _ in range(data.draw(st.integers(1, 6))):
        if probe.dim() > 1 and data.draw(st.booleans()):
            axis = data.draw(st.integers(0, probe.dim() - 2))
            script.append(lambda x, axis=axis: x.flatten(axis, axis + 1))
        else:
            order = data.draw(st.permutations(range(probe.dim())))
            script.append(lambda x, order=order: x.permute(order))
        probe = script[-1](probe)
    places = [place for place, size in enumerate(probe.shape) if size == 5]
    if places:
        script.append(lambda x: torch.sigmoid(x).movedim(places[0], 0))
    else:
        script.append(lambda x: torch.sigmoid(x).flatten())

    def compute(m: nn.Module, x: Tensor) -> Tensor:
        for step in script:
            x = step(x)
        return x

    module, x = Lambda(compute), torch.randn(5, 2, 2, 3)
    if places:
        torch.testing.assert_close(port.from_torch(module, x).module()(x), module(x))
    else:
        with pytest.raises(PortError, match="each sample by itself"):
            port.from_torch(module, x)

"""What the tests of objectives that Julia drives share: the same objective in torch, and what has to be equal."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

import bridge
from bridge.diagram.builder import Builder
from bridge.julia.objective import JuliaObjective
from bridge.torch import Losses, Objective

__all__ = ["CLOSE", "Gradients", "assert_close", "assert_same", "by_name", "in_torch", "twins"]

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
Gradients = dict[tuple[str, str], Tensor]


def in_torch(objective: Objective, batch: Any) -> tuple[dict[str, Tensor], Gradients]:
    """Losses by name, the total under "", and the gradients of all parameters; zeros where there are none."""
    objective.zero_grad()
    losses = objective(batch)
    if losses.total.requires_grad:
        losses.backward()
    return by_name(losses), {
        (component.name, path): torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for component in objective.diagram.components
        if not component.training.is_frozen
        for path, p in objective.components[component.name].named_parameters()
    }


def by_name(losses: Losses) -> dict[str, Tensor]:
    """Losses by name, the total under ""."""
    return {"": losses.total.detach(), **{name: own.detach() for name, own in losses.agreements.items()}}


def assert_same(objective: JuliaObjective, batch: Any, expected: tuple[dict[str, Tensor], Gradients]) -> None:
    """Losses and gradients of an objective that Julia drives are those of `in_torch`."""
    losses, gradients = objective.losses_and_gradients(batch)
    assert_close(by_name(losses), gradients, expected)


def assert_close(losses: dict[str, Tensor], gradients: Gradients, expected: tuple[dict[str, Tensor], Gradients]) -> None:
    """The same of losses and gradients of any; a gradient that is not there is zero."""
    torch.testing.assert_close(losses, expected[0], **CLOSE)
    assert set(gradients) <= set(expected[1])
    for name, gradient in expected[1].items():
        found = gradients.get(name, torch.zeros_like(gradient))
        torch.testing.assert_close(found, gradient, **CLOSE, msg=lambda m, name=name: f"{name}: {m}")


def twins(d: Builder, **options: Any) -> tuple[Objective, JuliaObjective]:
    """The diagram driven by torch and by Julia, with modules of their own that hold the same values."""
    built = d.build()
    alone = bridge.compile(built, copy.deepcopy(d.modules))
    driven = bridge.compile(built, copy.deepcopy(d.modules), driver="julia", **options)
    assert isinstance(driven, JuliaObjective)
    driven.load_state_dict(alone.state_dict())
    return alone, driven

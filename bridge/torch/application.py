"""Applying a component's module: in its mode, with constant parameters and buffers where it is frozen.

The rules are those of "Freeze, detach, mode, chance" in docs/semantics.md. A module of the caller's is left as it was
found: flags that an application has to change are put back right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Component, Training
from bridge.torch.portable import PortableModule

__all__ = ["Apply", "applier", "constant_buffers", "in_mode"]

Apply: TypeAlias = Callable[[tuple[Tensor, ...], bool], Any]
"""`apply(inputs, train)`: what the module returns; `train` is the mode of the objective."""


def applier(component: Component, module: nn.Module, keep_buffers: bool = False) -> Apply:
    """How a component is applied. With `keep_buffers` its buffers do not change even if it is trainable."""
    frozen = component.training.is_frozen
    if isinstance(module, PortableModule):  # has neither modes nor buffers
        return _constant(module) if frozen and component.has_parameters else lambda inputs, train: module(*inputs)
    if frozen:
        return _frozen(module, component.training)
    return _evaluated(module) if keep_buffers else _following(module)


def _following(module: nn.Module) -> Apply:
    """In the objective's mode. Submodules that the caller put in test mode, such as batch norms, stay there."""

    def apply(inputs: tuple[Tensor, ...], train: bool) -> Any:
        if module.training is train:
            return module(*inputs)
        with in_mode(module, train):
            return module(*inputs)

    return apply


def _evaluated(module: nn.Module) -> Apply:
    def apply(inputs: tuple[Tensor, ...], train: bool) -> Any:
        with in_mode(module, train), constant_buffers(module):
            return module(*inputs)

    return apply


def _constant(module: nn.Module) -> Apply:
    def apply(inputs: tuple[Tensor, ...], train: bool) -> Any:
        if not torch.is_grad_enabled():
            return module(*inputs)
        with _constant_parameters(module):
            return module(*inputs)

    return apply


def _frozen(module: nn.Module, training: Training) -> Apply:
    train_mode = training is Training.FROZEN_TRAIN_MODE
    constant = _constant(module)

    def apply(inputs: tuple[Tensor, ...], train: bool) -> Any:
        with in_mode(module, train_mode), constant_buffers(module):
            return constant(inputs, train)

    return apply


def _walk(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all below it. `nn.Module.modules` does the same several times slower."""
    stack: list[nn.Module | None] = [module]
    while stack:
        current = stack.pop()
        if current is not None:
            yield current
            stack.extend(current._modules.values())


@contextmanager
def in_mode(module: nn.Module, train: bool) -> Iterator[None]:
    """Have a module and all below it in train or test mode, and put each one's own mode back."""
    if all(submodule.training is train for submodule in _walk(module)):
        yield
        return
    modes = [(submodule, submodule.training) for submodule in _walk(module)]
    # By `train`, not by the flags alone: modules may override it (to merge weights, or to keep a part in test mode).
    module.train(train)
    try:
        yield
    finally:
        module.train(modes[0][1])
        for submodule, mode in modes:
            if submodule.training is not mode:
                submodule.training = mode


@contextmanager
def constant_buffers(module: nn.Module) -> Iterator[None]:
    """Let a module work on copies of its buffers, so that its own never change."""
    saved = [(submodule._buffers, dict(submodule._buffers)) for submodule in _walk(module) if submodule._buffers]
    copies: dict[int, Tensor] = {}
    for buffers, own in saved:
        for name, buffer in own.items():
            if buffer is not None:
                buffers[name] = copies.setdefault(id(buffer), buffer.detach().clone())
    try:
        yield
    finally:
        for buffers, own in saved:
            buffers.clear()
            buffers.update(own)


@contextmanager
def _constant_parameters(module: nn.Module) -> Iterator[None]:
    """Have no parameter of a module require a gradient, while gradients still flow to its inputs."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)

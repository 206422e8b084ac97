"""Applying a component's module: in its mode, with constant parameters and buffers where it is frozen.

The rules are those of "Freeze, detach, mode, chance" in docs/semantics.md. A module of the caller's is left as it was
found: flags that an application has to change are put back right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from bridge.diagram.ir import Component, Training
from bridge.torch.layers import LayerMode
from bridge.torch.portable import PortableModule

__all__ = ["Apply", "applier", "constant_buffers", "in_mode", "tree"]

Apply: TypeAlias = Callable[[Sequence[Tensor], LayerMode], Any]
"""`apply(inputs, mode)`: what the module returns; `mode` is the objective's, with what this application draws from."""


def applier(component: Component, module: nn.Module, keep_buffers: bool = False) -> Apply:
    """How a component is applied. With `keep_buffers` its buffers do not change even if it is trainable."""
    frozen = component.training.is_frozen
    if isinstance(module, PortableModule):
        return _portable(component, module)
    if frozen:
        return _frozen(module, component.training)
    return _evaluated(module) if keep_buffers else _following(module)


def _portable(component: Component, module: PortableModule) -> Apply:
    """Portable layers take the mode as an argument, and change buffers in train mode only."""
    if not component.training.is_frozen:
        return lambda inputs, mode: module(*inputs, mode=mode)
    train = component.training is Training.FROZEN_TRAIN_MODE
    constant = _constant(module) if component.has_parameters else lambda inputs, mode: module(*inputs, mode=mode)

    def apply(inputs: Sequence[Tensor], mode: LayerMode) -> Any:
        own = mode._replace(train=train)
        if not train:
            return constant(inputs, own)
        with constant_buffers(tree(module)):
            return constant(inputs, own)

    return apply


def _following(module: nn.Module) -> Apply:
    """In the objective's mode. Submodules that the caller put in test mode, such as batch norms, stay there."""

    def apply(inputs: Sequence[Tensor], mode: LayerMode) -> Any:
        if module.training is mode.train:
            return module(*inputs)
        with in_mode(tree(module), mode.train):
            return module(*inputs)

    return apply


def _evaluated(module: nn.Module) -> Apply:
    def apply(inputs: Sequence[Tensor], mode: LayerMode) -> Any:
        modules = tree(module)
        with in_mode(modules, mode.train), constant_buffers(modules):
            return module(*inputs)

    return apply


def _constant(module: nn.Module) -> Apply:
    portable = isinstance(module, PortableModule)

    def apply(inputs: Sequence[Tensor], mode: LayerMode) -> Any:
        options = {"mode": mode} if portable else {}
        if not torch.is_grad_enabled():
            return module(*inputs, **options)
        with _constant_parameters(module):
            return module(*inputs, **options)

    return apply


def _frozen(module: nn.Module, training: Training) -> Apply:
    train_mode = training is Training.FROZEN_TRAIN_MODE
    constant = _constant(module)

    def apply(inputs: Sequence[Tensor], mode: LayerMode) -> Any:
        modules = tree(module)
        with in_mode(modules, train_mode), constant_buffers(modules):
            return constant(inputs, mode)

    return apply


def tree(module: nn.Module) -> list[nn.Module]:
    """A module and all below it, itself first. `nn.Module.modules` does the same several times slower."""
    found = [module]
    for current in found:
        found += [child for child in current._modules.values() if child is not None]
    return found


@contextmanager
def in_mode(modules: Sequence[nn.Module], train: bool) -> Iterator[None]:
    """Have a module (the first) and all below it in train or test mode, and put each one's own mode back."""
    modes = [module.training for module in modules]
    if (not train) not in modes:
        yield
        return
    # By `train`, not by the flags alone: modules may override it (to merge weights, or to keep a part in test mode).
    modules[0].train(train)
    try:
        yield
    finally:
        modules[0].train(modes[0])
        for module, mode in zip(modules, modes, strict=True):
            if module.training is not mode:
                module.training = mode


@contextmanager
def constant_buffers(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let modules work on copies of their buffers, so that their own never change."""
    saved = [
        (module._buffers, dict(module._buffers)) for module in modules if module._buffers and not _only_reads(module)
    ]
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


def _only_reads(module: nn.Module) -> bool:
    """Whether a module is one of PyTorch's own that never writes to its buffers in the mode it is in."""
    return not module.training and type(module) in _READERS


_READERS = frozenset(
    {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d}
)


@contextmanager
def _constant_parameters(module: nn.Module) -> Iterator[None]:
    """Have no parameter of a module require a gradient, while gradients still flow to its inputs.

    Only while it is applied, since the module may train elsewhere. So a module that recomputes activations in the
    backward pass (`torch.utils.checkpoint`) has to have its parameters' `requires_grad` off by itself.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)

"""The function of PyTorch's autograd that an island is, with its tape in Julia.

The tape's handle lives in a token, a tensor that is saved for the way back together with every tensor that the tape
refers to. So a second backward, a graph that is freed and a change in place meet torch's own checks, and a graph that is
dropped without a backward frees its tape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from bridge.errors import UnsupportedError
from bridge.julia.ownership import Held
from bridge.julia.structures import GRAD
from bridge.julia.tensors import MendableError

if TYPE_CHECKING:
    from bridge.julia.island import Island

__all__ = ["cross"]

_NOTHING = torch.empty(0)
_OWN_ARGUMENTS = 4  # of _Crossing.forward, before the tensors


def cross(island: Island, tensors: tuple[Tensor, ...], flags: int, seed: int, application: int) -> tuple[Tensor, ...]:
    """The outputs of an island; recorded by autograd where one of the tensors requires a gradient."""
    if torch.is_grad_enabled():
        for tensor in tensors:
            if tensor.requires_grad:
                try:
                    return _Crossing.apply(island, flags | GRAD, seed, application, *tensors)  # type: ignore[no-any-return]
                except (RuntimeError, NotImplementedError):
                    _refuse_transforms()
                    raise
    return _forward(island, tensors, flags, seed, application)[0]


def _forward(island: Island, tensors: tuple[Tensor, ...], flags: int, seed: int,
             application: int) -> tuple[tuple[Tensor, ...], int, tuple[Tensor, ...]]:
    """The outputs, the tape's id, and the tensors that were really passed."""
    try:
        return *island.forward(tensors, flags, seed, application), tensors
    except MendableError:
        mended = island.mend(tensors, "input")
        return *island.forward(mended, flags, seed, application), mended


class _Crossing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, island: Island, flags: int, seed: int, application: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, tape, passed = _forward(island, tensors, flags, seed, application)
        token = _NOTHING.detach()
        token.tape = Held(tape, island.session.released)  # type: ignore[attr-defined]
        kept = [tensors[k] for k in island.retained_arguments]
        kept += [outputs[k] for k in island.retained_outputs]
        if passed is not tensors:  # the tape lies over the copies; torch's check of versions is on the tensors themselves
            kept += [b for a, b in zip(tensors, passed, strict=True) if a is not b]
        ctx.save_for_backward(token, *kept)
        ctx.island = island
        ctx.batch = tensors[0].shape[0] if island.inputs else 0
        ctx.set_materialize_grads(False)
        if island.discrete_outputs:
            ctx.mark_non_differentiable(*(outputs[k] for k in island.discrete_outputs))
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        token = ctx.saved_tensors[0]
        island, needs = ctx.island, ctx.needs_input_grad[_OWN_ARGUMENTS:]
        try:
            results = island.backward(token.tape.id, gradients, needs, ctx.batch)
        except MendableError:
            results = island.backward(token.tape.id, island.mend(gradients, "gradient of output"), needs, ctx.batch)
        if torch.is_grad_enabled():
            results = _Final.apply(len(results), *results, *ctx.saved_tensors[1:], *gradients)
        return (None,) * _OWN_ARGUMENTS + results

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        raise UnsupportedError("an island", "reverse mode", "forward-mode differentiation")


class _Final(torch.autograd.Function):
    """Passes first derivatives on, and refuses to be differentiated itself."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> tuple[Tensor | None, ...]:
        return tensors[:count]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> NoReturn:
        raise UnsupportedError("an island", "first derivatives", "a second derivative (create_graph=True) asked for")


def _refuse_transforms() -> None:
    """Say by name what made torch refuse a custom function."""
    if torch._C._are_functorch_transforms_active():  # type: ignore[attr-defined]
        raise UnsupportedError("an island", "ordinary calls", "a call inside vmap or another transform of torch.func") from None

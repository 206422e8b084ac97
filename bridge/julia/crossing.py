"""The function of PyTorch's autograd that an island is, with its tape in Julia.

The tape's handle lives in a token, a tensor that is saved for the way back together with every tensor that the tape
refers to. So a second backward, a graph that is freed and a change in place meet torch's own checks, and a graph that is
dropped without a backward frees its tape.

Each island has classes of its own, one a mode: what never changes is a local name of theirs, and the common case (every
tensor can be shared as it is) runs straight through. At 16 floats all of it has the time of some hundred bytecodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from weakref import ref

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bridge.errors import UnsupportedError
from bridge.julia.ownership import Held
from bridge.julia.structures import ALIAS, CONSTANT, FLAGS, GRAD, KIND, OK, RELEASE, SEED, TAPE, VALUE, slot
from bridge.julia.tensors import PLAIN, MendableError

if TYPE_CHECKING:
    from bridge.julia.island import Island

__all__ = ["crossing", "refuse_tangents", "refuse_transforms"]

_FIRST_KIND, _FIRST_VALUE = slot(0) + KIND, slot(0) + VALUE

saving_hooks = torch._C._autograd._top_saved_tensors_default_hooks


def crossing(island: Island, flags: int) -> type[torch.autograd.Function]:
    """The autograd function of an island in one mode: `apply(seed, *tensors)` gives its outputs as a tuple."""
    session = island.session
    caller, check_caller = session.runtime.caller, session.runtime.check_caller
    ids, dropped, prepare = session.released.ids, session.released.dropped, session.prepare
    hold, put_back = session.released.hold, dropped.append
    c_forward, c_backward = session.c_forward, session.c_backward
    number, spare, spare_backward = island.number, island.frames, island.gradient_frames
    rooms, gradient_rooms = island.rooms, island.gradient_rooms
    retained, retained_outputs, discrete = island.retained_arguments, island.retained_outputs, island.discrete_outputs
    keeps_all = len(retained) == len(island.arguments)
    one_output, one_argument = len(island.outputs) == 1, len(island.arguments) == 1
    flags |= GRAD
    constant, inputs = flags | CONSTANT, len(island.inputs)
    nothing = torch.empty(0)

    class Crossing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, seed: int, *tensors: Tensor) -> tuple[Tensor, ...]:
            if not caller.may_call:
                check_caller()
            passed, room = tensors, None
            frame = spare.pop() if spare else island.new_frame()
            words = frame.words
            try:
                for tensor in tensors:
                    if type(tensor) not in PLAIN or tensor.is_neg():
                        raise MendableError
                words[FLAGS] = flags if True in ctx.needs_input_grad[1 : inputs + 1] else constant
                words[SEED] = seed
                words[RELEASE] = ids.pop(dropped.popleft()) if dropped else 0  # the tape of the step before, as a rule
                if dropped:
                    prepare()
                if rooms:
                    room = island.offer(words, tensors[0].shape[0])
                if (status := c_forward(number, frame.address, tensors)) != OK:
                    raise session.failure(status)
                if one_output and words[_FIRST_KIND] == ALIAS:
                    outputs: tuple[Tensor, ...] = (tensors[words[_FIRST_VALUE]],)
                else:
                    outputs = island.take(frame, room, tensors)
                token = nothing.detach()
                held = token.tape = Held()  # type: ignore[attr-defined]
                held.id = words[TAPE]
                ids[ref(held, put_back)] = words[TAPE]
                words[TAPE] = 0
                spare.append(frame)
            except MendableError:
                outputs, tape, passed = island.mended_forward(tensors, flags, seed)
                token = nothing.detach()
                token.tape = hold(tape)  # type: ignore[attr-defined]
            except BaseException:  # a signal's handler may raise between any two calls
                hold(words[TAPE])
                hold(words[RELEASE])
                island.abandon(frame, rooms)
                raise
            if keeps_all and passed is tensors:
                ctx.save_for_backward(token, *tensors, *[outputs[k] for k in retained_outputs])
            else:
                kept = [tensors[k] for k in retained] + [outputs[k] for k in retained_outputs]
                # The tape lies over the copies; torch's check of versions is on the tensors themselves.
                kept += [b for a, b in zip(tensors, passed, strict=True) if a is not b]
                ctx.save_for_backward(token, *kept)
            if (
                saving_hooks(True) is not None
            ):  # they may let go of what is saved: the tape's memory stays with the tape
                token.memory = [t.detach() for t in (*passed, *outputs)]  # type: ignore[attr-defined]
            if gradient_rooms:
                ctx.batch = tensors[0].shape[0] if island.inputs else 0
            if not one_output:
                ctx.set_materialize_grads(False)
            if discrete:
                ctx.mark_non_differentiable(*(outputs[k] for k in discrete))
            return outputs

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
            saved = ctx.saved_tensors  # held to the end: a checkpoint makes them anew for this pass, the tape with them
            try:
                tape = saved[0].tape.id
            except AttributeError:
                raise UnsupportedError(
                    "an island", "its saved tensors themselves, or a recomputation", "others, of saved_tensors_hooks"
                ) from None
            if not caller.may_call:
                check_caller()
            needs, room = ctx.needs_input_grad[1:], None
            results: tuple[Tensor | None, ...]
            frame = spare_backward.pop() if spare_backward else island.new_gradient_frame()
            words = frame.words
            try:
                for gradient in gradients:
                    if gradient is not None and (type(gradient) not in PLAIN or gradient.is_neg()):
                        raise MendableError
                words[TAPE] = tape
                if gradient_rooms:
                    room = island.offer_gradients(words, ctx.batch, needs)
                if (status := c_backward(number, frame.address, gradients, bytes(needs))) != OK:
                    raise session.failure(status)
                if one_argument and words[_FIRST_KIND] == ALIAS:
                    results = (gradients[words[_FIRST_VALUE]],)
                else:
                    results = island.take_gradients(frame, room, gradients)
                spare_backward.append(frame)
            except MendableError:
                results = island.mended_backward(tape, gradients, needs, getattr(ctx, "batch", 0))
            except BaseException:
                island.abandon(frame, gradient_rooms)
                raise
            if torch.is_grad_enabled():
                results = _Final.apply(len(results), *results, *saved[1:], *gradients)  # type: ignore[no-untyped-call]
            return (None, *results)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> NoReturn:
            raise UnsupportedError("an island", "reverse mode", "forward-mode differentiation")

    return Crossing


class _Final(torch.autograd.Function):
    """Passes first derivatives on, and refuses to be differentiated itself."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> tuple[Tensor | None, ...]:
        return tensors[:count]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> NoReturn:
        raise UnsupportedError("an island", "first derivatives", "a second derivative (create_graph=True) asked for")


def refuse_tangents(tensors: tuple[Tensor, ...]) -> None:
    """Refuse by name what would be differentiated in forward mode, which goes on under `no_grad`."""
    for tensor in tensors:
        if forward_ad.unpack_dual(tensor).tangent is not None:
            raise UnsupportedError("an island", "reverse mode", "forward-mode differentiation")


def refuse_transforms() -> None:
    """Say by name what made torch refuse a custom function."""
    if torch._C._are_functorch_transforms_active():
        raise UnsupportedError(
            "an island", "ordinary calls", "a call inside vmap or another transform of torch.func"
        ) from None

"""The function of PyTorch's autograd that an island is, with its tape in Julia.

The tape lives as long as torch's node of the graph: a weak reference to it puts the tape's number in the release queue, so
that a graph that is dropped without a backward frees its tape. A backward that keeps no graph frees it at once, where
torch frees its saved tensors. What the tape refers to is saved with torch, so that a second backward, a graph that is freed
and a change in place meet torch's own checks.

Where saved tensors are given to hooks (activation checkpointing), a recomputation has a tape of its own: there the tape
lives with a token, a tensor that is saved with the others.

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
from bridge.julia.tensors import MendableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.julia.island import Island

__all__ = ["crossing", "refuse_tangents", "refuse_transforms"]

saving_hooks = torch._C._autograd._top_saved_tensors_default_hooks
keeps_graph = torch._C._autograd._get_current_graph_task_keep_graph


def crossing(island: Island, flags: int) -> Callable[..., tuple[Tensor, ...]]:
    """The autograd function of an island in one mode: it takes a seed and the tensors, and gives the outputs."""
    session = island.session
    caller, check_caller, prepare = session.runtime.caller, session.runtime.check_caller, session.prepare
    tapes, dropped, put_back = session.tapes.ids, session.tapes.dropped, session.tapes.dropped.append
    released, hold, number = session.released.dropped, session.released.hold, session.tape_numbers.__next__
    spare, spare_backward = island.frames[flags], island.gradient_frames
    rooms, gradient_rooms = island.rooms, island.gradient_rooms
    retained, retained_outputs, discrete = island.retained_arguments, island.retained_outputs, island.discrete_outputs
    keeps_all = len(retained) == len(island.arguments)
    one_output = len(island.outputs) == 1
    nothing = torch.empty(0)

    class Crossing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, seed: int, *tensors: Tensor) -> tuple[Tensor, ...]:
            if not caller.may_call:
                check_caller()
            frame = spare.pop() if spare else island.new_frame(flags)
            passed, room, tape = tensors, None, 0
            try:
                if dropped:
                    # In the place of the tape before, as a rule. No calls: behind one a signal's handler may raise.
                    reference = dropped[0]
                    tape = tapes[reference]
                    del dropped[0], tapes[reference]
                else:
                    tape = number()
                if dropped or released:
                    prepare()
                if rooms:
                    room = island.offer(tensors[0].shape[0])
                try:
                    outputs: tuple[Tensor, ...] = frame.call(tape, seed, ctx.needs_input_grad, room, *tensors)
                    if type(outputs) is not tuple:
                        outputs = island.take(outputs, frame, room, tensors)  # type: ignore[assignment]
                    spare.append(frame)
                except MendableError:
                    outputs, passed = island.mended_forward(tensors, flags, seed, tape)
                if saving_hooks(True) is None:
                    kept = tensors
                    reference = ref(ctx, put_back)
                    tapes[reference] = ctx.tape = tape
                else:
                    ctx.tape = 0
                    token = nothing.detach()
                    token.tape = hold(tape)  # type: ignore[attr-defined]
                    # The hooks may let go of what is saved: the tape's memory stays with the tape.
                    token.memory = [t.detach() for t in (*passed, *outputs)]  # type: ignore[attr-defined]
                    kept = (token, *tensors)
            except BaseException:
                hold(tape)
                island.abandon(frame, rooms)
                raise
            if not keeps_all:
                kept = (*kept[: len(kept) - len(tensors)], *[tensors[k] for k in retained])
            if passed is not tensors:  # the tape lies over the copies; torch checks the versions of the tensors themselves
                kept += tuple([b for a, b in zip(tensors, passed, strict=True) if a is not b])
            for k in retained_outputs:
                output = outputs[k]
                for tensor in tensors:
                    if tensor is output:
                        break
                else:
                    kept += (output,)
            ctx.save_for_backward(*kept)
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
            if not caller.may_call:
                check_caller()
            tape, keep, needs, room = ctx.tape, keeps_graph(), ctx.needs_input_grad, None
            if not tape:
                tape, keep = _of_token(saved[0]), True
            frame = spare_backward.pop() if spare_backward else island.new_gradient_frame()
            try:
                if gradient_rooms:
                    room = island.offer_gradients(ctx.batch, needs)
                results: tuple[Tensor | None, ...] = frame.call(tape, keep, needs, room, *gradients)
                if type(results) is not tuple:
                    results = (None, *island.take(results, frame, room, gradients))
                spare_backward.append(frame)
            except MendableError:
                results = island.mended_backward(tape, keep, gradients, needs, getattr(ctx, "batch", 0))
            except BaseException:
                island.abandon(frame, gradient_rooms)
                raise
            if torch.is_grad_enabled():
                results = _Final.apply(len(results), *results, *saved, *gradients)  # type: ignore[no-untyped-call]
            return results

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> NoReturn:
            raise UnsupportedError("an island", "reverse mode", "forward-mode differentiation")

    # torch.autograd.Function's own `apply` only looks for functional transforms first, which an island has refused by then.
    return super(torch.autograd.Function, Crossing).apply


def _of_token(token: Tensor) -> int:
    try:
        return token.tape.id  # type: ignore[attr-defined, no-any-return]
    except AttributeError:
        raise UnsupportedError(
            "an island", "its saved tensors themselves, or a recomputation", "others, of saved_tensors_hooks"
        ) from None


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
    """Refuse by name a call inside a functional transform of torch's."""
    raise UnsupportedError("an island", "ordinary calls", "a call inside vmap or another transform of torch.func")

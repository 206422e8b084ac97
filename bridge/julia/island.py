"""An island: a fragment of a plan, loaded in Julia and called with tensors.

This is the hot path of diagram-bridge. What can be checked in Julia, where a check costs nanoseconds, is checked there;
the status UNSUPPORTED sends a call to the slow path, which mends its tensors or refuses them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bridge.errors import UnsupportedError
from bridge.julia.crossing import crossing, refuse_tangents, refuse_transforms
from bridge.julia.ownership import Held, borrow
from bridge.julia.structures import ALIAS, DATA, FILLED, KIND, OK, OWNED, TRAIN, VALUE, VIEW, Frame, slot
from bridge.julia.tensors import MendableError, mend

if TYPE_CHECKING:
    from bridge.julia.session import Session

__all__ = ["Island", "Place"]

is_compiling, is_grad_enabled = torch.compiler.is_compiling, torch.is_grad_enabled
is_autocast_anywhere, are_transforms_active = torch._C._is_any_autocast_enabled, torch._C._are_functorch_transforms_active


@dataclass(frozen=True)
class Place:
    """What is known of a tensor that crosses before it exists.

    `sizes` are those of a sample (of a parameter: all), or `None` where an axis is a variable. `filled` says that Julia
    writes it (an input's or parameter's gradient) into memory that it is given, `retained` that a tape refers to it.
    """

    name: str
    sizes: tuple[int, ...] | None
    dtype: torch.dtype
    batched: bool = True
    filled: bool = False
    retained: bool = True

    def room(self, batch: int) -> Tensor:
        """Memory for Julia to write into, where the sizes are known."""
        assert self.sizes is not None
        return torch.empty((batch, *self.sizes) if self.batched else self.sizes, dtype=self.dtype)


class Island:
    """A fragment loaded in a Julia session.

    `call(inputs, variables, train, seed)` gives its outputs for a batch, differentiable by autograd: `inputs` are (N, …)
    tensors of the inputs' spaces, `variables` the parameters of its components in order, then the buffers of portable
    ones. Gradients flow to each input and parameter that requires one; buffers change in train mode. It raises JuliaError
    for an exception in Julia, UnsupportedError for what an island refuses, JuliaUnavailable in another thread or a forked
    child.

    A tensor that can't be shared as it is (not contiguous, not 16-byte aligned, a lazily negated view) is copied, and the
    copy counted; anything else is refused by name.
    """

    def __init__(
        self,
        session: Session,
        held: Held,
        inputs: Sequence[Place],
        variables: Sequence[Place],
        outputs: Sequence[Place],
        *,
        buffers: int = 0,
        allow_device_copy: bool = False,
    ) -> None:
        self.session = session
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.arguments = (*inputs, *variables)
        self.first_buffer = len(self.arguments) - buffers
        self.allow_device_copy = allow_device_copy
        self.retained_arguments = _where(self.arguments, lambda place: place.retained)
        self.retained_outputs = _where(self.outputs, lambda place: place.retained)
        self.discrete_outputs = _where(self.outputs, lambda place: not place.dtype.is_floating_point)
        self.rooms = _where(self.outputs, lambda place: place.filled and place.sizes is not None)
        self.gradient_rooms = _where(self.arguments, lambda place: place.filled and place.sizes is not None)
        self.frames: dict[int, list[Frame]] = {0: [], TRAIN: []}
        self.gradient_frames: list[Frame] = []
        self.number = held.id
        self._held = held
        self.call = _entry(self)

    def forward(self, tensors: tuple[Tensor, ...], flags: int, seed: int, tape: int = 0) -> tuple[Tensor, ...]:
        """The outputs, with nothing recorded by autograd; `tape` numbers the tape for a way back, if one is wanted.

        Raises MendableError where a tensor can't be passed as it is.
        """
        self.session.prepare()
        frame = self.frames[flags].pop() if self.frames[flags] else self.new_frame(flags)
        room = self.offer(tensors[0].shape[0]) if self.rooms else None
        outputs = self.take(frame.call(tape, seed, None, room, *tensors), frame, room, tensors)
        self.frames[flags].append(frame)
        return outputs  # type: ignore[return-value]

    def mended_forward(
        self, tensors: tuple[Tensor, ...], flags: int, seed: int, tape: int = 0
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """`forward` with copies of the tensors that could not be passed, and the tensors that were."""
        mended = self._mend(tensors, "input")
        outputs = self.forward(mended, flags, seed, tape)  # type: ignore[arg-type]
        if flags & TRAIN:
            bring_back(tensors[self.first_buffer :], mended[self.first_buffer :])  # type: ignore[arg-type]
        return outputs, mended  # type: ignore[return-value]

    def mended_backward(
        self, tape: int, keep: bool, gradients: Sequence[Tensor | None], needs: tuple[bool, ...], batch: int
    ) -> tuple[Tensor | None, ...]:
        """The answer of a backward call, from copies of the outputs' gradients that could not be passed."""
        mended = self._mend(gradients, "gradient of output")
        self.session.prepare()
        frame = self.new_gradient_frame()
        room = self.offer_gradients(batch, needs) if self.gradient_rooms else None
        results = frame.call(tape, keep, needs, room, *mended)
        return results if type(results) is tuple else (None, *self.take(results, frame, room, mended))

    def new_frame(self, flags: int) -> Frame:
        """Memory for one call of forward in a mode."""
        frame = Frame(self.number, flags, len(self.outputs), len(self.arguments), len(self.inputs))
        frame.call = self.session.bind_forward(frame)
        return frame

    def new_gradient_frame(self) -> Frame:
        """Memory for one call of backward."""
        frame = Frame(self.number, 0, len(self.arguments), len(self.outputs))
        frame.call = self.session.bind_backward(frame)
        return frame

    def offer(self, batch: int) -> tuple[Tensor | None, ...]:
        """Memory for the outputs that Julia writes."""
        return tuple([place.room(batch) if k in self.rooms else None for k, place in enumerate(self.outputs)])

    def offer_gradients(self, batch: int, needs: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
        """Memory for the gradients that Julia writes and that are asked for; `needs` begins with the seed's."""
        return tuple(
            [p.room(batch) if needs[k + 1] and k in self.gradient_rooms else None for k, p in enumerate(self.arguments)]
        )

    def take(
        self,
        answer: tuple[Tensor | None, ...] | int,
        frame: Frame,
        rooms: Sequence[Tensor | None] | None,
        passed: Sequence[Tensor | None],
    ) -> tuple[Tensor | None, ...]:
        """The results of a call: those it answered with, or, where it answered OK, those that its slots tell of.

        Raises what stands behind another status.
        """
        if isinstance(answer, tuple):
            return answer
        if answer != OK:
            raise self.session.failure(answer)
        return tuple([self._take(frame, k, rooms, passed) for k in range(frame.slots)])

    def _take(
        self, frame: Frame, k: int, rooms: Sequence[Tensor | None] | None, passed: Sequence[Tensor | None]
    ) -> Tensor | None:
        """The room that Julia filled, a tensor that was passed, a tensor over memory of its own, or `None` for zero."""
        words, start = frame.words, slot(k)
        kind = words[start + KIND]
        if kind == FILLED:
            assert rooms is not None
            return rooms[k]
        if kind == ALIAS:
            return passed[words[start + VALUE]]
        if kind == VIEW:
            whole = passed[words[start + VALUE]]
            assert whole is not None
            return whole.view(frame.shape(k))
        if kind == OWNED:
            owner = self.session.hold(words[start + VALUE])
            tensor = borrow(words[start + DATA], frame.shape(k), frame.data_type(k), owner)
            words[start + DATA] = 0
            return tensor
        return None

    def abandon(self, frame: Frame, rooms: tuple[int, ...]) -> None:
        """Let go of memory that Julia answered with, where an exception came before a tensor was made of it."""
        words = frame.words
        for k in range(frame.slots):
            start = slot(k)
            if words[start + KIND] == OWNED and words[start + DATA] and k not in rooms:
                self.session.hold(words[start + VALUE])

    def _mend(self, tensors: Sequence[Tensor | None], what: str) -> tuple[Tensor | None, ...]:
        """The tensors, some of them copied so that they can be passed; raises UnsupportedError for one that can't be."""
        mended = mend(tensors, what, self.session.copies)
        if all(a is b for a, b in zip(mended, tensors, strict=True)):
            raise UnsupportedError(what, "a tensor that Julia can share", "a refusal by DLPack's exchange functions")
        return mended


def _entry(island: Island) -> Callable[[tuple[Tensor, ...], tuple[Tensor, ...], bool, int], tuple[Tensor, ...]]:
    """`Island.call`: what torch's modes and transforms ask for, then the crossing.

    A function with local names rather than a method: looking an island's attributes up shows in a small crossing.
    """
    crossings = {train: crossing(island, TRAIN if train else 0) for train in (False, True)}
    training, testing = crossings[True], crossings[False]

    def call(inputs: tuple[Tensor, ...], variables: tuple[Tensor, ...], train: bool, seed: int) -> tuple[Tensor, ...]:
        if is_compiling():
            return _outside_graph()(call, inputs, variables, train, seed)
        if is_autocast_anywhere() and torch.is_autocast_enabled("cpu"):
            inputs = tuple(t.to(p.dtype) if t.is_floating_point() else t for t, p in zip(inputs, island.inputs, strict=True))
        if island.allow_device_copy and any(t.device.type != "cpu" for t in inputs):
            return _on_device(island, inputs, variables, train, seed)
        if are_transforms_active():
            refuse_transforms()
        tensors = inputs + variables
        if forward_ad._current_level >= 0:
            refuse_tangents(tensors)
        if is_grad_enabled():
            for tensor in tensors:
                if tensor.requires_grad:
                    return training(seed, *tensors) if train else testing(seed, *tensors)
        flags = TRAIN if train else 0
        try:
            return island.forward(tensors, flags, seed)
        except MendableError:
            return island.mended_forward(tensors, flags, seed)[0]

    return call


def _on_device(
    island: Island, inputs: tuple[Tensor, ...], variables: tuple[Tensor, ...], train: bool, seed: int
) -> tuple[Tensor, ...]:
    device = next(t.device for t in inputs if t.device.type != "cpu")
    copies = island.session.copies

    def here(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(t if t.device.type == "cpu" else copies.count(t.cpu()) for t in tensors)

    passed = here(variables)
    outputs = island.call(here(inputs), passed, train, seed)
    if train:
        first = island.first_buffer - len(island.inputs)
        bring_back(variables[first:], passed[first:])
    return tuple(copies.count(t.to(device)) for t in outputs)


def bring_back(buffers: Sequence[Tensor], passed: Sequence[Tensor]) -> None:
    """Give buffers that were passed as copies what Julia wrote to the copies."""
    with torch.no_grad():
        for buffer, copy in zip(buffers, passed, strict=True):
            if buffer is not copy:
                buffer.copy_(copy)


def _where(places: Sequence[Place], condition: Callable[[Place], bool]) -> tuple[int, ...]:
    return tuple(k for k, place in enumerate(places) if condition(place))


@cache
def _outside_graph() -> Callable[..., tuple[Tensor, ...]]:
    """Calls an island where torch.compile ends its graph and starts another behind it.

    Made when it is needed: the compiler takes seconds to import.
    """

    def run(call: Callable[..., tuple[Tensor, ...]], *arguments: Any) -> tuple[Tensor, ...]:
        return call(*arguments)

    return torch.compiler.disable(run)  # type: ignore[no-any-return]

"""An island: a fragment of a plan, loaded in Julia and called with tensors.

This is the hot path of diagram-bridge. What can be checked in Julia, where a check costs nanoseconds, is checked there;
the status UNSUPPORTED sends a call to the slow path, which mends its tensors or refuses them by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bridge.errors import UnsupportedError
from bridge.julia.crossing import cross
from bridge.julia.ownership import Held, borrow
from bridge.julia.structures import (
    ABSENT,
    ALIAS,
    APPLICATION,
    DATA,
    FILLED,
    KIND,
    OK,
    SEED,
    SLOTS_OFFSET,
    TAPE,
    TAPE_OFFSET,
    TRAIN,
    UNSUPPORTED,
    VALUE,
    Frame,
    slot,
)
from bridge.julia.tensors import PLAIN, MendableError, mend

if TYPE_CHECKING:
    from bridge.julia.session import Session

__all__ = ["Island", "Place"]


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

    def room(self, batch: int) -> Tensor | None:
        """Memory for Julia to write into, or `None` where it is to use its own."""
        if not self.filled or self.sizes is None:
            return None
        return torch.empty((batch, *self.sizes) if self.batched else self.sizes, dtype=self.dtype)


class Island:
    """A fragment loaded in a Julia session; calling it gives its outputs, differentiable by autograd.

    A tensor that can't be shared as it is (not contiguous, not 16-byte aligned, a lazily negated view) is copied, and the
    copy counted; anything else is refused by name.
    """

    def __init__(self, session: Session, held: Held, inputs: Sequence[Place], parameters: Sequence[Place],
                 outputs: Sequence[Place], *, allow_device_copy: bool = False) -> None:
        self.session = session
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.arguments = (*inputs, *parameters)
        self.allow_device_copy = allow_device_copy
        self.retained_arguments = tuple(k for k, place in enumerate(self.arguments) if place.retained)
        self.retained_outputs = tuple(k for k, place in enumerate(self.outputs) if place.retained)
        self.discrete_outputs = tuple(k for k, place in enumerate(self.outputs) if not place.dtype.is_floating_point)
        self._held = held
        self._id = held.id
        self._forward_frames: list[Frame] = []
        self._backward_frames: list[Frame] = []

    def __call__(self, inputs: tuple[Tensor, ...], parameters: tuple[Tensor, ...], *, train: bool, seed: int = 0,
                 application: int = 0) -> tuple[Tensor, ...]:
        """The island's outputs for a batch.

        `inputs` are (N, …) tensors of the inputs' spaces, `parameters` those of its components in order. Gradients flow
        to each of them that requires one. Raises JuliaError for an exception in Julia, UnsupportedError for what an
        island refuses, JuliaUnavailable in another thread or a forked child.
        """
        if torch.compiler.is_compiling():
            return _outside_graph(self, inputs, parameters, train, seed, application)
        if torch.is_autocast_enabled("cpu"):
            inputs = tuple(t.to(p.dtype) if t.is_floating_point() else t for t, p in zip(inputs, self.inputs, strict=True))
        flags = TRAIN if train else 0
        if self.allow_device_copy and any(t.device.type != "cpu" for t in inputs):
            return self._on_device(inputs, parameters, flags, seed, application)
        return cross(self, inputs + parameters, flags, seed, application)

    def forward(self, tensors: Sequence[Tensor], flags: int, seed: int, application: int) -> tuple[tuple[Tensor, ...], int]:
        """The outputs, and the id of the tape that the flag GRAD asks for.

        Raises MendableError where a tensor can't be passed as it is.
        """
        session = self.session
        session.prepare()
        for tensor in tensors:
            if type(tensor) not in PLAIN or tensor.is_neg():
                raise MendableError
        frame = self._forward_frames.pop() if self._forward_frames else Frame(len(self.outputs))
        try:
            words = frame.words
            words[0], words[SEED], words[APPLICATION], words[TAPE] = flags, seed, application, 0
            batch = tensors[0].shape[0] if self.inputs and tensors[0].dim() else 0
            room = [place.room(batch) for place in self.outputs]
            _offer(frame, room)
            status = session.call_forward(
                self._id, frame.address, tensors, len(self.outputs), frame.address + SLOTS_OFFSET, frame.address + TAPE_OFFSET)
            if status != OK:
                raise MendableError if status == UNSUPPORTED else session.failure(status)
            return self._take(frame, room, tensors), words[TAPE]  # type: ignore[return-value]
        finally:
            self._forward_frames.append(frame)

    def backward(self, tape: int, gradients: Sequence[Tensor | None], needs: tuple[bool, ...],
                 batch: int) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs and parameters that `needs` asks for, given those of the outputs.

        Raises MendableError where a gradient can't be passed as it is.
        """
        session = self.session
        session.prepare()
        for gradient in gradients:
            if gradient is not None and (type(gradient) not in PLAIN or gradient.is_neg()):
                raise MendableError
        frame = self._backward_frames.pop() if self._backward_frames else Frame(len(self.arguments))
        try:
            room = [place.room(batch) if need else None for place, need in zip(self.arguments, needs, strict=True)]
            _offer(frame, room)
            status = session.call_backward(self._id, tape, gradients, len(needs), frame.address + SLOTS_OFFSET, bytes(needs))
            if status != OK:
                raise MendableError if status == UNSUPPORTED else session.failure(status)
            return self._take(frame, room, gradients)
        finally:
            self._backward_frames.append(frame)

    def mend(self, tensors: Sequence[Tensor | None], what: str) -> tuple[Tensor | None, ...]:
        """The tensors, some of them copied so that they can be passed; raises UnsupportedError for one that can't be."""
        mended = mend(tensors, what, self.session.copies)
        if all(a is b for a, b in zip(mended, tensors, strict=True)):
            raise UnsupportedError(what, "a tensor that Julia can share", "a refusal by DLPack's exchange functions")
        return mended

    def _take(self, frame: Frame, room: list[Tensor | None], passed: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
        """What Julia answered with: the room it filled, tensors that were passed, and tensors over memory of its own."""
        words = frame.words
        taken: list[Tensor | None] = []
        for k, tensor in enumerate(room):
            kind, value = words[slot(k) + KIND], words[slot(k) + VALUE]
            if kind == ABSENT:
                tensor = None
            elif kind != FILLED:
                shape = frame.shape(k)
                if kind == ALIAS:
                    tensor = passed[value]
                    assert tensor is not None
                    if tensor.shape != shape:
                        tensor = tensor.view(shape)
                else:
                    owner = Held(value, self.session.released)
                    tensor = borrow(words[slot(k) + DATA], shape, frame.data_type(k), owner)
            taken.append(tensor)
        return tuple(taken)

    def _on_device(self, inputs: tuple[Tensor, ...], parameters: tuple[Tensor, ...], flags: int, seed: int,
                   application: int) -> tuple[Tensor, ...]:
        device = next(t.device for t in inputs if t.device.type != "cpu")
        tensors = tuple(t if t.device.type == "cpu" else self.session.copies.count(t.cpu()) for t in inputs + parameters)
        outputs = cross(self, tensors, flags, seed, application)
        return tuple(self.session.copies.count(t.to(device)) for t in outputs)


def _offer(frame: Frame, room: list[Tensor | None]) -> None:
    words = frame.words
    for k, tensor in enumerate(room):
        start = slot(k)
        if tensor is None:
            words[start + DATA] = 0
        else:
            words[start + DATA] = tensor.data_ptr()
            words[start + VALUE] = tensor.nbytes


@torch.compiler.disable
def _outside_graph(island: Island, inputs: tuple[Tensor, ...], parameters: tuple[Tensor, ...], train: bool, seed: int,
                   application: int) -> tuple[Tensor, ...]:
    """torch.compile ends its graph here and starts another behind it."""
    return island(inputs, parameters, train=train, seed=seed, application=application)

"""Islands that torch runs and Julia calls: a function of tensors between memory of Julia's, with its tape in autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from weakref import ref

import torch
from torch import Tensor

from bridge.errors import BindingError, BridgeError, UnsupportedError
from bridge.julia.described import (
    Described,
    Loan,
    answer_absent,
    answer_alias,
    answer_owned,
    bytes_at,
    described,
    span,
    words_at,
)
from bridge.julia.structures import CONSTANT, GRAD, MODE_SIZE, ONCE, SEEDED, SLOT_SIZE, TRAIN
from bridge.julia.tensors import Copies, mend_one
from bridge.julia.torch_components import Instance
from bridge.schema.generated import control_pb2 as control
from bridge.torch.application import in_mode, tree
from bridge.torch.fragment import FragmentProgram
from bridge.torch.seeds import WORD, seeded

__all__ = ["Lender", "TorchIsland", "TorchTape"]

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: neighbouring numbers become distant seeds


class Lender(Protocol):
    """Who knows what is lent to Julia; `known` are tensors of torch's by the address of Julia's arrays over them."""

    known: dict[int, Tensor]
    copies: Copies


class TorchTape:
    """What one call leaves for its way back, what it borrowed of Julia, and what it lends: the results.

    Julia keeps what it lent until the tape is let go, and lets go of the tape when it does not need the results any more.
    """

    __slots__ = ("inputs", "lent", "loan", "memory", "number", "once", "outputs", "parameters", "versions")

    def __init__(self, number: int) -> None:
        self.number = number
        self.lent: list[Tensor] = []
        self.loan: Loan | None = Loan()
        self.memory = ref(self.loan)
        self.inputs: Sequence[Tensor] = ()
        self.parameters: Sequence[Tensor] = ()
        self.outputs: Sequence[Tensor] = ()
        self.versions: Sequence[int] = ()
        self.once = False

    def drop(self, known: dict[int, Tensor]) -> None:
        """Let go of the graph and of the results."""
        for tensor in self.lent:
            if known.get(tensor.data_ptr()) is tensor:
                del known[tensor.data_ptr()]
        self.lent = []
        self.loan, self.inputs, self.parameters, self.outputs = None, (), (), ()

    def is_busy(self) -> bool:
        """Whether some tensor still looks at memory of Julia's: a module may have kept its input."""
        return self.memory() is not None


class TorchIsland:
    """A function of tensors that Julia calls: a fragment of a plan, or one module.

    `run(inputs, train, seed)` gives the outputs. `inputs` and `outputs` are their numbers; None where they may vary, as of
    a module that is called with whatever it is given.
    """

    def __init__(
        self,
        element: str,
        run: Callable[[Sequence[Tensor], bool, int], Sequence[Tensor]],
        inputs: int | None,
        outputs: int | None,
        instances: Sequence[Instance],
    ) -> None:
        self.element = element
        self.run = run
        self.inputs, self.outputs = inputs, outputs
        self.parameters = [held for instance in instances for held in instance.parameters()]

    @classmethod
    def of_fragment(cls, request: control.Load, instances: Sequence[Instance]) -> TorchIsland:
        """The island of a fragment with the instances of its components."""
        modules = {c.name: i.module for c, i in zip(request.fragment.components, instances, strict=True)}
        program = FragmentProgram(request.fragment, modules, request.constant_buffers)
        return cls(program.element, program.run, len(program.inputs), len(program.outputs), instances)

    @classmethod
    def of_module(cls, instance: Instance) -> TorchIsland:
        """A module as a function of any inputs, in the mode that Julia asks for."""
        module = instance.module

        def run(inputs: Sequence[Tensor], train: bool, seed: int) -> Sequence[Tensor]:
            with in_mode(tree(module), train):
                made = module(*inputs)
            return made if isinstance(made, (tuple, list)) else (made,)

        return cls(instance.name, run, None, None, [instance])

    def describe(self, number: int) -> control.Loaded:
        """The answer to Julia. All results lie in torch's memory, and a tape may refer to anything."""
        outputs, arguments = self.outputs or 0, (self.inputs or 0) + len(self.parameters)
        return control.Loaded(
            island=number,
            outputs_filled=[False] * outputs,
            gradients_filled=[False] * arguments,
            inputs_retained=[True] * arguments,
            outputs_retained=[True] * outputs,
        )

    def forward(self, tape: TorchTape, mode: int, n_in: int, in_: int, n_out: int, out: int, lender: Lender) -> None:
        """Run on what is described at `in_`, answer the slots at `out`, and fill the tape.

        Raises what components raise, and with the name of what it is about: BatchError for an output that does not fit its
        space, BindingError for a parameter that is not where Julia has it, UnsupportedError for what can't be shared.
        """
        n = n_in - len(self.parameters)
        if self.inputs not in (None, n):
            raise BridgeError(self.element, f"{self.inputs} inputs", str(n))
        arguments = described(in_, n_in)
        self._check_parameters(arguments[n:])
        flags, seed, application = words_at(mode, MODE_SIZE // 8)
        assert tape.loan is not None
        tape.once = bool(flags & ONCE)
        with torch.inference_mode(False), torch.set_grad_enabled(bool(flags & GRAD)):
            inputs = [x for x in _tensors(arguments[:n], tape.loan, lender) if x is not None]
            if flags & GRAD and not flags & CONSTANT:
                inputs = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
            outputs = self._run(inputs, flags, seed, application)
            outputs = [mend_one(y, f"{self.element}, output {k}", lender.copies) for k, y in enumerate(outputs)]
        if len(outputs) > n_out or self.outputs not in (None, len(outputs)):
            raise BridgeError(self.element, f"{n_out} outputs", str(len(outputs)))
        tape.inputs, tape.outputs = inputs, outputs
        tape.parameters = [held.tensor for held in self.parameters]
        tape.versions = [y._version for y in outputs]
        answers = [*outputs, *[None] * (n_out - len(outputs))]
        _answer(answers, [*inputs, *tape.parameters], words_at(out, n_out * SLOT_SIZE // 8), tape, lender)

    def backward(self, tape: TorchTape, n_out: int, dout: int, n_in: int, din: int, needs: int, lender: Lender) -> None:
        """Answer the slots at `din` with those gradients that `needs` asks for, from those described at `dout`."""
        if [y._version for y in tape.outputs] != list(tape.versions):
            raise UnsupportedError(self.element, "outputs that nobody writes to", "a change in place")
        assert tape.loan is not None
        asked = bytes_at(needs, n_in)
        with torch.inference_mode(False), torch.no_grad():
            gradients = _tensors(described(dout, n_out), tape.loan, lender)
            found = _differentiate(tape, gradients, [bool(asked[k]) for k in range(n_in)])
            results = [
                None if g is None else mend_one(g, f"{self.element}, gradient of {self._argument(k, n_in)}", lender.copies)
                for k, g in enumerate(found)
            ]
        _answer(results, gradients, words_at(din, n_in * SLOT_SIZE // 8), tape, lender)

    def _run(self, inputs: Sequence[Tensor], flags: int, seed: int, application: int) -> Sequence[Tensor]:
        before = [x._version for x in inputs]
        if flags & SEEDED:
            with seeded(seed ^ application * GOLDEN):
                outputs = self.run(inputs, bool(flags & TRAIN), seed % WORD)
        else:
            outputs = self.run(inputs, bool(flags & TRAIN), seed % WORD)
        if [x._version for x in inputs] != before:
            raise UnsupportedError(self.element, "modules that leave their inputs as they are", "a change in place")
        return outputs

    def _check_parameters(self, arguments: Sequence[Described | None]) -> None:
        for held, argument in zip(self.parameters, arguments, strict=True):
            if argument is None or not held.lies_at(argument.address):
                expected = "to be where it was when the objective was compiled"
                raise BindingError(held.element, expected, "another parameter, or other memory")

    def _argument(self, k: int, n_in: int) -> str:
        inputs = n_in - len(self.parameters)
        return f"input {k}" if k < inputs else self.parameters[k - inputs].element


def _differentiate(tape: TorchTape, gradients: Sequence[Tensor | None], asked: Sequence[bool]) -> list[Tensor | None]:
    """The gradients of a tape's inputs and parameters that are asked for, from those of its outputs."""
    arguments = (*tape.inputs, *tape.parameters)
    places = [k for k, x in enumerate(arguments) if asked[k] and x.requires_grad]
    came = [(y, d) for y, d in zip(tape.outputs, gradients, strict=False) if d is not None and y.requires_grad]
    found: list[Tensor | None] = [None] * len(arguments)
    if places and came:
        outputs, given = zip(*came, strict=True)
        targets = [arguments[k] for k in places]
        made = torch.autograd.grad(outputs, targets, given, retain_graph=not tape.once, allow_unused=True)
        for k, gradient in zip(places, made, strict=True):
            found[k] = gradient
    return found


def _tensors(arguments: Sequence[Described | None], loan: Loan, lender: Lender) -> list[Tensor | None]:
    """A tensor over the memory of each. What lies exactly over a tensor of torch's is a view of it: autograd would go wrong
    silently where two storages lie over one memory.
    """
    found: list[Tensor | None] = []
    borrowed: dict[int, Tensor] = {}
    for argument in arguments:
        if argument is None:
            found.append(None)
            continue
        known = lender.known.get(argument.address, borrowed.get(argument.address))
        if known is not None and span(known) == argument.span and known.dtype is argument.dtype:
            found.append(known.detach().view(argument.shape))
            continue
        tensor = argument.borrow(loan)
        borrowed[argument.address] = tensor
        found.append(tensor)
    return found


def _answer(
    results: Sequence[Tensor | None], passed: Sequence[Tensor | None], slots: Any, tape: TorchTape, lender: Lender
) -> None:
    """Answer each slot: one of the tensors that were passed, or torch's own memory. Part of what was passed is copied."""
    spans = [None if x is None else span(x) for x in passed]
    for k, result in enumerate(results):
        if result is None:
            answer_absent(slots, k)
            continue
        if not result.numel():
            answer_owned(slots, k, result, 0)
            continue
        own = span(result)
        number = spans.index(own) if own in spans else None
        if number is not None:
            same = passed[number]
            assert same is not None
            answer_alias(slots, k, number, result.shape, same.shape)
            continue
        data = result.detach()
        if any(other is not None and own.overlaps(other) for other in spans):
            data = lender.copies.count(data.clone())
        tape.lent.append(data)
        lender.known[data.data_ptr()] = data
        answer_owned(slots, k, data, tape.number)

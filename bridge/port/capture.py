"""What a PyTorch module does, as operators: `torch.export` twice, in train and in test mode, for batches of two sizes.

Export runs the module's `forward` on tensors without numbers and writes down every ATen operator. It keeps the large
ones (`batch_norm`, `lstm`, `scaled_dot_product_attention`) whole. The two programs have to be the same, up to the flags
that say which mode it is, and up to sizes: one that is twice the batch in both is twice the batch, whatever the module
computed it with.
"""

from __future__ import annotations

import io
import linecache
import logging
import operator
import os
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind
from torch.nn.modules import transformer
from torch.utils._pytree import tree_leaves

from bridge.errors import PortError
from bridge.port.sizes import Size
from bridge.port.sketch import Origin, Value
from bridge.torch.batch import DTYPES

__all__ = ["Capture", "capture", "origin"]

PAIRS = ((2, 61), (23, 67), (29, 71), (31, 73), (37, 79), (41, 83), (43, 89), (47, 97))
"""Sizes of the batch and of variable axes in the two programs. A ratio of two sizes says which of them are in it."""


SAME = "the same operators in train and test mode, for batches of any size"


@dataclass(frozen=True)
class Capture:
    """A module's program in train mode.

    `arguments` has each operator's, by their names in its schema; numbers that depend on the batch are `Size`s, and
    `shapes` are those of the tensors it returns. `flags` has, for an argument that is not the same in both modes, its
    values in train and in test mode. `parameters`, `buffers` and `constants` are the placeholders besides `inputs`.
    """

    nodes: Sequence[fx.Node]
    inputs: Sequence[fx.Node]
    outputs: Sequence[Any]
    parameters: Mapping[fx.Node, str]
    buffers: Mapping[fx.Node, str]
    constants: Mapping[fx.Node, Tensor]
    arguments: Mapping[fx.Node, Mapping[str, Any]]
    shapes: Mapping[fx.Node, Sequence[tuple[Size, ...]]]
    flags: Mapping[tuple[fx.Node, str], tuple[object, object]]


def capture(module: nn.Module, inputs: Sequence[Value]) -> Capture:
    """The program of a module for batches of such values. The module's modes are put back.

    Raises PortError where export fails (an exception in `forward`, a program that depends on the numbers), and where train
    and test mode differ by more than flags.
    """
    variables = list(dict.fromkeys(["", *(size for value in inputs for size in value.shape if isinstance(size, str))]))
    if len(variables) > len(PAIRS):
        raise PortError("the module itself", f"at most {len(PAIRS) - 1} variable axes", f"{len(variables) - 1}")
    sizes = {name: pair for name, pair in zip(variables, PAIRS, strict=False)}
    modes = {part: part.training for part in module.modules()}
    try:
        module.train()
        train = _export(module, _examples(inputs, {name: pair[0] for name, pair in sizes.items()}))
        module.eval()
        test = _export(module, _examples(inputs, {name: pair[1] for name, pair in sizes.items()}))
    finally:
        for part, mode in modes.items():
            part.training = mode
    return _Comparison(train, test, sizes).capture()


def _examples(inputs: Sequence[Value], sizes: Mapping[str, int]) -> tuple[Tensor, ...]:
    return tuple(
        torch.zeros(sizes[""], *(sizes[n] if isinstance(n, str) else n for n in value.shape), dtype=DTYPES[value.data_type])
        for value in inputs
    )


def _export(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    try:
        with warnings.catch_warnings(), _whole_attention(), _quiet():
            warnings.simplefilter("ignore")
            return torch.export.export(module, inputs)
    except PortError:
        raise
    except Exception as error:  # whatever `forward` raises, and export's own errors of many types
        raise _refusal(error) from error


def _refusal(error: Exception) -> PortError:
    text = str(error)
    frames = [(f.filename, f.lineno or 0, f.line or "") for f in traceback.extract_tb(error.__traceback__)]
    frames += [(file, int(line), code) for file, line, code in re.findall(FRAME, text)]
    source = _user_line(frame for frame in frames if "bridge/port" not in frame[0])
    expected, found = "a forward that does not depend on the numbers", "a decision on them"
    if "data-dependent" not in text:
        line = next((line for line in text.splitlines() if line.strip()), "no message")
        expected, found = "a module that torch.export takes", f"{type(error).__name__}: {line[:300]}"
    return PortError("the module itself", expected, found, source)


@contextmanager
def _whole_attention() -> Iterator[None]:
    """Without the fused kernels that nn.MultiheadAttention and nn.TransformerEncoder take in test mode.

    And without nn.TransformerEncoder's look at the numbers of a mask, whose answer only chooses among kernels.
    """
    before, detect = torch.backends.mha.get_fastpath_enabled(), transformer._detect_is_causal_mask
    torch.backends.mha.set_fastpath_enabled(False)
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
        transformer._detect_is_causal_mask = detect


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what export logs and prints of a failure, which is raised as well, and without its trace of every tensor."""
    logs = [logging.getLogger(name) for name in ("torch.fx.experimental.symbolic_shapes", "torch.__trace")]
    before = [log.disabled for log in logs]
    try:
        for log in logs:
            log.disabled = True
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        for log, disabled in zip(logs, before, strict=True):
            log.disabled = disabled


class _Comparison:
    """Two programs of one module that should be the same."""

    def __init__(self, train: Any, test: Any, sizes: Mapping[str, tuple[int, int]]) -> None:
        self.train, self.test, self.sizes = train, test, sizes
        self.flags: dict[tuple[fx.Node, str], tuple[object, object]] = {}
        self.twins: dict[fx.Node, fx.Node] = {}
        self.node: fx.Node | None = None

    def capture(self) -> Capture:
        """The program in train mode, with what the comparison says."""
        placeholders = [node for node in self.train.graph.nodes if node.op == "placeholder"]
        others = [node for node in self.test.graph.nodes if node.op == "placeholder"]
        self.twins.update(zip(placeholders, others, strict=True))
        by_kind: dict[InputKind, dict[fx.Node, str]] = {}
        for node, spec in zip(placeholders, self.train.graph_signature.input_specs, strict=True):
            by_kind.setdefault(spec.kind, {})[node] = spec.target
        constants = by_kind.pop(InputKind.CONSTANT_TENSOR, {})
        found = [by_kind.pop(kind, {}) for kind in (InputKind.USER_INPUT, InputKind.PARAMETER, InputKind.BUFFER)]
        if by_kind:
            kinds = ", ".join(kind.name.lower() for kind in by_kind)
            raise PortError("the module itself", "inputs, parameters and buffers that are tensors", kinds)
        nodes, arguments = list(_calls(self.train.graph)), self._arguments()
        (output,) = self.train.graph.find_nodes(op="output")
        return Capture(
            nodes,
            list(found[0]),
            tree_leaves(output.args[0]),
            found[1],
            found[2],
            {node: self.train.constants[name] for node, name in constants.items()},
            arguments,
            {node: self._shapes(node) for node in nodes},
            self.flags,
        )

    def _arguments(self) -> dict[fx.Node, dict[str, Any]]:
        found: dict[fx.Node, dict[str, Any]] = {}
        ones, twos = list(_calls(self.train.graph)), list(_calls(self.test.graph))
        for one, two in zip(ones, twos, strict=False):
            self.node = one
            if not isinstance(one.target, torch._ops.OpOverload) and one.target is not operator.getitem:
                self._refuse("an operator of the portable layers", getattr(one.target, "__name__", str(one.target)))
            if one.target is not two.target:
                self._refuse(SAME, f"{one.target} in train mode and {two.target} in test mode")
            here, there = _named(one), _named(two)
            found[one] = {name: self._same(name, value, there[name]) for name, value in here.items()}
            self.twins[one] = two
        if len(ones) != len(twos):
            self.node = ones[len(twos)] if len(ones) > len(twos) else twos[len(ones)]
            self._refuse(SAME, f"{self.node.target} in one of them alone")
        return found

    def _same(self, name: str, one: Any, two: Any) -> Any:
        """An argument of both programs: what depends on the batch as a `Size`."""
        if isinstance(one, fx.Node):
            if self.twins.get(one) is not two:
                self._refuse(SAME, f"another {name} in test mode")
            return one
        if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)) and len(one) == len(two):
            return [self._same(name, a, b) for a, b in zip(one, two, strict=True)]
        if type(one) is type(two) and one == two:
            return one
        assert self.node is not None
        if type(one) is int and type(two) is int and (size := self._size(one, two)) is not None:
            return size
        if not isinstance(one, (bool, float)) or not isinstance(two, (bool, float)):
            self._refuse(SAME, f"{name}={one} in train mode and {two} in test mode")
        self.flags[self.node, name] = (one, two)
        return one

    def _shapes(self, node: fx.Node) -> list[tuple[Size, ...]]:
        both = (node, self.twins[node])
        here, there = ([x for x in tree_leaves(n.meta.get("val")) if isinstance(x, Tensor)] for n in both)
        return [
            tuple(self._size(one, two) or Size(0) for one, two in zip(a.shape, b.shape, strict=True))
            for a, b in zip(here, there, strict=True)
        ]

    def _size(self, one: int, two: int) -> Size | None:
        """The size that is `one` in the first program and `two` in the second; None for one that is no product."""
        if one == two:
            return Size(one)
        if one <= 0 or two <= 0:
            return None
        ratio, variables = Fraction(one, two), []
        for name, pair in self.sizes.items():
            while ratio.denominator % pair[1] == 0:
                ratio /= Fraction(*pair)
                variables.append(name)
                one //= pair[0]
        return Size(one, tuple(sorted(variables))) if ratio == 1 and one > 0 else None

    def _refuse(self, expected: str, found: str) -> NoReturn:
        assert self.node is not None
        place = origin(self.node)
        element = f"module '{place.module}'" if place.module else "the module itself"
        raise PortError(f"{element}, operator {place.operator}", expected, found, place.source)


def _calls(graph: fx.Graph) -> Iterator[fx.Node]:
    """The operators, without counters of batches that nothing reads and without checks."""
    for node in graph.nodes:
        if node.op == "call_function" and not _is_counter(node) and not str(node.target).startswith("aten._assert"):
            yield node


def _is_counter(node: fx.Node) -> bool:
    """Whether it counts the batches that a batch norm saw, which no value depends on: in a chain, one step for each call."""
    if not _counts(node) or not all(map(_is_counter, node.users)):
        return False
    first = node.args[0]
    while isinstance(first, fx.Node) and _counts(first) and len(first.users) == 1:
        first = first.args[0]
    return (
        isinstance(first, fx.Node)
        and first.op == "placeholder"
        and not first.meta["val"].dtype.is_floating_point
        and len(first.users) == 1
    )


def _counts(node: fx.Node) -> bool:
    return str(node.target) == "aten.add_.Tensor"


def _named(node: fx.Node) -> dict[str, Any]:
    """An operator's arguments by their names in its schema, defaults filled in."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return {str(place): value for place, value in enumerate(node.args)}
    schema = node.target._schema.arguments
    found = {row.name: row.default_value for row in schema if row.has_default_value()}
    found.update({row.name: value for row, value in zip(schema, node.args, strict=False)})
    found.update(node.kwargs)
    return found


def origin(node: fx.Node) -> Origin:
    """Where in the module an operator is."""
    stack = node.meta.get("nn_module_stack") or {"": ("", None)}
    module, _ = list(stack.values())[-1]
    frames = re.findall(FRAME, node.meta.get("stack_trace") or _inner_trace(node))
    source = _user_line((file, int(line), code) for file, line, code in frames)
    name = str(node.target) if isinstance(node.target, torch._ops.OpOverload) else getattr(node.target, "__name__", "")
    return Origin(tuple(stack), module, name, source)


def _inner_trace(node: fx.Node) -> str:
    """Where the first operator is of a graph that an operator runs, such as that of a `with` block."""
    owner = node.graph.owning_module
    for given in node.args:
        inner = getattr(owner, str(given.target), None) if isinstance(given, fx.Node) and given.op == "get_attr" else None
        for part in inner.graph.nodes if isinstance(inner, fx.GraphModule) else ():
            if part.meta.get("stack_trace"):
                return str(part.meta["stack_trace"])
    return ""


FRAME = r'File "([^"]+)", line (\d+), in \S+\n\s+(.+)'


def _user_line(frames: Any) -> str:
    """The innermost of these frames that is not in torch."""
    inside = os.path.dirname(torch.__file__)
    mine = [frame for frame in frames if not frame[0].startswith((inside, os.path.dirname(os.__file__), "<"))]
    if not mine:
        return ""
    file, line, code = mine[-1]
    return f"{os.path.basename(file)}:{line}: {code.strip() or linecache.getline(file, line).strip()}"


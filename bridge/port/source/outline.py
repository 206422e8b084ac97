"""What a script has to say of a layer graph: classes of modules with members, and what each does with its inputs.

A graph's names ("encoder:0:up") are a tree; each branch whose nodes stand together becomes a class, and branches that
are alike up to numbers become one class with arguments. Nothing here depends on the language of the script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import nn

from bridge.diagram.ir import LayerGraph, Node
from bridge.layers.definition import Shape
from bridge.port.calls import Call
from bridge.port.naming import path
from bridge.port.source.names import Names, identifier

MODULE_NAMES = frozenset(dir(nn.Module))

__all__ = [
    "MODULE_NAMES",
    "Class",
    "Instance",
    "Leaf",
    "Member",
    "Reference",
    "Sequence_",
    "Step",
    "argument_names",
    "module_paths",
    "outline",
]

Reference: TypeAlias = "tuple[int, int]"
"""A value in a class: (-1, k) is its input k, (n, k) is output k of its step n."""


@dataclass(eq=False)
class Leaf:
    """A node. `call` makes the module that holds its parameters; None for a mere function."""

    node: Node
    call: Call | None
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


@dataclass(eq=False)
class Sequence_:
    """Modules one after the other, without a class of their own."""

    members: list[Member]


@dataclass(eq=False)
class Instance:
    """A class made with these arguments."""

    of: Class
    arguments: dict[str, Any] = field(default_factory=dict)


Member: TypeAlias = "Leaf | Sequence_ | Instance"


@dataclass(eq=False)
class Step:
    """A member of a class at work. `place` is what the graph calls it below the class, `name` the script.

    `again` is the name of the earlier step whose member works here once more.
    """

    place: str
    name: str
    member: Member
    inputs: tuple[Reference, ...]
    outputs: int
    again: str | None = None

    @property
    def held(self) -> bool:
        """Whether the class has the member in a field of this step's name."""
        return self.again is None and not (isinstance(self.member, Leaf) and self.member.call is None)


@dataclass(eq=False)
class Class:
    """A branch of a graph's names: steps in order, and the values that leave it.

    `branch` is the path of the first one that it was made for, `parameters` are the names of its arguments.
    """

    branch: tuple[str, ...]
    inputs: int
    steps: list[Step]
    outputs: tuple[Reference, ...]
    parameters: list[str] = field(default_factory=list)


def outline(graph: LayerGraph, shapes: Sequence[Shape], call: Callable[[Node, tuple[Shape, ...]], Call | None]) -> Class:
    """The class of a whole graph. `shapes` are those of all its values; `call` says what makes a node's module."""
    return _Builder(graph, shapes, call).branch((), range(len(graph.nodes)), list(graph.outputs))


class _Builder:
    def __init__(
        self, graph: LayerGraph, shapes: Sequence[Shape], call: Callable[[Node, tuple[Shape, ...]], Call | None]
    ) -> None:
        self.graph, self.shapes, self.call = graph, shapes, call
        self.paths = [path(node.name) for node in graph.nodes]
        self.firsts = []
        count = graph.inputs
        for node in graph.nodes:
            self.firsts.append(count)
            count += node.outputs
        self.readers: dict[int, list[int]] = {}
        for place, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.readers.setdefault(value, []).append(place)

    def branch(self, prefix: tuple[str, ...], places: range, outputs: list[int]) -> Class:
        """The class of the nodes at these places, whose values these leave it."""
        inputs: list[int] = list(range(self.graph.inputs)) if not prefix else self._taken(places)
        known: dict[int, Reference] = {value: (-1, k) for k, value in enumerate(inputs)}
        steps: list[Step] = []
        names = Names(MODULE_NAMES)
        for part, own in self._parts(prefix, places):
            made = self._made(own)
            member: Member
            if isinstance(part, tuple):
                leaving = [value for value in made if self._leaves(value, own, outputs)]
                inner = self.branch(part, own, leaving)
                taken, member, name = self._taken(own), _sequence(inner) or Instance(inner), "_".join(part[len(prefix) :])
            else:
                node = self.graph.nodes[own[0]]
                leaving, taken, member = made, list(node.inputs), self._leaf(own[0])
                name = "_".join(self.paths[own[0]][len(prefix) :])
            place = name
            if not isinstance(member, Leaf) or member.call is not None:
                name = names.new(identifier(name))
            steps.append(Step(place, name, member, tuple(known[value] for value in taken), len(leaving)))
            known.update((value, (len(steps) - 1, k)) for k, value in enumerate(leaving))
        return Class(prefix, len(inputs), steps, tuple(known[value] for value in outputs))

    def _parts(self, prefix: tuple[str, ...], places: range) -> Iterator[tuple[Any, range]]:
        """Nodes by themselves, and the branches below `prefix` that are worth a class."""
        depth, at = len(prefix), places.start
        while at < places.stop:
            heads = (self.paths[at][:length] for length in range(depth + 1, len(self.paths[at])))
            found = next(((head, own) for head in heads if (own := self._whole(head, at, places.stop))), None)
            head, own = found or (None, range(at, at + 1))
            yield head, own
            at = own.stop

    def _whole(self, head: tuple[str, ...], at: int, end: int) -> range | None:
        """The nodes below a prefix, if they are several in a row from a place on, and one of them has a module."""
        stop = at
        while stop < end and self.paths[stop][: len(head)] == head and len(self.paths[stop]) > len(head):
            stop += 1
        whole = sum(own[: len(head)] == head for own in self.paths) == stop - at
        held = any(self._leaf(place).call is not None for place in range(at, stop))
        return range(at, stop) if whole and held and stop - at > 1 else None

    def _leaf(self, place: int) -> Leaf:
        node = self.graph.nodes[place]
        inputs = tuple(self.shapes[value] for value in node.inputs)
        outputs = tuple(self.shapes[self.firsts[place] + k] for k in range(node.outputs))
        return Leaf(node, self.call(node, inputs), inputs, outputs)

    def _made(self, places: range) -> list[int]:
        return [self.firsts[place] + k for place in places for k in range(self.graph.nodes[place].outputs)]

    def _taken(self, places: range) -> list[int]:
        made = set(self._made(places))
        found = dict.fromkeys(v for place in places for v in self.graph.nodes[place].inputs if v not in made)
        return list(found)

    def _leaves(self, value: int, places: range, outputs: Sequence[int]) -> bool:
        return value in outputs or value in self.graph.outputs or any(r not in places for r in self.readers.get(value, ()))


def argument_names(made: Class) -> list[str]:
    """What the arguments of an inner class are called."""
    return ["x"] if made.inputs == 1 else [f"x{place + 1}" for place in range(made.inputs)]


def module_paths(made: Class, first: int = 0) -> dict[str, tuple[str, ...]]:
    """Where the module of each node is, by the node's name: the names of members from the class on.

    A node at which an earlier step's module works again is left out. Members of a sequence are counted from `first`.
    """
    found: dict[str, tuple[str, ...]] = {}

    def visit(member: Member, where: tuple[str, ...]) -> None:
        if isinstance(member, Leaf):
            if member.call is not None:
                found[member.node.name] = where
        elif isinstance(member, Sequence_):
            for place, inner in enumerate(member.members):
                visit(inner, (*where, str(place + first)))
        else:
            found.update((name, (*where, *rest)) for name, rest in module_paths(member.of, first).items())

    for step in made.steps:
        if step.again is None:
            visit(step.member, (step.name,))
    return found


def _sequence(inner: Class) -> Sequence_ | None:
    """The modules of a class that is nothing but one after the other, named "0", "1", …."""
    chained = inner.inputs == 1 and inner.outputs == ((len(inner.steps) - 1, 0),)
    for place, step in enumerate(inner.steps):
        chained &= step.place == str(place) and step.inputs == ((place - 1, 0),) and step.outputs == 1
        chained &= not isinstance(step.member, Leaf) or step.member.node.layer.operation in PLAIN
    return Sequence_([step.member for step in inner.steps]) if chained else None


PLAIN = frozenset(
    {
        *("linear", "relu", "relu6", "sigmoid", "tanh", "silu", "hardsigmoid", "mish", "softplus", "leaky_relu", "elu"),
        *("celu", "gelu", "softmax", "log_softmax", "layer_norm", "batch_norm", "instance_norm", "group_norm", "dropout"),
        *("flatten", "identity", "upsample2d", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"),
        *(f"{kind}_pool{n}d" for kind in ("max", "mean", "adaptive_mean", "adaptive_max") for n in (1, 2)),
    }
)
"""Operations that are a module of one input and one output in every language, and so may stand in a sequence."""

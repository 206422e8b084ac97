"""The diagram in memory: plain, immutable and hashable data that knows nothing of protobuf, torch or Julia.

Elements name each other; terms refer to terms by their place in `Diagram.terms`. A `Diagram` that came from the
builder, a file or an operation is in canonical form (`bridge.diagram.canonical`) and has passed the checker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from bridge.torch.objective import Objective

AttributeValue: TypeAlias = "int | float | str | bool | tuple[int, ...]"
Attributes: TypeAlias = "tuple[tuple[str, AttributeValue], ...]"


def attributes(values: Mapping[str, AttributeValue]) -> Attributes:
    """Sort attributes by name (UTF-8 bytes), with −0.0 stored as 0.0.

    >>> attributes({"out": 3, "bias": True})
    (('bias', True), ('out', 3))
    """
    pairs = ((k, v + 0.0 if isinstance(v, float) else v) for k, v in values.items())
    return tuple(sorted(pairs, key=lambda pair: pair[0].encode()))


Ties: TypeAlias = "tuple[tuple[str, str], ...]"


def ties(pairs: Iterable[tuple[str, str]]) -> Ties:
    """Sort pairs of paths, of a parameter and of its owner, by the first (UTF-8 bytes)."""
    return tuple(sorted(pairs, key=lambda pair: pair[0].encode()))


class DataType(Enum):
    """An element type; the value is the name that torch and NumPy use for it."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"

    @property
    def is_float(self) -> bool:
        """Whether values of this type have gradients."""
        return self in (DataType.FLOAT32, DataType.FLOAT64)


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis of a sample: a size, or the name of a variable that each batch binds."""

    name: str
    size: int | str


@dataclass(frozen=True, slots=True)
class Space:
    """The type of one sample: dtype, named axes in row-major order (no batch axis), and `classes` > 0 for indices."""

    name: str
    data_type: DataType
    axes: tuple[Axis, ...] = ()
    classes: int = 0

    @property
    def is_index(self) -> bool:
        """Whether values are class indices 0 … classes−1."""
        return self.classes > 0

    @property
    def shape(self) -> tuple[int | str, ...]:
        """The sizes of one sample's axes."""
        return tuple(axis.size for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Column:
    """An arrow out of a source into a space."""

    name: str
    space: str


@dataclass(frozen=True, slots=True)
class Source:
    """A data set with its columns, sorted by name."""

    name: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column of that name (`KeyError` if there is none)."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Training(Enum):
    """Whether a component's parameters train, and which mode it runs in."""

    TRAINABLE = "trainable"
    FROZEN = "frozen"
    FROZEN_TRAIN_MODE = "frozen_train_mode"

    @property
    def is_frozen(self) -> bool:
        """Whether the parameters are constants."""
        return self is not Training.TRAINABLE


@dataclass(frozen=True, slots=True)
class Layer:
    """An operation of the portable layer set with its resolved attributes, sorted by name."""

    operation: str
    version: int = 1
    attributes: Attributes = ()

    def __getitem__(self, name: str) -> AttributeValue:
        return dict(self.attributes)[name]


@dataclass(frozen=True, slots=True)
class Node:
    """A layer applied to values of its graph; it makes `outputs` new values."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    outputs: int = 1


@dataclass(frozen=True, slots=True)
class LayerGraph:
    """A straight-line program of layers. Values are numbered: inputs first, then each node's outputs in order.

    `ties` are pairs of paths: a parameter or buffer, and its owner, the one before it that it is.
    """

    inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    ties: Ties = ()


@dataclass(frozen=True, slots=True)
class TorchReference:
    """A PyTorch module, by a name that the caller binds or a `module:Name` that the caller trusts."""

    name: str


@dataclass(frozen=True, slots=True)
class JuliaReference:
    """A Flux model or a native component of the user's, by a name registered in Julia."""

    name: str


Body: TypeAlias = "LayerGraph | TorchReference | JuliaReference"


@dataclass(frozen=True, slots=True)
class Component:
    """What interprets an arrow. Arrows that name the same component share its parameters."""

    name: str
    body: Body
    has_parameters: bool
    training: Training = Training.TRAINABLE


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge from the product of its source spaces to the product of its target spaces."""

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    component: str


@dataclass(frozen=True, slots=True)
class ColumnTerm:
    """A column of a source."""

    source: str
    column: str


@dataclass(frozen=True, slots=True)
class OutputTerm:
    """One output of an arrow applied to terms."""

    arrow: str
    arguments: tuple[int, ...]
    output: int = 0


@dataclass(frozen=True, slots=True)
class DetachTerm:
    """The value of a term, without a gradient to anything below it."""

    argument: int


Term: TypeAlias = "ColumnTerm | OutputTerm | DetachTerm"


def arguments(term: Term) -> tuple[int, ...]:
    """The terms that a term is made of, left to right.

    >>> arguments(OutputTerm("f", (3, 4)))
    (3, 4)
    """
    if isinstance(term, OutputTerm):
        return term.arguments
    return (term.argument,) if isinstance(term, DetachTerm) else ()


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far apart two values are: a row of `bridge.diagram.divergences` with its resolved attributes."""

    name: str
    attributes: Attributes = ()

    def __getitem__(self, name: str) -> AttributeValue:
        return dict(self.attributes)[name]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two parallel terms that should agree; left is the prediction, right the target."""

    name: str
    left: int
    right: int
    divergence: Divergence
    weight: float = 1.0
    mask: int | None = None


class Pairing(Enum):
    """Which paths of a commute are compared."""

    STAR = "star"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Commute:
    """Every path from the start (a source's name, or a term) to the target space agrees.

    `arrows` are in declaration order, which orders the paths. `max_length` counts arrows after the start; 0 is no
    bound.
    """

    name: str
    start: str | int
    target: str
    arrows: tuple[str, ...]
    divergence: Divergence
    weight: float = 1.0
    pairing: Pairing = Pairing.STAR
    max_length: int = 0
    max_paths: int = 4096


@dataclass(frozen=True, slots=True)
class Output:
    """A term that is wanted by name, such as a prediction."""

    name: str
    term: int


@dataclass(frozen=True)
class Diagram:
    """A learning diagram in canonical form (all tables sorted by name, terms in post-order).

    `memo` keeps what is computed from the diagram once, such as its name tables; it is no part of its value.
    """

    name: str
    spaces: tuple[Space, ...] = ()
    sources: tuple[Source, ...] = ()
    components: tuple[Component, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    terms: tuple[Term, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    commutes: tuple[Commute, ...] = ()
    outputs: tuple[Output, ...] = ()
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "memo": {}}

    def space(self, name: str) -> Space:
        """The space of that name (`KeyError` if there is none)."""
        return _named(self, "spaces", self.spaces)[name]

    def source(self, name: str) -> Source:
        """The source of that name (`KeyError` if there is none)."""
        return _named(self, "sources", self.sources)[name]

    def column(self, source: str, name: str) -> Column:
        """The column of that source and name (`KeyError` if there is none)."""
        columns: dict[tuple[str, str], Column] | None = self.memo.get("columns")
        if columns is None:
            columns = self.memo["columns"] = {(s.name, c.name): c for s in self.sources for c in s.columns}
        return columns[source, name]

    def component(self, name: str) -> Component:
        """The component of that name (`KeyError` if there is none)."""
        return _named(self, "components", self.components)[name]

    def arrow(self, name: str) -> Arrow:
        """The arrow of that name (`KeyError` if there is none)."""
        return _named(self, "arrows", self.arrows)[name]

    def output(self, name: str) -> Output:
        """The output of that name (`KeyError` if there is none)."""
        return _named(self, "outputs", self.outputs)[name]

    def glue(self, other: Diagram, along: Mapping[str, Any] | None = None, **options: Any) -> Diagram:
        """Both diagrams as one, with what they share once (`bridge.glue`)."""
        from bridge.diagram.operations.glue import glue

        return glue(self, other, along, **options)

    def rename(self, **names: Any) -> Diagram:
        """The diagram with other names (`bridge.rename`)."""
        from bridge.diagram.operations.rename import rename

        return rename(self, **names)

    def restrict(self, **names: Any) -> Diagram:
        """The sub-diagram on some elements, with what they need (`bridge.restrict`)."""
        from bridge.diagram.operations.restrict import restrict

        return restrict(self, **names)

    def substitute(self, component: str, by: Any, **options: Any) -> Diagram:
        """The diagram with something else in a component's place (`bridge.substitute`)."""
        from bridge.diagram.operations.substitute import substitute

        return substitute(self, component, by, **options)

    def freeze(self, *components: str, mode: str = "test") -> Diagram:
        """The diagram with some components frozen (`bridge.freeze`)."""
        from bridge.diagram.operations.training import freeze

        return freeze(self, *components, mode=mode)

    def unfreeze(self, *components: str) -> Diagram:
        """The diagram with some components trainable (`bridge.unfreeze`)."""
        from bridge.diagram.operations.training import unfreeze

        return unfreeze(self, *components)

    def tie(self, owner: str, *others: str) -> Diagram:
        """The diagram with one component in the place of several (`bridge.tie`)."""
        from bridge.diagram.operations.tie import tie

        return tie(self, owner, *others)

    def to(self, runtime: str, **options: Any) -> Objective:
        """An objective of the diagram with its components in another runtime (`bridge.to`)."""
        from bridge.port.to import to

        return to(self, runtime, **options)

    def svg(self, **options: Any) -> str:
        """The diagram as a picture (options as in `bridge.draw.picture.picture`). Needs the extra `draw`."""
        from bridge.draw.picture import picture
        from bridge.draw.svg import svg

        return svg(picture(self, **options))

    def mermaid(self, **options: Any) -> str:
        """The diagram as Mermaid text, which forges and notebooks draw."""
        from bridge.draw.mermaid import mermaid
        from bridge.draw.picture import picture

        return mermaid(picture(self, **options))

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the picture, where it can be drawn and is small enough to read."""
        from bridge.errors import UnsupportedError

        if len(self.spaces) + len(self.arrows) + len(self.agreements) > _MOST_SHOWN:
            return None
        try:
            return self.svg()
        except UnsupportedError:
            return None

    def untie(self, arrow: str, component: str | None = None) -> Diagram:
        """The diagram with a component of its own for an arrow (`bridge.untie`)."""
        from bridge.diagram.operations.tie import untie

        return untie(self, arrow, component)


# Pictures of larger diagrams are for browsers, where one can zoom.
_MOST_SHOWN = 200


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


_Element = TypeVar("_Element", bound=_HasName)


def _named(diagram: Diagram, table: str, elements: tuple[_Element, ...]) -> dict[str, _Element]:
    """The elements of a table by name, built at the first look-up."""
    by_name: dict[str, _Element] | None = diagram.memo.get(table)
    if by_name is None:
        by_name = diagram.memo[table] = {element.name: element for element in elements}
    return by_name

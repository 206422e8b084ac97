"""Writing a diagram down, so that it reads like the mathematics.

>>> from bridge import layers
>>> from bridge.diagram.divergences import cross_entropy
>>> d = Builder("digits")
>>> image = d.space("image", "float32", row=8, column=8)
>>> logits = d.space("logits", "float32", klass=10)
>>> label = d.index("label", classes=10)
>>> digits = d.source("digits", image=image, label=label)
>>> student = d.arrow("student", image, logits, layers.chain(layers.flatten(), layers.linear(64, 10)))
>>> student(digits.image)
student(digits.image)
>>> d.agree(student(digits.image), digits.label, by=cross_entropy())
>>> d.build().agreements[0].name
'student~digits.label'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from bridge.diagram.canonical import canonical
from bridge.diagram.check_elements import check_new, check_space
from bridge.diagram.coerce import (
    Axes,
    Frozen,
    as_weight,
    data_type,
    is_module,
    make_axes,
    require_divergence,
    training,
)
from bridge.diagram.handles import ArrowHandle, ComponentHandle, SourceHandle, Term, detach
from bridge.diagram.ir import (
    Agreement,
    Arrow,
    Body,
    Column,
    ColumnTerm,
    Commute,
    Component,
    DataType,
    DetachTerm,
    Diagram,
    Divergence,
    JuliaReference,
    Layer,
    LayerGraph,
    Output,
    OutputTerm,
    Pairing,
    Source,
    Space,
    TorchReference,
)
from bridge.diagram.ir import Term as TermNode
from bridge.diagram.messages import element, listing, quote, show_space, type_text, unknown
from bridge.diagram.names import check_label, check_name
from bridge.diagram.terms import TermTable
from bridge.errors import DiagramError
from bridge.layers.build import as_graph
from bridge.layers.graph import parameters

__all__ = ["ArrowHandle", "Builder", "ComponentHandle", "SourceHandle", "Term", "detach"]


class Builder:
    """Writes one diagram. Names are unique for each kind of element; mistakes are refused where they are made.

    `modules` has the PyTorch modules that were given as bodies, by component name, for `bridge.compile`.
    """

    def __init__(self, name: str = "diagram") -> None:
        check_label("diagram", name)
        self.name = name
        self.spaces: dict[str, Space] = {}
        self.sources: dict[str, Source] = {}
        self.components: dict[str, Component] = {}
        self.arrows: dict[str, Arrow] = {}
        self.modules: dict[str, Any] = {}
        self._table = TermTable(())
        self._handles: list[Term] = []
        self._agreements: list[Agreement] = []
        self._commutes: list[tuple[Commute, bool]] = []  # with: whether all arrows are meant
        self._outputs: dict[str, Output] = {}
        self._labels: dict[str, set[str]] = {"agreement": set(), "commute": set()}

    @property
    def terms(self) -> Sequence[TermNode]:
        """The terms made so far, arguments before the terms that use them."""
        return self._table.terms

    def space(
        self, name: str, dtype: str | DataType = "float32", /, *, axes: Axes | None = None, **sizes: int | str
    ) -> Space:
        """A new space. Each keyword is an axis with its size, or with the name of a variable that batches bind.

        `axes` takes pairs instead, for axes whose names are no Python names.
        """
        return self._add_space(Space(name, data_type(element("space", name), dtype), make_axes(name, axes, sizes)))

    def index(
        self,
        name: str,
        /,
        *,
        classes: int,
        dtype: str | DataType = "int64",
        axes: Axes | None = None,
        **sizes: int | str,
    ) -> Space:
        """A new space of class indices 0 … classes−1, without axes unless some are given."""
        if type(classes) is int and classes < 1:
            raise DiagramError(element("space", name), "at least one class", f"{classes}", "space")
        kind = data_type(element("space", name), dtype)
        return self._add_space(Space(name, kind, make_axes(name, axes, sizes), classes))

    def _add_space(self, space: Space) -> Space:
        check_name("space", space.name)
        check_new("space", space.name, self.spaces)
        check_space(space)
        self.spaces[space.name] = space
        return space

    def source(
        self, name: str, columns: Mapping[str, Space | str] | None = None, /, **more: Space | str
    ) -> SourceHandle:
        """A new source with its columns, each into a space: `digits = d.source("digits", image=image)`.

        The columns are terms, `digits.image` or `digits["image"]`.
        """
        check_name("source", name)
        check_new("source", name, self.sources)
        made = {}
        for column, space in {**(columns or {}), **more}.items():
            check_name("column", column, f"{element('source', name)}, a column's name")
            made[column] = self._space(element("column", f"{name}.{column}"), space)
        if not made:
            raise DiagramError(element("source", name), "at least one column", "none", "limit")
        self.sources[name] = Source(name, tuple(Column(column, space.name) for column, space in made.items()))
        terms = {column: self._term(ColumnTerm(name, column), space, name) for column, space in made.items()}
        return SourceHandle(name, terms)

    def component(
        self, name: str, body: object, /, *, frozen: Frozen = False, has_parameters: bool | None = None
    ) -> ComponentHandle:
        """A new component, to be given to several arrows, which then share its parameters.

        `body` is a layer, a layer graph, a TorchReference, a JuliaReference or a PyTorch module. `frozen` makes its
        parameters constants and runs it in test mode, or with "train" in train mode. A reference has parameters unless
        `has_parameters` says otherwise.
        """
        return self._add_component(name, body, frozen, has_parameters, None)

    def _add_component(
        self, name: str, body: object, frozen: Frozen | None, has_parameters: bool | None, inputs: int | None
    ) -> ComponentHandle:
        where = element("component", name)
        check_name("component", name)
        check_new("component", name, self.components)
        made: Body
        if isinstance(body, (Layer, LayerGraph)):
            made = as_graph(body, inputs)
            given = bool(parameters(made))
        elif isinstance(body, (TorchReference, JuliaReference)):
            made, given = body, True
        elif is_module(body):
            made = TorchReference(name)
            given = next(iter(body.parameters()), None) is not None  # type: ignore[attr-defined]
            self.modules[name] = body
        else:
            expected = "a layer, a layer graph, a reference, a component or a PyTorch module"
            raise DiagramError(where, expected, type_text(body), "component")
        has_parameters = given if has_parameters is None else has_parameters
        self.components[name] = Component(name, made, has_parameters, training(where, frozen))
        return ComponentHandle(self, name)

    def arrow(
        self,
        name: str,
        sources: Space | str | Sequence[Space | str],
        targets: Space | str | Sequence[Space | str],
        body: object,
        /,
        *,
        frozen: Frozen | None = None,
        has_parameters: bool | None = None,
    ) -> ArrowHandle:
        """A new arrow from its source spaces to its target spaces.

        `body` is what `component` takes, and makes a component with the arrow's name; or a component, which then is
        shared. A PyTorch module that is a component already is that component.
        """
        where = element("arrow", name)
        check_name("arrow", name)
        check_new("arrow", name, self.arrows)
        made = [self._spaces(where, spaces) for spaces in (sources, targets)]
        component = self._shared(where, body, frozen)
        if component is None:
            component = self._add_component(name, body, frozen, has_parameters, len(made[0])).name
        self.arrows[name] = Arrow(name, made[0], made[1], component)
        return ArrowHandle(self, name)

    def _shared(self, where: str, body: object, frozen: Frozen | None) -> str | None:
        """The component that a body is already, or None."""
        name = next((name for name, module in self.modules.items() if module is body), None)
        if isinstance(body, ComponentHandle):
            if body.builder is not self:
                raise DiagramError(where, "a component of this builder", repr(body), "component")
            name = body.name
        if name is not None and frozen is not None and training(where, frozen) is not self.components[name].training:
            found = f"frozen={frozen!r} for component {quote(name)}, which is {self.components[name].training.value}"
            raise DiagramError(where, "a shared component to be frozen for all of its arrows", found, "component")
        return name

    def apply(self, name: str, arguments: Sequence[Term]) -> tuple[Term, ...]:
        """The outputs of an arrow applied to terms (what calling the arrow does).

        Raises DiagramError where the terms don't fit the arrow, or are of two sources.
        """
        arrow, where = self.arrows[name], element("arrow", name)
        if len(arguments) != len(arrow.sources):
            raise DiagramError(where, f"{len(arrow.sources)} arguments", f"{len(arguments)}", "type")
        for place, (argument, wanted) in enumerate(zip(arguments, arrow.sources, strict=True)):
            self._require_term(f"{where}, argument {place}", argument)
            if argument.space.name != wanted:
                expected = show_space(self.spaces[wanted])
                raise DiagramError(f"{where}, argument {place}", expected, show_space(argument.space), "type")
        below = {argument.source: None for argument in arguments if argument.source is not None}
        if len(below) > 1:
            raise DiagramError(where, "arguments of one source", f"columns of {listing(below)}", "source")
        source = next(iter(below), None)
        places = tuple(argument.place for argument in arguments)
        return tuple(
            self._term(OutputTerm(name, places, output), self.spaces[target], source)
            for output, target in enumerate(arrow.targets)
        )

    def detach(self, term: Term) -> Term:
        """The term's value without a gradient to anything below it (what `bridge.detach` does)."""
        self._require_term("detach", term)
        return self._term(DetachTerm(term.place), term.space, term.source)

    def agree(
        self,
        left: Term,
        right: Term,
        *,
        by: Divergence,
        weight: float = 1.0,
        name: str | None = None,
        where: Term | None = None,
    ) -> None:
        """Two terms should agree; left is the prediction, right the target, and gradients flow into both.

        `by` measures how far they are apart, `weight` multiplies it in the total, and `where` is a mask: a non-negative
        number per sample, or per element without the class axis. The name is `left~right` unless it is given.
        """
        called = element("agreement", name) if name is not None else f"agreement {len(self._agreements)}"
        if name is not None:
            check_label("agreement", name)
            check_new("agreement", name, self._labels["agreement"])
        for side, term in (("left", left), ("right", right)):
            self._require_term(f"{called}, {side}", term)
        if where is not None:
            self._require_term(f"{called}, mask", where)
        require_divergence(called, by)
        mask = None if where is None else where.place
        agreement = Agreement(name or "", left.place, right.place, by, as_weight(called, weight), mask)
        self._agreements.append(agreement)
        self._labels["agreement"].add(agreement.name)

    def commute(
        self,
        start: SourceHandle | Term,
        target: Space | str,
        *,
        by: Divergence,
        weight: float = 1.0,
        pairing: Literal["star", "all"] | Pairing = "star",
        max_length: int | None = None,
        max_paths: int = 4096,
        arrows: Iterable[ArrowHandle | str] | None = None,
        name: str | None = None,
    ) -> None:
        """Every path from the start to the target space should agree: with the first ("star"), or all with all.

        `start` is a term, or a source: paths then begin with any of its columns. Paths follow `arrows`, by default all
        of the diagram that have one source and one target space; their order there, by default of declaration, orders
        the paths. `max_length` bounds the arrows of a path, and is needed where a cycle lies on some path. More paths
        than `max_paths` are refused. The name is `start->target` unless it is given, and the agreements that this
        stands for are named `name#1`, `name#2`, ….
        """
        called = element("commute", name) if name is not None else f"commute {len(self._commutes)}"
        if name is not None:
            check_label("commute", name)
            check_new("commute", name, self._labels["commute"])
        if isinstance(start, Space) or not isinstance(start, (SourceHandle, Term)):
            found = show_space(start) if isinstance(start, Space) else type_text(start)
            expected = "a source or a term (several columns may lie in a space)"
            raise DiagramError(f"{called}, start", expected, found, "type")
        if isinstance(start, Term):
            self._require_term(f"{called}, start", start)
        if max_length is not None and max_length < 1:
            raise DiagramError(f"{called}, max_length", "1 or more, or None", f"{max_length}", "limit")
        require_divergence(called, by)
        try:
            pairing = Pairing(pairing)
        except ValueError:
            raise DiagramError(f"{called}, pairing", "'star' or 'all'", quote(pairing), "type") from None
        listed = None if arrows is None else [a.name if isinstance(a, ArrowHandle) else a for a in arrows]
        commute = Commute(
            name or "",
            start.place if isinstance(start, Term) else start.source_name,
            self._space(f"{called}, target", target).name,
            tuple(listed or ()),
            by,
            as_weight(called, weight),
            pairing,
            max_length or 0,
            max_paths,
        )
        self._commutes.append((commute, listed is None))
        self._labels["commute"].add(commute.name)

    def output(self, name: str, term: Term) -> None:
        """A term that is wanted by name, such as a prediction."""
        check_label("output", name)
        check_new("output", name, self._outputs)
        self._require_term(element("output", name), term)
        self._outputs[name] = Output(name, term.place)

    def build(self) -> Diagram:
        """The diagram, checked and in canonical form. Raises DiagramError for one that means nothing."""
        every = tuple(a.name for a in self.arrows.values() if len(a.sources) == len(a.targets) == 1)
        return canonical(
            Diagram(
                self.name,
                tuple(self.spaces.values()),
                tuple(self.sources.values()),
                tuple(self.components.values()),
                tuple(self.arrows.values()),
                tuple(self.terms),
                tuple(self._agreements),
                tuple(replace(commute, arrows=every) if is_all else commute for commute, is_all in self._commutes),
                tuple(self._outputs.values()),
            )
        )

    def _term(self, node: TermNode, space: Space, source: str | None) -> Term:
        """The one handle of a term."""
        place = self._table.intern(node)
        if place == len(self._handles):
            self._handles.append(Term(self, place, space, source))
        return self._handles[place]

    def _require_term(self, where: str, term: object) -> None:
        if isinstance(term, tuple):
            expected = "one term (an arrow with several targets gives a tuple)"
            raise DiagramError(where, expected, f"a tuple of {len(term)}", "type")
        if not isinstance(term, Term):
            raise DiagramError(where, "a term", type_text(term), "type")
        if term.builder is not self:
            raise DiagramError(where, f"a term of builder {quote(self.name)}", f"{term!r} of another one", "type")

    def _space(self, where: str, space: Space | str) -> Space:
        """A space of this builder, by itself or by its name."""
        name = space.name if isinstance(space, Space) else space
        if not isinstance(name, str):
            raise DiagramError(where, "a space", type_text(space), "type")
        if name not in self.spaces:
            raise unknown(where, "space", name, self.spaces)
        if isinstance(space, Space) and space != self.spaces[name]:
            raise DiagramError(where, show_space(self.spaces[name]), show_space(space), "type")
        return self.spaces[name]

    def _spaces(self, where: str, spaces: Space | str | Sequence[Space | str]) -> tuple[str, ...]:
        several = [spaces] if isinstance(spaces, (Space, str)) else spaces
        if not isinstance(several, Iterable):
            raise DiagramError(where, "a space or a tuple of spaces", type_text(spaces), "type")
        return tuple(self._space(where, space).name for space in several)

"""What a `Builder` gives out: terms, and the sources, components and arrows that make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bridge.diagram.ir import ColumnTerm, OutputTerm, Space
from bridge.diagram.ir import Term as TermNode
from bridge.diagram.messages import quote, type_text, unknown
from bridge.errors import DiagramError

if TYPE_CHECKING:
    from bridge.diagram.builder import Builder

__all__ = ["ArrowHandle", "ComponentHandle", "SourceHandle", "Term", "detach"]

SHOWN_CHARACTERS = 200


class Term:
    """A composite: a column, one output of an arrow applied to terms, or `detach` of a term.

    Equal terms of one builder are one object. Terms know nothing of their places in a built diagram.
    """

    __slots__ = ("_builder", "_place", "_source", "_space")

    def __init__(self, builder: Builder, place: int, space: Space, source: str | None) -> None:
        self._builder = builder
        self._place = place
        self._space = space
        self._source = source

    @property
    def builder(self) -> Builder:
        """The builder that made it."""
        return self._builder

    @property
    def place(self) -> int:
        """Its place in the builder's table of terms."""
        return self._place

    @property
    def space(self) -> Space:
        """The space that its values lie in."""
        return self._space

    @property
    def source(self) -> str | None:
        """The source of all columns below it, None where there is no column."""
        return self._source

    def __repr__(self) -> str:
        several = {name for name, arrow in self._builder.arrows.items() if len(arrow.targets) > 1}
        return term_text(self._builder.terms, self._place, several)


def term_text(terms: Sequence[TermNode], place: int, several: set[str]) -> str:
    """A term written out, cut off where it gets long; arrows of `several` have an output number.

    >>> term_text([ColumnTerm("digits", "image"), OutputTerm("student", (0,))], 1, set())
    'student(digits.image)'
    """
    text = ""
    parts: list[int | str] = [place]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            text += part
            continue
        if len(text) > SHOWN_CHARACTERS:
            return f"{text}…"
        term = terms[part]
        if isinstance(term, ColumnTerm):
            text += f"{term.source}.{term.column}"
        elif isinstance(term, OutputTerm):
            text += f"{term.arrow}("
            parts.append(f")[{term.output}]" if term.arrow in several else ")")
            for argument in reversed(term.arguments):
                parts += [argument, ", "]
            if term.arguments:
                parts.pop()
        else:
            text += "detach("
            parts += [")", term.argument]
    return text


def detach(term: Term) -> Term:
    """The term's value, with no gradient to anything below it."""
    if not isinstance(term, Term):
        raise DiagramError("detach", "a term", type_text(term), "type")
    return term.builder.detach(term)


class SourceHandle:
    """A source of a builder: `digits.image` and `digits["image"]` are its columns as terms."""

    def __init__(self, name: str, columns: dict[str, Term]) -> None:
        self._name = name
        self._columns = columns

    @property
    def source_name(self) -> str:
        """Its name. (Not `name`, which is free for a column.)"""
        return self._name

    def __getitem__(self, column: str) -> Term:
        try:
            return self._columns[column]
        except KeyError:
            raise unknown(f"source {quote(self._name)}", "column", column, self._columns) from None

    def __getattr__(self, column: str) -> Term:
        if column.startswith("_"):  # also asked for by copying and by inspection, before there are any columns
            raise AttributeError(column)
        try:
            return self[column]
        except DiagramError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._columns]

    def __repr__(self) -> str:
        return f"<source {self._name}: {', '.join(self._columns)}>"


class ComponentHandle:
    """A component of a builder. Arrows that are given the same one share its parameters."""

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name = name

    def __repr__(self) -> str:
        return f"<component {self.name}>"


class ArrowHandle:
    """An arrow of a builder: called on terms it gives a term, or a tuple of terms where it has several targets."""

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name = name

    @property
    def component(self) -> ComponentHandle:
        """What interprets it, to be given to another arrow."""
        return ComponentHandle(self.builder, self.builder.arrows[self.name].component)

    def __call__(self, *arguments: Term) -> Any:  # a Term or a tuple, by the number of targets
        outputs = self.builder.apply(self.name, arguments)
        return outputs[0] if len(outputs) == 1 else outputs

    def __repr__(self) -> str:
        arrow = self.builder.arrows[self.name]
        return f"<arrow {self.name}: {' × '.join(arrow.sources) or '1'} → {' × '.join(arrow.targets)}>"

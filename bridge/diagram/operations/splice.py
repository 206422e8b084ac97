"""A model in the place of a component: its terms are put between what the component's arrows are applied to and give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bridge.diagram.canonical import canonical, moved_agreement
from bridge.diagram.ir import Arrow, ColumnTerm, Diagram, OutputTerm, Space, Term
from bridge.diagram.messages import element, listing, quote, show_space, unknown
from bridge.diagram.operations.elements import KINDS, all_elements
from bridge.diagram.operations.rename import with_names_changed
from bridge.diagram.terms import TermTable, below, moved_term
from bridge.diagram.types import term_spaces
from bridge.errors import DiagramError

__all__ = ["with_model"]


def with_model(
    diagram: Diagram,
    component: str,
    model: Diagram,
    inputs: str | Sequence[str] | None,
    outputs: str | Sequence[str] | None,
    prefix: str | None,
) -> Diagram:
    """The diagram with a model's terms in the place of a component's applications."""
    arrows = [arrow for arrow in diagram.arrows if arrow.component == component]
    replaced = {arrow.name for arrow in arrows}
    for commute in diagram.commutes:
        listed = replaced.intersection(commute.arrows)
        if listed:
            found = f"a diagram, and commute {quote(commute.name)} that follows {listing(sorted(listed))}"
            raise DiagramError(element("component", component), "a component in its place", found, "component")
    columns, wanted = model_boundary(model, inputs, outputs)
    places = {output.name: output.term for output in model.outputs}
    spaces = model_spaces(model, columns, [places[name] for name in wanted])
    identified: dict[str, str] = {}
    for arrow in arrows:
        identify(diagram, arrow, model, spaces, identified)
    rest = replace(
        diagram,
        arrows=tuple(arrow for arrow in diagram.arrows if arrow.name not in replaced),
        components=tuple(other for other in diagram.components if other.name != component),
    )
    model = without_names_of(rest, model, identified, prefix)
    terms, place = spliced(diagram, model, replaced, columns, [places[name] for name in wanted])
    known = {space.name for space in diagram.spaces}
    return canonical(
        replace(
            rest,
            spaces=(*rest.spaces, *(space for space in model.spaces if space.name not in known)),
            components=rest.components + model.components,
            arrows=rest.arrows + model.arrows,
            terms=terms,
            agreements=tuple(moved_agreement(agreement, place) for agreement in rest.agreements),
            commutes=tuple(
                replace(commute, start=place[commute.start]) if isinstance(commute.start, int) else commute
                for commute in rest.commutes
            ),
            outputs=tuple(replace(output, term=place[output.term]) for output in rest.outputs),
        )
    )


def model_boundary(
    model: Diagram, inputs: str | Sequence[str] | None, outputs: str | Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The columns and the outputs of a model, in order; what is no model is refused."""
    where = element("diagram", model.name)
    if model.agreements or model.commutes:
        found = f"{len(model.agreements)} and {len(model.commutes)}"
        raise DiagramError(where, "a model, without agreements and commutes", found, "component")
    if len(model.sources) != 1:
        raise DiagramError(where, "a model with one source", f"{len(model.sources)}", "source")
    columns = {column.name for column in model.sources[0].columns}
    given = listed(where, "inputs", "column", inputs, columns)
    return given, listed(where, "outputs", "output", outputs, {output.name for output in model.outputs})


def listed(where: str, what: str, kind: str, names: str | Sequence[str] | None, known: Collection[str]) -> list[str]:
    """The names that were given in order, or the only one there is."""
    if names is None:
        if len(known) != 1:
            raise DiagramError(where, f"{what}= to name its {kind}s in order", f"{len(known)} {kind}s", "component")
        return list(known)
    given = [names] if isinstance(names, str) else list(names)
    for name in given:
        if name not in known:
            raise unknown(f"{where}, {what}", kind, name, sorted(known))
    return given


def model_spaces(model: Diagram, columns: Sequence[str], outputs: Sequence[int]) -> tuple[list[Space], list[Space]]:
    """The spaces of a model's inputs and outputs. Outputs that read another column than the inputs are refused."""
    source = model.sources[0].name
    for place in sorted({place for output in outputs for place in below(model.terms, output)}):
        term = model.terms[place]
        if isinstance(term, ColumnTerm) and term.column not in columns:
            where = f"{element('diagram', model.name)}, inputs"
            raise DiagramError(where, f"column {quote(term.column)}, which an output reads", listing(columns), "component")
    spaces = term_spaces(model)
    return (
        [model.space(model.column(source, column).space) for column in columns],
        [model.space(spaces[output]) for output in outputs],
    )


def identify(
    diagram: Diagram,
    arrow: Arrow,
    model: Diagram,
    spaces: tuple[list[Space], list[Space]],
    identified: dict[str, str],
) -> None:
    """Identify the spaces at a model's boundary with an arrow's; those that differ are refused."""
    where = f"{element('diagram', model.name)} in the place of arrow {quote(arrow.name)}"
    for what, wanted, found in zip(("input", "output"), (arrow.sources, arrow.targets), spaces, strict=True):
        if len(wanted) != len(found):
            raise DiagramError(where, f"{len(wanted)} {what}s", f"{len(found)}", "type")
        for number, (name, space) in enumerate(zip(wanted, found, strict=True)):
            outer = diagram.space(name)
            if replace(space, name=name) != outer:
                raise DiagramError(f"{where}, {what} {number}", show_space(outer), show_space(space), "type")
            first = identified.setdefault(space.name, name)
            if first != name:
                expected = f"space {quote(space.name)} in the place of space {quote(first)} alone"
                raise DiagramError(f"{where}, {what} {number}", expected, f"space {quote(name)}", "type")


def without_names_of(diagram: Diagram, model: Diagram, identified: Mapping[str, str], prefix: str | None) -> Diagram:
    """The model with the names of the spaces it is put between, and with no other names of the diagram."""
    taken, own = all_elements(diagram), all_elements(model)
    at_boundary = {size for name in identified for size in model.space(name).shape if isinstance(size, str)}
    names: dict[str, dict[str, str]] = {"spaces": dict(identified)}
    for kind, shared in (("spaces", {*identified}), ("variables", at_boundary), ("components", set()), ("arrows", set())):
        for name in sorted(taken[kind] & own[kind] - shared):
            word = KINDS[kind]
            if prefix is None:
                raise DiagramError(element(word, name), f"one {word} of that name, or a prefix=", "two", "duplicate")
            new = prefix + name
            if new in taken[kind] or new in own[kind]:
                expected = f"no {word} of that name, which {quote(name)} gets with the prefix {quote(prefix)}"
                raise DiagramError(element(word, new), expected, "one", "duplicate")
            names.setdefault(kind, {})[name] = new
    return with_names_changed(model, names)


def spliced(
    diagram: Diagram, model: Diagram, replaced: Collection[str], columns: Sequence[str], outputs: Sequence[int]
) -> tuple[tuple[Term, ...], list[int]]:
    """The diagram's terms with the model's in the place of some arrows', and the new place of each old one."""
    table = TermTable(())
    needed = sorted({place for output in outputs for place in below(model.terms, output)})
    copies: dict[tuple[int, ...], dict[int, int]] = {}
    place: list[int] = []
    for term in diagram.terms:
        if not isinstance(term, OutputTerm) or term.arrow not in replaced:
            place.append(table.intern(moved_term(term, place)))
            continue
        arguments = tuple(place[argument] for argument in term.arguments)
        copy = copies.get(arguments)
        if copy is None:
            copy = copies[arguments] = {}
            for inner in needed:
                node = model.terms[inner]
                if isinstance(node, ColumnTerm):
                    copy[inner] = arguments[columns.index(node.column)]
                else:
                    copy[inner] = table.intern(moved_term(node, copy))
        place.append(copy[outputs[term.output]])
    return tuple(table.terms), place

"""What a picture of a diagram has in it, before anything is placed: boxes and the lines between them.

Spaces are dots; sources, arrows, agreements, commutes and outputs are boxes. An arrow's line runs from its source spaces
through its box to its target spaces. An agreement is joined to the outermost part of its left and its right side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.diagram.canonical import canonical
from bridge.diagram.ir import ColumnTerm, DetachTerm, Diagram, OutputTerm
from bridge.diagram.messages import space_text
from bridge.diagram.terms import below
from bridge.plan.compile import place
from bridge.plan.compile import plan as make_plan
from bridge.plan.program import Operation, Runtime

__all__ = ["Box", "Line", "Picture", "picture"]


@dataclass(frozen=True)
class Box:
    """Something that is drawn, with what is known of it.

    `kind` is "space", "source", "arrow", "agreement", "commute" or "output"; `marks` are words such as "frozen";
    `title` is what a reader is told who points at it. `left` and `right` are what an agreement's sides are made of.
    """

    id: str
    kind: str
    label: str
    title: str
    marks: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line between two boxes; `kind` is "flow", "left", "right", "mask" or "reads"."""

    start: str
    end: str
    kind: str
    label: str = ""


@dataclass
class Picture:
    """All boxes by id, and all lines."""

    name: str
    boxes: dict[str, Box] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


def picture(
    diagram: Diagram,
    placement: Mapping[str, str | Runtime] | None = None,
    driver: str | Runtime = Runtime.TORCH,
    plan: bool = False,
) -> Picture:
    """What is drawn of a diagram; with `plan`, arrows say when they are computed and in which island.

    `placement` and `driver` are as in `bridge.compile`.

    >>> from bridge import Builder, layers, mse
    >>> d = Builder("fit")
    >>> x = d.space("x", width=3)
    >>> data = d.source("data", x=x)
    >>> d.agree(d.arrow("f", x, x, layers.linear(3, 3))(data.x), data.x, by=mse())
    >>> sorted(picture(d.build()).boxes)
    ['agreement f~data.x', 'arrow f', 'source data', 'space x']
    """
    diagram = canonical(diagram)
    made = Picture(diagram.name)
    placed = {name: Runtime(runtime) for name, runtime in (placement or {}).items()}
    runtimes = place(diagram, placed)
    notes = plan_notes(diagram, placed, Runtime(driver)) if plan else {}
    uses: dict[str, int] = {}
    for arrow in diagram.arrows:
        uses[arrow.component] = uses.get(arrow.component, 0) + 1
    for space in diagram.spaces:
        add(made, Box(f"space {space.name}", "space", space.name, space_text(space)))
    for source in diagram.sources:
        columns = ", ".join(f"{column.name}: {column.space}" for column in source.columns)
        add(made, Box(f"source {source.name}", "source", source.name, columns))
        for column in source.columns:
            made.lines.append(Line(f"source {source.name}", f"space {column.space}", "flow", column.name))
    for arrow in diagram.arrows:
        component = diagram.component(arrow.component)
        marks = [runtimes[component.name].value]
        marks += ["frozen"] if component.training.is_frozen else []
        tied = uses[component.name] > 1 or component.name != arrow.name
        marks += [f"shares {component.name}"] if tied else []
        told = f"{' × '.join(arrow.sources) or '1'} → {' × '.join(arrow.targets)}; component {component.name}"
        label = arrow.name + "".join(f" · {note}" for note in notes.get(arrow.name, ()))
        add(made, Box(f"arrow {arrow.name}", "arrow", label, f"{told}, {', '.join(marks)}", tuple(marks)))
        made.lines += [Line(f"space {space}", f"arrow {arrow.name}", "flow") for space in arrow.sources]
        made.lines += [Line(f"arrow {arrow.name}", f"space {space}", "flow") for space in arrow.targets]
    for agreement in diagram.agreements:
        id_ = f"agreement {agreement.name}"
        sides = [tuple(parts(diagram, side)) for side in (agreement.left, agreement.right)]
        label = f"{agreement.divergence.name}" + ("" if agreement.weight == 1 else f" × {agreement.weight:g}")
        title = f"{agreement.name}: {agreement.divergence.name}, weight {agreement.weight:g}"
        named = () if "~" in agreement.name else (agreement.name,)
        add(made, Box(id_, "agreement", label, title, named, *sides))
        for kind, side in (("left", agreement.left), ("right", agreement.right), ("mask", agreement.mask)):
            if side is not None:
                made.lines.append(joined(diagram, side, id_, kind))
    for commute in diagram.commutes:
        start = f"source {commute.start}" if isinstance(commute.start, str) else None
        id_ = f"commute {commute.name}"
        along = tuple(f"arrow {name}" for name in commute.arrows)
        title = f"{commute.name}: paths to {commute.target} agree"
        add(made, Box(id_, "commute", f"⟲ {commute.divergence.name}", title, (), along, along))
        made.lines.append(joined(diagram, commute.start, id_, "left") if start is None else Line(start, id_, "left"))
        made.lines.append(Line(f"space {commute.target}", id_, "right"))
    for output in diagram.outputs:
        add(made, Box(f"output {output.name}", "output", output.name, f"output {output.name}"))
        made.lines.append(joined(diagram, output.term, f"output {output.name}", "reads"))
    return made


def add(made: Picture, box: Box) -> None:
    """One more box."""
    made.boxes[box.id] = box


def joined(diagram: Diagram, term: int | str, to: str, kind: str) -> Line:
    """A line from the outermost part of a term."""
    label = ""
    assert isinstance(term, int)
    node = diagram.terms[term]
    while isinstance(node, DetachTerm):
        label, node = "detached", diagram.terms[node.argument]
    if isinstance(node, ColumnTerm):
        return Line(f"source {node.source}", to, kind, f"{node.column} {label}".rstrip())
    output = f"{node.output} " if len(diagram.arrow(node.arrow).targets) > 1 else ""
    return Line(f"arrow {node.arrow}", to, kind, f"{output}{label}".rstrip())


def parts(diagram: Diagram, side: int) -> list[str]:
    """The boxes that a term is made of."""
    found: dict[str, None] = {}
    spaces = {}
    for place_ in below(diagram.terms, side):
        term = diagram.terms[place_]
        if isinstance(term, ColumnTerm):
            found[f"source {term.source}"] = None
            spaces[place_] = diagram.column(term.source, term.column).space
        elif isinstance(term, OutputTerm):
            found[f"arrow {term.arrow}"] = None
            spaces[place_] = diagram.arrow(term.arrow).targets[term.output]
    found.update((f"space {space}", None) for space in spaces.values())
    return list(found)


def plan_notes(diagram: Diagram, placement: Mapping[str, Runtime] | None, driver: Runtime) -> dict[str, list[str]]:
    """For each arrow the steps of the plan that apply it, and its islands."""
    program = make_plan(diagram, placement, driver)
    island_of = {
        step: number
        for number, island in enumerate(program.islands, 1)
        for step in range(island.first, island.first + island.count)
    }
    notes: dict[str, list[str]] = {}
    for step, instruction in enumerate(program.instructions):
        if instruction.operation is Operation.APPLY:
            text = f"step {step}" + (f", island {island_of[step]}" if step in island_of else "")
            notes.setdefault(instruction.arrow, []).append(text)
    return notes

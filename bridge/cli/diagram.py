"""A diagram as plain values for JSON, and as text for a person."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bridge.cli import formulas
from bridge.diagram.ir import Component, Diagram, LayerGraph, TorchReference
from bridge.diagram.messages import space_text
from bridge.diagram.paths import number_of_pairs
from bridge.layers.graph import parameters
from bridge.plan.program import Runtime
from bridge.schema import identity
from bridge.schema.versions import SCHEMA_VERSION

__all__ = ["as_text", "described", "table"]


def described(diagram: Diagram, placed: Mapping[str, Runtime]) -> dict[str, Any]:
    """Every element of a diagram; `placed` has the runtime of each component."""
    return {
        "diagram": diagram.name,
        "identity": identity(diagram),
        "schema_version": SCHEMA_VERSION,
        "spaces": [{"name": space.name, "type": space_text(space)} for space in diagram.spaces],
        "sources": [
            {"name": source.name, "columns": {column.name: column.space for column in source.columns}}
            for source in diagram.sources
        ],
        "components": [_component(component, placed) for component in diagram.components],
        "arrows": [
            {"name": arrow.name, "sources": arrow.sources, "targets": arrow.targets, "component": arrow.component}
            for arrow in diagram.arrows
        ],
        "terms": len(diagram.terms),
        "agreements": [
            {"name": agreement.name, "formula": formulas.agreement(diagram, agreement), "weight": agreement.weight}
            for agreement in diagram.agreements
        ],
        "commutes": [_commute(diagram, place) for place in range(len(diagram.commutes))],
        "outputs": [
            {"name": output.name, "formula": formulas.term(diagram, output.term)} for output in diagram.outputs
        ],
    }


def _component(component: Component, placed: Mapping[str, Runtime]) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": component.name, "runtime": placed[component.name].value}
    body = component.body
    if isinstance(body, LayerGraph):
        count = sum(math.prod(parameter.shape) for parameter in parameters(body))
        plain |= {"kind": "portable", "body": formulas.graph(body), "parameters": count}
    else:
        kind = "torch" if isinstance(body, TorchReference) else "julia"
        plain |= {"kind": kind, "body": body.name, "parameters": None if component.has_parameters else 0}
    return {**plain, "training": component.training.value}


def _commute(diagram: Diagram, place: int) -> dict[str, Any]:
    commute = diagram.commutes[place]
    formula, paths = formulas.commute(diagram, commute)
    return {
        "name": commute.name,
        "formula": formula,
        "weight": commute.weight,
        "pairing": commute.pairing.value,
        "paths": paths,
        "agreements": number_of_pairs(paths, commute.pairing),
    }


KINDS = {"portable": "portable", "torch": "PyTorch module", "julia": "Julia component"}
TRAINING = {"trainable": "trains", "frozen": "frozen", "frozen_train_mode": "frozen, in train mode"}


def as_text(diagram: Diagram, placed: Mapping[str, Runtime], rows: int | None) -> str:
    """A diagram in tables of at most so many rows (None: all)."""
    plain = described(diagram, placed)
    tables: list[tuple[str, Callable[[Any], Sequence[str]]]] = [
        ("spaces", lambda e: (e["name"], e["type"])),
        ("sources", lambda e: (e["name"], ", ".join(f"{name}: {space}" for name, space in e["columns"].items()))),
        ("components", _component_cells),
        ("arrows", _arrow_cells),
        ("agreements", lambda e: (e["name"], e["formula"])),
        ("commutes", _commute_cells),
        ("outputs", lambda e: (e["name"], e["formula"])),
    ]
    lines = [f"diagram {plain['diagram']!r}, {plain['terms']} terms", f"identity {plain['identity']}"]
    for name, cells in tables:
        if plain[name]:
            lines += ["", name, *table((cells(element) for element in plain[name]), len(plain[name]), rows)]
    return "\n".join(lines)


def _component_cells(component: Mapping[str, Any]) -> Sequence[str]:
    count = component["parameters"]
    held = "parameters of its own" if count is None else f"{count:,} parameters" if count else "no parameters"
    trains = f", {TRAINING[component['training']]}" if count != 0 else ""
    kind = f"{KINDS[component['kind']]} on {component['runtime']}"
    return component["name"], kind, held + trains, component["body"]


def _arrow_cells(arrow: Mapping[str, Any]) -> Sequence[str]:
    shared = "" if arrow["component"] == arrow["name"] else f"component {arrow['component']}"
    return arrow["name"], f"{' × '.join(arrow['sources']) or '1'} → {' × '.join(arrow['targets'])}", shared


def _commute_cells(commute: Mapping[str, Any]) -> Sequence[str]:
    count = commute["agreements"]
    return commute["name"], commute["formula"], f"{commute['paths']} paths, {count} agreement{'s'[: count != 1]}"


def table(cells: Iterable[Sequence[str]], count: int, rows: int | None) -> list[str]:
    """Rows in columns, indented, with a last line that says how many of `count` are left out.

    >>> table([("a", "bc"), ("bcd", "e"), ("f", "g")], 3, 2)
    ['  a    bc', '  bcd  e', '  … and 1 more']
    """
    shown = [row for _, row in zip(range(count if rows is None else rows), cells, strict=False)]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(*shown, strict=True)]
    lines = [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    ]
    return lines + ([f"  … and {count - len(shown)} more"] if len(shown) < count else [])


WIDEST = 40
"""Cells are padded to the widest of their column, but not further."""

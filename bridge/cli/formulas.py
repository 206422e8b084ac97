"""Terms, agreements and commutes as formulas of bounded length."""

from __future__ import annotations

from bridge.diagram.divergences import DIVERGENCES
from bridge.diagram.handles import term_text
from bridge.diagram.ir import Agreement, AttributeValue, Commute, Diagram, Divergence, Layer, LayerGraph
from bridge.diagram.messages import quote
from bridge.diagram.routes import count_paths
from bridge.diagram.types import term_spaces
from bridge.layers.table import definition

__all__ = ["agreement", "commute", "graph", "number", "term"]

SHOWN_NODES = 16


def term(diagram: Diagram, place: int) -> str:
    """A term written out, cut off where it gets long."""
    several: set[str] | None = diagram.memo.get("arrows_with_several_targets")
    if several is None:
        several = {arrow.name for arrow in diagram.arrows if len(arrow.targets) > 1}
        diagram.memo["arrows_with_several_targets"] = several
    return term_text(diagram.terms, place, several)


def number(value: AttributeValue) -> str:
    """A number as short as people write it.

    >>> number(4.0), number(0.07), number((2, 3))
    ('4', '0.07', '2×3')
    """
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def agreement(diagram: Diagram, shown: Agreement) -> str:
    """An agreement as its divergence of left and right times its weight."""
    by, axes = shown.divergence, diagram.space(term_spaces(diagram)[shown.left]).axes
    sides = [term(diagram, shown.left), term(diagram, shown.right), *_options(by, axis_is_clear=len(axes) == 1)]
    mask = "" if shown.mask is None else f" where {term(diagram, shown.mask)}"
    return f"{by.name}({', '.join(sides)}) · {number(shown.weight)}{mask}"


def commute(diagram: Diagram, shown: Commute) -> tuple[str, int]:
    """A commute as what it says, and the number of its paths."""
    paths = count_paths(diagram, shown, f"commute {quote(shown.name)}")
    start = shown.start if isinstance(shown.start, str) else term(diagram, shown.start)
    axes = diagram.space(shown.target).axes
    options = "".join(f", {option}" for option in _options(shown.divergence, axis_is_clear=len(axes) == 1))
    bound = f" of at most {shown.max_length} arrows" if shown.max_length else ""
    formula = f"{shown.divergence.name}(path, path{options}) · {number(shown.weight)}"
    return f"{formula}, paths from {start} to {shown.target}{bound}", paths


def _options(divergence: Divergence, axis_is_clear: bool) -> list[str]:
    """The attributes that are not the default's."""
    return [
        f"{row.name}={number(divergence[row.name])}"
        for row in DIVERGENCES[divergence.name].attributes
        if divergence[row.name] != row.default and not (row.name == "axis" and axis_is_clear)
    ]


def graph(body: LayerGraph) -> str:
    """A layer graph's layers: with arrows between them where each takes the value before it, else in their order."""
    straight = body.inputs == 1 and body.outputs == (len(body.nodes),)
    straight &= all(node.inputs == (place,) for place, node in enumerate(body.nodes))
    shown = [_layer(node.layer) for node in body.nodes[:SHOWN_NODES]]
    if len(body.nodes) > SHOWN_NODES:
        shown.append(f"… ({len(body.nodes)} layers in all)")
    return (" → " if straight else ", ").join(shown)


def _layer(layer: Layer) -> str:
    """A layer with what it has to be given, and with the attributes that are not the default's."""
    rows = [(row, layer[row.name]) for row in definition(layer).attributes]
    values = [number(value) for row, value in rows if row.default is None]
    values += [f"{row.name}={number(value)}" for row, value in rows if row.default not in (None, value)]
    return f"{layer.operation}({', '.join(values)})" if values else layer.operation

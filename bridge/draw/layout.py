"""Where boxes and lines of a picture are: layers from left to right, by grandalf (Sugiyama's method)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.draw.picture import Box, Picture
from bridge.errors import UnsupportedError

__all__ = ["Layout", "layout", "size_of"]

MARGIN, GAP = 24, 40
CHARACTER = 7.2
ROUNDS = 8
"""How often the layers are gone through for fewer crossings; more rounds hardly find any."""


@dataclass(frozen=True)
class Layout:
    """The middle of each box, the points of each line, and the size of it all, in pixels."""

    places: dict[str, tuple[float, float]]
    paths: list[list[tuple[float, float]]]
    width: float
    height: float


def size_of(box: Box) -> tuple[float, float]:
    """The width and height of a box with its label."""
    lines = [box.label, *(mark for mark in box.marks if mark not in ("torch", "julia"))]
    width = CHARACTER * max(map(len, lines))
    return (width + 4, 34) if box.kind == "space" else (width + 20, 14 + 14 * len(lines))


def layout(made: Picture) -> Layout:
    """Place the boxes of a picture. Raises UnsupportedError where grandalf is not installed."""
    try:
        from grandalf.graphs import Edge, Graph, Vertex
        from grandalf.layouts import SugiyamaLayout, VertexViewer
        from grandalf.routing import EdgeViewer, route_with_lines
    except ImportError:
        expected = "the package grandalf (pip install 'diagram-bridge[draw]')"
        raise UnsupportedError("drawing", expected, "no such package") from None

    vertices = {}
    for box in made.boxes.values():
        vertices[box.id] = vertex = Vertex(box.id)
        width, height = size_of(box)
        vertex.view = VertexViewer(height, width)  # grandalf's layers go down, ours to the right
    joined = {(line.start, line.end): Edge(vertices[line.start], vertices[line.end]) for line in made.lines}
    for edge in joined.values():
        edge.view = EdgeViewer()
    graph = Graph(list(vertices.values()), list(joined.values()))
    visits = visited(made)
    places: dict[str, tuple[float, float]] = {}
    routes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    top = 0.0
    for part in graph.C:
        placer = SugiyamaLayout(part)
        placer.xspace, placer.yspace = 14, 84  # room for the names of columns
        placer.route_edge = route_with_lines
        roots = [vertex for vertex in part.sV if vertex.data.startswith("source ")]
        placer.init_all(roots=roots or None)
        arrange(placer, visits)
        placer.draw(ROUNDS)
        inside = {vertex.data: (vertex.view.xy[1], vertex.view.xy[0]) for vertex in part.sV}
        halves = {id_: (size_of(made.boxes[id_])[0] / 2, size_of(made.boxes[id_])[1] / 2) for id_ in inside}
        turns = [(y, x) for edge in part.sE for x, y in getattr(edge.view, "_pts", [])[1:-1]]
        left = min(x - halves[id_][0] for id_, (x, _) in inside.items())
        upper = min([y - halves[id_][1] for id_, (_, y) in inside.items()] + [y for _, y in turns])
        moved = (MARGIN - left, MARGIN + top - upper)
        places |= {id_: (x + moved[0], y + moved[1]) for id_, (x, y) in inside.items()}
        for edge in part.sE:
            points = [(y + moved[0], x + moved[1]) for x, y in getattr(edge.view, "_pts", [])]
            routes[edge.v[0].data, edge.v[1].data] = points[1:-1]
        lower = max([places[id_][1] + halves[id_][1] for id_ in inside] + [y + moved[1] for _, y in turns])
        top = lower - MARGIN + GAP
    paths = []
    for line in made.lines:
        between = routes.get((line.start, line.end))
        if between is None:
            between = routes.get((line.end, line.start), [])[::-1]
        paths.append([places[line.start], *between, places[line.end]])
    width = max((x + size_of(made.boxes[id_])[0] / 2 for id_, (x, _) in places.items()), default=0) + MARGIN
    return Layout(places, paths, width, max(top - GAP, 0) + 2 * MARGIN)


def visited(made: Picture) -> dict[str, int]:
    """When a walk from the sources along the lines first comes to each box, the first end first."""
    ends: dict[str, list[str]] = {}
    for line in made.lines:
        ends.setdefault(line.start, []).append(line.end)
    order: dict[str, int] = {}
    starts = sorted(made.boxes, key=lambda id_: made.boxes[id_].kind != "source")
    waiting = starts[::-1]
    while waiting:
        id_ = waiting.pop()
        if id_ not in order:
            order[id_] = len(order)
            waiting += ends.get(id_, [])[::-1]
    return order


def arrange(placer: Any, visits: dict[str, int]) -> None:
    """Begin with layers in the order of the walk: what belongs together is side by side, and crossings are found from there.

    A line that passes through a layer has the place of its end.
    """
    passing: dict[Any, Any] = {
        turn: edge.v[1] for edge, turns in placer.ctrls.items() for turn in turns.values() if turn not in edge.v
    }
    for layer in placer.layers:
        layer.sort(key=lambda vertex: visits[passing[vertex].data if vertex in passing else vertex.data])
        layer.setup(placer)

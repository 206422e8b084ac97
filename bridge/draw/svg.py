"""A picture as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from bridge.draw.layout import Layout, layout, size_of
from bridge.draw.picture import Box, Line, Picture

__all__ = ["svg"]

APART = 6
"""How far lines of different kinds between the same boxes are apart, in pixels."""

# Under a class of the picture's: in a page or a notebook rules hold for everything that is there.
STYLE = """\
.diagram text { font: 12px ui-monospace, monospace; text-anchor: middle; fill: #222 }
.diagram .label { font-size: 10px; fill: #555; paint-order: stroke; stroke: #fff; stroke-width: 3px }
.diagram .box .label { stroke: none }
.diagram .box rect, .diagram .box path { stroke-width: 1.5; fill: #fff; stroke: #555 }
.diagram .torch rect { fill: #fde0d2; stroke: #d9480f } .diagram .julia rect { fill: #e5dbf7; stroke: #7048b6 }
.diagram .source rect { fill: #e7f0e4; stroke: #3d7a2c } .diagram .output rect { fill: #f1f3f5 }
.diagram .frozen rect { stroke-dasharray: 5 3 } .diagram .space circle { fill: #222 }
.diagram .agreement path, .diagram .commute path { fill: #fff3bf; stroke: #b08900 }
.diagram .line { fill: none; stroke: #888; stroke-width: 1.2 }
.diagram .left, .diagram .right, .diagram .mask { stroke: #b08900; stroke-dasharray: 4 3 }
.diagram .lit-left rect, .diagram .lit-left circle, .diagram .line.lit-left { stroke: #1864ab; stroke-width: 3 }
.diagram .lit-right rect, .diagram .lit-right circle, .diagram .line.lit-right { stroke: #c2255c; stroke-width: 3 }
.diagram .lit-left.lit-right rect, .diagram .lit-left.lit-right circle, .diagram .line.lit-left.lit-right {
  stroke: #5f3dc4; stroke-width: 3 }
"""


def svg(made: Picture) -> str:
    """The picture as one self-contained SVG element, whose boxes have their ids and, on pointing, their titles.

    Raises UnsupportedError where grandalf is not installed.
    """
    placed = layout(made)
    parts = [*drawn_lines(made, placed), *(drawn_box(box, placed) for box in made.boxes.values())]
    return framed(made.name, placed.width, placed.height, parts)


def framed(name: str, width: float, height: float, parts: Sequence[str], style: str = "") -> str:
    """An SVG element of some size, with what all pictures need: rules, to which `style` adds, and the tip of lines."""
    frame = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(name)}">',
        f"<title>{escape(name)}</title><style>{STYLE}{style}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#888"/></marker></defs>',
    ]
    return "\n".join([*frame, *parts, "</svg>"]) + "\n"


def drawn_lines(made: Picture, placed: Layout) -> list[str]:
    """All lines. Those between the same two boxes lie beside each other, and have one label together."""
    beside: dict[tuple[str, str], list[int]] = {}
    for place, line in enumerate(made.lines):
        beside.setdefault((line.start, line.end), []).append(place)
    drawn = [""] * len(made.lines)
    for places in beside.values():
        lines = [made.lines[place] for place in places]
        labels = ", ".join(dict.fromkeys(line.label for line in lines if line.label))
        kinds = list(dict.fromkeys(line.kind for line in lines))
        for place, line in zip(places, lines, strict=True):
            shift = APART * (kinds.index(line.kind) - (len(kinds) - 1) / 2)
            path = [(x, y + shift) for x, y in placed.paths[place]]
            drawn[place] = drawn_line(made, line, path, labels if place == places[0] else "")
    return drawn


def drawn_line(made: Picture, line: Line, path: list[tuple[float, float]], label: str) -> str:
    """A line through its points, from border to border, with a label before the middle of the first stretch."""
    start = border(path[1], path[0], made.boxes[line.start])
    end = border(path[-2], path[-1], made.boxes[line.end])
    points = [start, *path[1:-1], end]
    commands = f"M{start[0]:.1f} {start[1]:.1f}"
    for (x, y), (u, v) in pairwise(points):
        middle = (x + u) / 2
        commands += f"C{middle:.1f} {y:.1f} {middle:.1f} {v:.1f} {u:.1f} {v:.1f}"
    tip = ' marker-end="url(#tip)"' if line.kind in ("flow", "reads") else ""
    ends = f'data-start="{escape(line.start)}" data-end="{escape(line.end)}"'
    drawn = f'<path class="line {line.kind}" {ends} d="{commands}"{tip}/>'
    if label:
        (x, y), (u, v) = points[0], points[1]
        at = (x + 0.45 * (u - x), y + 0.43 * (v - y) - 3)
        drawn += f'<text class="label" x="{at[0]:.1f}" y="{at[1]:.1f}">{escape(label)}</text>'
    return drawn


def border(toward: tuple[float, float], middle: tuple[float, float], box: Box) -> tuple[float, float]:
    """The point of a box's left or right border from which a line leaves, or the dot of a space."""
    half = 5.0 if box.kind == "space" else size_of(box)[0] / 2
    return (middle[0] + (half if toward[0] >= middle[0] else -half), middle[1])


def drawn_box(box: Box, placed: Layout, mark: str = "") -> str:
    """A box with its label, and its title for who points at it; `mark` is one more class."""
    x, y = placed.places[box.id]
    width, height = size_of(box)
    classes = ["box", box.kind, *(mark for mark in box.marks if mark in ("torch", "julia", "frozen")), *mark.split()]
    # No name has a slash.
    sides = f' data-left="{escape("/".join(box.left))}" data-right="{escape("/".join(box.right))}"' if box.left else ""
    parts = [f'<g class="{" ".join(classes)}" data-id="{escape(box.id)}"{sides}>']
    parts.append(f"<title>{escape(box.title)}</title>")
    if box.kind == "space":
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 14:.1f}">{escape(box.label)}</text></g>')
        return "".join(parts)
    left, upper = x - width / 2, y - height / 2
    if box.kind in ("agreement", "commute"):
        cut = 8
        outline = f"M{left:.1f} {y:.1f}l{cut} {-height / 2}h{width - 2 * cut:.1f}l{cut} {height / 2}l{-cut} {height / 2}"
        parts.append(f'<path d="{outline}h{2 * cut - width:.1f}z"/>')
    else:
        round_ = 12 if box.kind == "output" else 3
        size = f'width="{width:.1f}" height="{height:.1f}" rx="{round_}"'
        parts.append(f'<rect x="{left:.1f}" y="{upper:.1f}" {size}/>')
    texts = [box.label, *(mark for mark in box.marks if mark not in ("torch", "julia"))]
    for number, text in enumerate(texts):
        line = y + 4 + 14 * (number - (len(texts) - 1) / 2)  # 4: from the middle of a letter to its foot
        kind = ' class="label"' if number else ""
        parts.append(f'<text{kind} x="{x:.1f}" y="{line:.1f}">{escape(text)}</text>')
    return "".join([*parts, "</g>"])

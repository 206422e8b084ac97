"""Two diagrams in one picture, with what corresponds in one colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb
from dataclasses import replace
from html import escape
from typing import TypeAlias

from bridge.diagram.ir import Diagram
from bridge.draw.layout import MARGIN, Layout, layout, size_of
from bridge.draw.picture import Picture, picture
from bridge.draw.svg import drawn_box, drawn_lines, framed

__all__ = ["Pairs", "relation"]

Pairs: TypeAlias = "Mapping[str, Sequence[tuple[str, str]]]"
"""For each kind of element the names in the first diagram, with those in the second that they correspond to."""

# The kinds that have boxes; lines join those of the last three, since those of spaces and sources would cross them all.
BOXES = {"spaces": "space", "sources": "source", "arrows": "arrow", "agreements": "agreement", "commutes": "commute"}
JOINED = ("arrow", "agreement", "commute")
HEADING, GAP = 30, 8
APART, LANES = 11, 5
"""How far links are apart, in pixels, and how many places they take turns in: boxes of one layer are above each other."""

TURN = 0.381966  # of the circle of hues, the golden angle: however many there are, neighbours are far apart

STYLE = """\
.diagram .heading { font: bold 14px ui-monospace, monospace; text-anchor: start }
.diagram .apart rect, .diagram .apart path { fill: #fff; stroke: #bbb } .diagram .apart text { fill: #999 }
.diagram .apart circle { fill: #bbb }
.diagram .link { fill: none; stroke-width: 1.6; stroke-dasharray: 1 4; stroke-linecap: round }
"""


def relation(first: Diagram, second: Diagram, pairs: Pairs, words: str = "") -> str:
    """Both diagrams as one SVG element, the first above the second; what corresponds has one colour, the rest is grey.

    Dotted lines join the arrows, agreements and commutes that correspond. `words` are for who can't see it.

    Raises UnsupportedError where grandalf is not installed.
    """
    pictures = [picture(first), picture(second)]
    joined = [(f"{BOXES[kind]} {old}", f"{BOXES[kind]} {new}") for kind in BOXES for old, new in pairs.get(kind, ())]
    groups = together(joined)
    layouts, top = [], 0.0
    for made in pictures:
        placed = moved(layout(made), top + HEADING)
        top = placed.height + GAP
        layouts.append(placed)
    width = max([placed.width for placed in layouts] + [2 * MARGIN + 9 * len(made.name) for made in pictures])
    style = STYLE + "".join(colours(number) for number in range(len({*groups[0].values()})))
    links = [ends for ends in joined if ends[0].startswith(JOINED)]
    parts = [drawn_link(pictures, layouts, ends, groups[0][ends[0]], lane) for lane, ends in enumerate(links)]
    for made, placed, group, at in zip(pictures, layouts, groups, (0.0, layouts[0].height + GAP), strict=True):
        parts.append(f'<text class="heading" x="{MARGIN}" y="{at + HEADING:.1f}">{escape(made.name)}</text>')
        parts += drawn_lines(made, placed)
        for box in made.boxes.values():
            images = [b for a, b in joined if a == box.id] if made is pictures[0] else [a for a, b in joined if b == box.id]
            arrow = " ↦ " if made is pictures[0] else " ↤ "
            title = box.title + "".join(f"{arrow}{image.partition(' ')[2]}" for image in images)
            mark = f"pair{group[box.id]}" if box.id in group else "apart"
            parts.append(drawn_box(replace(box, title=title), placed, mark))
    return framed(words or f"{first.name} and {second.name}", width, layouts[1].height, parts, style)


def together(joined: Sequence[tuple[str, str]]) -> tuple[dict[str, int], dict[str, int]]:
    """The number of the colour of each box, in the first diagram and in the second: one for what is joined, however."""
    neighbours: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for old, new in joined:
        neighbours.setdefault((0, old), []).append((1, new))
        neighbours.setdefault((1, new), []).append((0, old))
    groups: tuple[dict[str, int], dict[str, int]] = ({}, {})
    count = 0
    for start in neighbours:
        if start[1] in groups[start[0]]:
            continue
        waiting = [start]
        while waiting:
            side, id_ = waiting.pop()
            if id_ not in groups[side]:
                groups[side][id_] = count
                waiting += neighbours[side, id_]
        count += 1
    return groups


def moved(placed: Layout, down: float) -> Layout:
    """A layout further down."""
    places = {id_: (x, y + down) for id_, (x, y) in placed.places.items()}
    paths = [[(x, y + down) for x, y in path] for path in placed.paths]
    return Layout(places, paths, placed.width, placed.height + down)


def colours(number: int) -> str:
    """The rules of a colour: what has it is filled lightly."""
    dark, light = (
        "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(number * TURN % 1, lightness, 0.75))
        for lightness in (0.38, 0.88)
    )
    name = f".diagram .pair{number}"
    return (
        f"{name} rect, {name} path {{ fill: {light}; stroke: {dark}; stroke-width: 2 }} {name} circle {{ fill: {dark} }} "
        f".diagram .link.pair{number} {{ stroke: {dark} }}\n"
    )


def drawn_link(pictures: Sequence[Picture], layouts: Sequence[Layout], ends: tuple[str, str], colour: int, lane: int) -> str:
    """A line from the lower border of a box of the first diagram to the upper border of one of the second."""
    (x, y), (u, v) = layouts[0].places[ends[0]], layouts[1].places[ends[1]]
    sizes = [size_of(made.boxes[id_]) for made, id_ in zip(pictures, ends, strict=True)]
    most = min(width for width, _ in sizes) / 2 - APART
    aside = max(-most, min(most, APART * (lane % LANES - LANES // 2)))
    x, y, u, v = x + aside, y + sizes[0][1] / 2, u + aside, v - sizes[1][1] / 2
    middle = (y + v) / 2
    path = f"M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {u:.1f} {middle:.1f} {u:.1f} {v:.1f}"
    return f'<path class="link pair{colour}" data-from="{escape(ends[0])}" data-to="{escape(ends[1])}" d="{path}"/>'

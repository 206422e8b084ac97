"""A diagram as Mermaid text, which forges and notebooks draw (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from bridge.draw.picture import Box, Picture

__all__ = ["mermaid"]

SHAPES = {
    "space": ("((", "))"),
    "source": ("[(", ")]"),
    "arrow": ("[", "]"),
    "agreement": ("{{", "}}"),
    "commute": ("{{", "}}"),
    "output": ("([", "])"),
}
LINKS = {"flow": "-->", "left": "-.->", "right": "-.->", "mask": "-.-", "reads": "-->"}
STYLES = (
    "classDef torch fill:#fde0d2,stroke:#d9480f",
    "classDef julia fill:#e5dbf7,stroke:#7048b6",
    "classDef frozen stroke-dasharray:4",
    "classDef agreement fill:#fff3bf,stroke:#b08900",
)


def mermaid(made: Picture) -> str:
    """The flowchart of a picture.

    >>> from bridge.draw.picture import Line
    >>> boxes = {"space x": Box("space x", "space", "x", ""), "arrow f": Box("arrow f", "arrow", "f", "", ("torch",))}
    >>> print(mermaid(Picture("fit", boxes, [Line("space x", "arrow f", "flow")])).split("    classDef")[0])
    flowchart LR
        n0(("x"))
        n1["f"]
        n0 --> n1
        class n1 torch
    <BLANKLINE>
    """
    ids = {box: f"n{number}" for number, box in enumerate(made.boxes)}
    lines = ["flowchart LR"]
    for box in made.boxes.values():
        opening, closing = SHAPES[box.kind]
        lines.append(f"    {ids[box.id]}{opening}{quoted(shown(box))}{closing}")
    for line in made.lines:
        label = line.label or (line.kind if line.kind in ("left", "right", "mask") else "")
        lines.append(f"    {ids[line.start]} {LINKS[line.kind]}{f'|{quoted(label)}|' if label else ''} {ids[line.end]}")
    for box in made.boxes.values():
        classes = [mark for mark in box.marks if mark in ("torch", "julia", "frozen")]
        classes += ["agreement"] if box.kind in ("agreement", "commute") else []
        lines += [f"    class {ids[box.id]} {name}" for name in classes]
    return "\n".join([*lines, *(f"    {style}" for style in STYLES)]) + "\n"


def shown(box: Box) -> str:
    """A box's label, with what it shares and whether it is frozen."""
    return box.label + "".join(f" ({mark})" for mark in box.marks if mark not in ("torch", "julia"))


def quoted(text: str) -> str:
    """Text in quotes, its special characters as Mermaid's entity codes."""
    special = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", ";": "#59;"}
    return '"' + "".join(special.get(character, character) for character in text) + '"'

"""Pictures: everything of a diagram is in them, boxes don't overlap, and files are what they should be."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest
from diagrams import diagrams
from hypothesis import given, settings
from test_relate import distillation, mutual_learning

import bridge
from bridge.cli.main import main
from bridge.diagram.ir import Diagram
from bridge.draw.layout import layout, size_of
from bridge.draw.page import page
from bridge.draw.picture import picture
from bridge.plan.program import Runtime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from picture import FILE, drawn

SVG = "{http://www.w3.org/2000/svg}"


@settings(max_examples=60, deadline=None)
@given(diagrams())
def test_pictures_of_generated_diagrams(diagram: Diagram) -> None:
    made = picture(diagram, plan=True)
    tables = ("spaces", "sources", "arrows", "agreements", "commutes", "outputs")
    assert set(made.boxes) == {f"{table[:-1]} {item.name}" for table in tables for item in getattr(diagram, table)}
    placed = layout(made)
    corners = {}
    for box in made.boxes.values():
        (x, y), (width, height) = placed.places[box.id], size_of(box)
        corners[box.id] = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        assert corners[box.id][0] >= 0 and corners[box.id][1] >= 0
        assert corners[box.id][2] <= placed.width and corners[box.id][3] <= placed.height
    for one, other in combinations(corners, 2):
        a, b = corners[one], corners[other]
        assert a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1, (one, other)
    tree = ElementTree.fromstring(diagram.svg())
    assert {group.get("data-id") for group in tree.iter(f"{SVG}g")} == set(made.boxes)
    assert len([path for path in tree.iter(f"{SVG}path") if path.get("data-start")]) == len(made.lines)
    text = diagram.mermaid()
    assert text.startswith("flowchart LR\n")
    assert sum(line.strip().startswith("n") for line in text.splitlines()) == len(made.boxes) + len(made.lines)


def test_what_is_marked() -> None:
    shared = mutual_learning().tie("peer_1", "peer_2")
    tree = ElementTree.fromstring(distillation().svg(placement={"student": Runtime.JULIA}, plan=True))
    classes = {group.get("data-id"): group.get("class") for group in tree.iter(f"{SVG}g")}
    assert classes["arrow student"] == "box arrow julia"
    assert classes["arrow teacher"] == "box arrow torch frozen"
    text = "".join(tree.itertext())
    assert "frozen" in text and "island 1" in text and "kl" in text
    assert "shares peer_1" in shared.svg() and "shares peer_1" in shared.mermaid()
    assert "detached" in mutual_learning().svg()
    sides = {g.get("data-id"): g for g in tree.iter(f"{SVG}g")}["agreement student~teacher"]
    assert sides.get("data-left") == "source digits/arrow student/space image/space logits"
    assert sides.get("data-right") == "source digits/arrow teacher/space image/space logits"


def test_sixty_elements_are_placed_without_lines_through_boxes_of_one_layer() -> None:
    d = bridge.Builder("chain")
    spaces = [d.space(f"x{n}", width=2) for n in range(25)]
    data = d.source("data", x=spaces[0], y=spaces[-1])
    term = data.x
    for n in range(24):
        term = d.arrow(f"f{n}", spaces[n], spaces[n + 1], bridge.layers.linear(2, 2))(term)
    d.agree(term, data.y, by=bridge.mse())
    placed = layout(picture(d.build()))
    along = [placed.places[f"arrow f{n}"][0] for n in range(24)]
    assert along == sorted(along) and len(set(along)) == 24


def test_names_are_escaped() -> None:
    d = bridge.Builder('<b> & "quotes"')
    x = d.space("a<b>&", width=3)
    data = d.source("data", x=x)
    d.agree(d.arrow("f|g", x, x, bridge.layers.linear(3, 3))(data.x), data.x, by=bridge.mse(), name='<script>"x"</script>')
    made = d.build()
    tree = ElementTree.fromstring(made.svg())
    assert {g.get("data-id") for g in tree.iter(f"{SVG}g")} >= {"space a<b>&", "arrow f|g"}
    assert "<script>" not in made.svg() and "<script>" not in made.mermaid()
    assert page(picture(made)).count("<script>") == 1


class Resources(HTMLParser):
    """Everything that a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]


def test_the_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "d.pb")
    bridge.save(distillation(), file)
    paths = {suffix: str(tmp_path / f"out.{suffix}") for suffix in ("svg", "html", "mmd")}
    options = [
        "--svg",
        paths["svg"],
        "--html",
        paths["html"],
        "--mermaid",
        paths["mmd"],
        "--plan",
        "--place",
        "student=julia",
    ]
    assert main(["show", file, *options]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {path}" for path in paths.values()]
    assert "island 1" in Path(paths["svg"]).read_text()
    assert Path(paths["mmd"]).read_text().startswith("flowchart LR")
    resources = Resources()
    resources.feed(Path(paths["html"]).read_text())
    assert resources.found == []
    assert main(["show", file, "--svg", str(tmp_path / "missing" / "out.svg")]) == 2


def test_notebooks_and_what_cannot_be_drawn() -> None:
    assert distillation()._repr_svg_().startswith("<svg ")
    code = """if True:
        import sys
        sys.modules["grandalf"] = sys.modules["grandalf.graphs"] = None
        sys.path.insert(0, "tests")
        import json, bridge
        from test_relate import distillation
        assert distillation()._repr_svg_() is None
        try:
            distillation().svg()
        except bridge.UnsupportedError as error:
            print(json.dumps([error.element, error.expected]))
    """
    root = Path(__file__).resolve().parent.parent
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == ["drawing", "the package grandalf (pip install 'diagram-bridge[draw]')"]


def test_the_committed_picture_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == drawn()

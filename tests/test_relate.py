"""How diagrams relate: the largest common part against trying every set of agreements, and what the command says."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from small_diagrams import seeds, small_diagram

import bridge
from bridge import layers
from bridge.cli.main import main
from bridge.diagram.canonical import canonical
from bridge.diagram.ir import Diagram, Training
from bridge.diagram.operations.common_part import common_part
from bridge.diagram.types import term_trains
from bridge.draw.picture import picture
from bridge.draw.relation import BOXES, relation

SVG = "{http://www.w3.org/2000/svg}"


def trainable(diagram: Diagram) -> Diagram:
    """The diagram with every component trainable, so that any agreement with one below it may be there alone."""
    components = tuple(replace(c, has_parameters=True, training=Training.TRAINABLE) for c in diagram.components)
    return canonical(replace(diagram, components=components))


def agreements_in_common(first: Diagram, second: Diagram) -> int:
    """The most agreements of the first whose sub-diagram embeds, by trying all sets of them."""
    names = [agreement.name for agreement in first.agreements]
    for count in range(len(names), 0, -1):
        for chosen in combinations(names, count):
            alone = replace(
                first, agreements=tuple(a for a in first.agreements if a.name in chosen), commutes=(), outputs=()
            )
            if fits(alone, second):
                return count
    return 0


def fits(first: Diagram, second: Diagram) -> bool:
    """Whether a diagram's agreements, with what they need, embed."""
    try:
        part = bridge.restrict(canonical(first), agreements=[a.name for a in first.agreements])
    except bridge.DiagramError:  # nothing to train: an agreement of columns alone
        return False
    return bridge.embeds(part, second) is not None


@settings(max_examples=150, deadline=None)
@given(seeds)
def test_nothing_larger_is_in_common(seed: int) -> None:
    first = trainable(small_diagram(seed, plain=True, size=3))
    second = trainable(small_diagram(seed + 1, plain=True, size=3))
    found = common_part(first, second)
    assert found.is_largest and found.morphism.is_injective
    columns_alone = sum(
        not term_trains(first, first.terms)[a.left] and not term_trains(first, first.terms)[a.right]
        for a in first.agreements
    )
    most = agreements_in_common(first, second)
    assert most <= len(found.morphism.agreements) <= most + columns_alone


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_a_diagram_has_all_in_common_with_itself(seed: int) -> None:
    diagram = small_diagram(seed)
    found = common_part(diagram, bridge.rename(diagram, name="other"))
    assert len(found.morphism.agreements) == len(diagram.agreements)
    assert len(found.morphism.arrows) == len(diagram.arrows)


def distillation() -> Diagram:
    """A student that learns from labels and from a frozen teacher."""
    d = bridge.Builder("distillation")
    image, logits, label = d.space("image", width=8), d.space("logits", klass=3), d.index("label", classes=3)
    digits = d.source("digits", image=image, label=label)
    student = d.arrow("student", image, logits, layers.linear(8, 3))
    teacher = d.arrow("teacher", image, logits, layers.linear(8, 3), frozen=True)
    d.agree(student(digits.image), digits.label, by=bridge.cross_entropy())
    d.agree(student(digits.image), teacher(digits.image), by=bridge.kl(4.0))
    return d.build()


def mutual_learning() -> Diagram:
    """Two peers that learn from labels and from each other."""
    d = bridge.Builder("mutual learning")
    image, logits, label = d.space("image", width=8), d.space("logits", klass=3), d.index("label", classes=3)
    digits = d.source("digits", image=image, label=label)
    one, two = (d.arrow(f"peer_{number}", image, logits, layers.linear(8, 3)) for number in (1, 2))
    for peer, other in ((one, two), (two, one)):
        d.agree(peer(digits.image), digits.label, by=bridge.cross_entropy())
        d.agree(peer(digits.image), bridge.detach(other(digits.image)), by=bridge.kl(1.0))
    return d.build()


def test_the_command_in_words_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("distillation.pb", "mutual.pb")]
    for file, diagram in zip(files, (distillation(), mutual_learning()), strict=True):
        bridge.save(diagram, file)
    assert main(["relate", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("'distillation' embeds into 'mutual learning', student ↦ peer_1, teacher ↦ peer_2, ")
    assert lines[0].endswith(" (2 morphisms in all)")
    assert lines[1] == "'mutual learning' has no morphism to 'distillation'"
    assert lines[2].startswith("in common: 2 agreements, 2 arrows, student ↦ peer_1, teacher ↦ peer_2, ")
    assert main(["relate", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["forward"]["count"] == 2 and found["backward"] == {"embedding": None, "count": 0, "morphisms": []}
    assert found["forward"]["embedding"]["arrows"] == {"student": "peer_1", "teacher": "peer_2"}
    assert found["isomorphism"] is None and found["common"]["is_largest"]
    assert main(["relate", files[1], files[1]]) == 0
    assert capsys.readouterr().out.startswith("'mutual learning' is isomorphic to 'mutual learning', each name to itself\n")
    assert main(["relate", files[0], str(tmp_path / "missing.pb")]) == 2


def test_a_tied_diagram_maps_without_embedding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    d = bridge.Builder("d")
    x = d.space("x", width=3)
    data = d.source("data", x=x, y=x)
    f, g = (d.arrow(name, x, x, layers.linear(3, 3)) for name in "fg")
    d.agree(f(data.x), g(data.y), by=bridge.mse())
    bridge.save(d.build(), tmp_path / "a.pb")
    bridge.save(d.build().tie("f", "g").rename(name="tied"), tmp_path / "b.pb")
    assert main(["relate", str(tmp_path / "a.pb"), str(tmp_path / "b.pb")]) == 0
    assert capsys.readouterr().out.startswith("'d' maps to 'tied', not injectively, g ↦ f (1 morphism in all)\n")


def drawn(text: str) -> tuple[list[tuple[str, set[str]]], list[tuple[str, str, set[str]]]]:
    """The boxes of a picture in order, with their classes, and the links between some."""
    tree = ElementTree.fromstring(text)
    boxes = [(g.attrib["data-id"], {*g.attrib["class"].split()}) for g in tree.iter(f"{SVG}g") if "data-id" in g.attrib]
    paths = [path.attrib for path in tree.iter(f"{SVG}path") if "data-from" in path.attrib]
    return boxes, [(path["data-from"], path["data-to"], {*path["class"].split()}) for path in paths]


def colour(classes: set[str]) -> str:
    """The class that says what a box or a link belongs to."""
    (found,) = (name for name in classes if name == "apart" or name.startswith("pair"))
    return found


def test_the_command_draws_what_corresponds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / name) for name in ("distillation.pb", "mutual.pb", "relation.svg")]
    for file, diagram in zip(files, (distillation(), mutual_learning()), strict=False):
        bridge.save(diagram, file)
    for first, second in ((0, 1), (1, 0)):
        assert main(["relate", files[first], files[second], "--svg", files[2]]) == 0
        boxes, links = drawn(Path(files[2]).read_text())
        colours = {id_: colour(classes) for id_, classes in boxes}
        assert colours["arrow student"] == colours["arrow peer_1"] != colours["arrow teacher"] == colours["arrow peer_2"]
        assert "apart" not in (colours["arrow student"], colours["arrow teacher"], colours["space logits"])
        assert sum(mark == "apart" for mark in colours.values()) == 2  # what the second peer learns
        assert len(links) == 4 and all(colour(classes) == colours[old] == colours[new] for old, new, classes in links)
    assert capsys.readouterr().out.count("embeds into") == 2


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_pictures_of_diagrams_that_relate(seed: int) -> None:
    first, other = small_diagram(seed), small_diagram(seed + 1)
    second = bridge.glue(first, other, prefix="z", name="both")
    found = bridge.embeds(first, second)
    assert found is not None
    pairs = {kind: list(names.items()) for kind, names in found.kinds().items()}
    boxes, links = drawn(relation(first, second, pairs))
    above, below = dict(boxes[: len(picture(first).boxes)]), dict(boxes[len(picture(first).boxes) :])
    assert above.keys() == picture(first).boxes.keys() and below.keys() == picture(second).boxes.keys()
    joined = [(f"{kind[:-1]} {old}", f"{kind[:-1]} {new}") for kind in BOXES for old, new in pairs[kind]]
    assert all(colour(above[old]) == colour(below[new]) != "apart" for old, new in joined)
    assert len({colour(above[old]) for old, _ in joined}) == len(joined)  # an embedding: all are different
    assert sum(colour(classes) != "apart" for classes in below.values()) == len(joined)
    assert len(links) == len(first.arrows) + len(first.agreements) + len(first.commutes)

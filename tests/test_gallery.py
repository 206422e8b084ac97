"""The gallery: every example builds, trains a little in both languages, and is the same diagram in Julia."""

from __future__ import annotations

from itertools import product
from math import isfinite
from pathlib import Path

import pytest
import torch

import bridge
from bridge.diagram.ir import Diagram
from bridge.diagram.operations import homomorphisms
from bridge.julia.session import session
from bridge.schema import to_bytes
from examples.gallery import NAMES
from examples.gallery.page import page
from examples.gallery.running import Result, Run, Summary, find, in_julia, line

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "gallery"


def built(name: str) -> Diagram:
    made = find(name).diagram()
    return made.build() if isinstance(made, bridge.Builder) else made


def test_the_files() -> None:
    for kind in ("py", "jl"):
        shared = {"__init__", "__main__", "page", "running", "samples"}
        assert {path.stem for path in FOLDER.glob(f"*.{kind}")} - shared == {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_in_both_languages(name: str) -> None:
    placement = find(name).PLACEMENT
    bodies = {component.name: component.body for component in built(name).components}
    assert any(isinstance(body, bridge.TorchReference) for body in bodies.values()) and "julia" in placement.values()
    before = session().statistics().forwards
    result = find(name).measure(Run(0, steps=2))
    assert session().statistics().forwards > before
    assert len(result.curve) == 2 and all(map(isfinite, (result.metric, result.baseline, *result.curve)))


@pytest.mark.parametrize("name", ["distillation", "assembled"])
def test_the_language_changes_nothing(name: str) -> None:
    mixed, alone = (find(name).measure(Run(0, steps=5, mixed=mixed)) for mixed in (True, False))
    torch.testing.assert_close(torch.tensor(mixed.curve), torch.tensor(alone.curve), rtol=1e-4, atol=1e-5)


def test_julias_diagrams_are_the_same() -> None:
    written = "bytes2hex(DiagramBridge.write_bytes(Base.invokelatest(inside.diagram)))"
    assert {name: in_julia(name, written) for name in NAMES} == {name: to_bytes(built(name)).hex() for name in NAMES}


def test_morphisms_between_any_two_take_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """5000 steps are some hundredths of a second."""
    monkeypatch.setattr(homomorphisms, "MAX_STEPS", 5000)
    diagrams = {name: built(name) for name in NAMES}
    for one, other in product(NAMES, repeat=2):
        found = bridge.morphisms(diagrams[one], diagrams[other])
        assert one != other or any(morphism.arrows == {name: name for name in morphism.arrows} for morphism in found)
    # Mutual learning teaches both ways what distillation teaches one way.
    assert bridge.embeds(diagrams["distillation"], diagrams["mutual"]) is not None


def test_the_page_and_the_verdict() -> None:
    results = [Result(0.9, 0.8, [2.0, 1.0]), Result(0.92, 0.81, [2.5, 0.9])]
    better, worse = Summary("supervised", results, False), Summary("cycle", results, True)
    assert better.beats and not worse.beats
    assert not Summary("graph", [Result(0.9, 0.8, [1.0]), Result(0.8, 0.85, [1.0])], False).beats
    assert "0.910 ± 0.014, better than the nearest class mean: 0.805 ± 0.007" in line(better)
    text = page([better, worse])
    assert text.count("not better than the baseline") == 1 and "http://www.w3.org/2000/svg" in text
    assert 'href="../../examples/gallery/cycle.jl"' in text and text.count("<polyline") == 4
